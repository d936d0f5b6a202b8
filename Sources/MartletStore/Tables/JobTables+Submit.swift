package import MartletCore

/// How jobs come into being.
extension JobTables {
    /// Why none of a submission's jobs may be created, if so: the batch that takes no more of them, or the first that
    /// wants to be refused and whose key is taken.
    package func refusal(of submission: Submission, at now: WallTime) throws(StoreError) -> SubmitOutcome? {
        if let parent = submission.batch?.parent {
            if let refusal = try self.refusal(of: parent) { return .batchRefused(parent, refusal) }
            if try self.batch(parent)!.depth >= NewBatch.depthMax { return .batchRefused(parent, .tooDeep) }
        }
        guard submission.jobs.contains(where: { !$0.options.isBare }) else { return nil }
        if let refusal = try self.batchRefusal(of: submission.jobs) { return refusal }
        return try self.duplicate(in: submission.jobs, isStrict: submission.isGrouped, at: now)
    }

    /// - Parameter isStrict: every job wants to be refused: others are to wait for this one and no other.
    private func duplicate(in jobs: [NewJob], isStrict: Bool, at now: WallTime) throws(StoreError) -> SubmitOutcome? {
        guard jobs.contains(where: { $0.options.unique.map { isStrict || $0.conflict == .refuse } ?? false }) else {
            return nil
        }
        var taken: Set<UniqueName> = []
        for (place, job) in jobs.enumerated() {
            guard let unique = job.options.unique else { continue }
            let name = UniqueName(unique, of: self.laneKey(job.lane))
            let isRepeated = !taken.insert(name).inserted
            guard isStrict || unique.conflict == .refuse else { continue }
            if let hold = try self.hold(on: name), !hold.isOver(at: now) {
                return .duplicate(place: place, existing: hold.job)
            }
            if isRepeated { return .duplicate(place: place, existing: nil) }
        }
        return nil
    }

    /// Creates a workflow or opens a batch, with ids from `first` on: nothing is in the way of it.
    package mutating func createGroup(
        _ submission: Submission, from first: JobID, at now: WallTime
    ) throws(StoreError) {
        if let workflow = submission.workflow {
            try self.create(workflow, submission.jobs, from: first, at: now)
        } else if let batch = submission.batch {
            var depth = 1
            if let parent = batch.parent, let around = try self.batch(parent) { depth = around.depth + 1 }
            try self.open(batch, submission.jobs, as: first, depth: depth, at: now)
        }
    }

    /// Creates a job, or finds the one that has its unique key.
    ///
    /// - Returns: what became of it, if it was not created.
    package mutating func create(
        _ job: NewJob, as id: JobID, at now: WallTime
    ) throws(StoreError) -> SubmitException.Kind? {
        try self.create(job, as: id, role: .alone, at: now)
    }

    mutating func create(
        _ job: NewJob, as id: JobID, role: JobRole, at now: WallTime
    ) throws(StoreError) -> SubmitException.Kind? {
        var flags = role.flags
        if let unique = job.options.unique {
            if let kind = try self.meet(unique, of: job, at: now) { return kind }
            try self.setHold(on: UniqueName(unique, of: self.laneKey(job.lane)), UniqueHold(job: id))
            flags.insert(.unique)
        }
        if job.options.expiry != nil { flags.insert(.expiring) }
        if job.options.isOrdered { flags.insert(.ordered) }
        if let batch = job.options.batch {
            try self.joinBatch(batch)
            flags.insert(.batchMember)
        }
        let isLater = job.due.map { $0 > now } ?? false
        let state: JobState = role.isBlocked ? .blocked : job.due == nil ? .ready : .scheduled
        // What waits for others is not late before they have ended.
        let expiry = role.isBlocked ? nil : job.options.expiry
        let row = JobRow(
            id: id, lane: job.lane, state: state, due: job.due, options: job.options, createdAt: now, flags: flags,
            expires: expiry.map { (isLater ? job.due! : now) + $0 }, workflow: role.workflow, waits: role.waits)
        try self.insert(row, payload: job.payload)
        self.count(in: job.lane) { totals in
            totals.move(from: nil, to: row.state)
            totals.submittedTotal += 1
        }
        return nil
    }

    /// The job that has the key of a new one, as it is after that.
    private mutating func meet(
        _ unique: UniqueKey, of job: NewJob, at now: WallTime
    ) throws(StoreError) -> SubmitException.Kind? {
        let name = UniqueName(unique, of: self.laneKey(job.lane))
        guard let hold = try self.hold(on: name), !hold.isOver(at: now) else { return nil }
        guard unique.conflict == .replace, hold.until == nil, var row = try self.row(hold.job), row.isPending else {
            return .existing(hold.job)
        }
        row.revision += 1
        let dueBefore = row.due
        if row.state != .blocked {
            self.count(in: row.lane) { $0.move(from: row.state, to: job.due == nil ? .ready : .scheduled) }
            row.state = job.due == nil ? .ready : .scheduled
        }
        row.due = job.due
        row.history = JobHistory()
        if row.state != .blocked, let expiry = row.options.expiry { row.expires = max(job.due ?? now, now) + expiry }
        if row.flags.contains(.checkpoint) {
            // Of work on the payload that is no more.
            try self.setCheckpoint(of: row.id, nil)
            row.flags.remove(.checkpoint)
        }
        try self.replacePayload(of: row.id, by: job.payload)
        try self.write(row)
        self.moved(row, from: row.lane, due: dueBefore)
        return .replaced(hold.job)
    }

    /// Notes that the owner is to run a job, or to wait for its time.
    mutating func becameWaiting(_ row: JobRow) {
        guard row.isWaiting else { return }
        self.consequences.waiting.append(Consequences.Waiting(row))
    }

    /// Notes that a job which the owner may know is not as it was.
    mutating func moved(_ row: JobRow, from lane: LaneID, due dueBefore: WallTime?) {
        guard row.isWaiting else { return }
        self.consequences.moved.append(
            Consequences.Moved(before: lane, dueBefore: dueBefore, after: Consequences.Waiting(row)))
    }

    /// Creates the jobs that a completion brought with it. Where a key is taken nothing is created, whatever the job
    /// says: its parent's work is done and cannot be refused.
    mutating func createFollowUps(_ jobs: [NewJob], at now: WallTime) throws(StoreError) {
        let first = JobID(shard: self.shard, sequence: self.nextSequence)
        self.nextSequence += UInt64(jobs.count)
        for (offset, job) in jobs.enumerated() {
            let id = first.advanced(by: offset)
            var options = job.options
            // Its work is done: where its batch has ended, the job is created without.
            if let batch = options.batch, !(try self.takesFollowUps(batch)) { options.batch = nil }
            let job = NewJob(lane: job.lane, options: options, payload: job.payload, due: job.due)
            guard try self.create(job, as: id, at: now) == nil, let row = try self.row(id) else { continue }
            self.becameWaiting(row)
        }
    }
}

extension Consequences.Waiting {
    fileprivate init(_ row: JobRow) {
        self.init(id: row.id, lane: row.lane, share: row.options.share, due: row.due)
    }
}
