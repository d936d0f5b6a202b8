package import MartletCore

/// What holds of the jobs of a batch together.
extension JobTables {
    /// Why a batch takes no more members, if so.
    func refusal(of id: BatchID) throws(StoreError) -> BatchRefusal? {
        guard let batch = try self.batch(id) else { return .unknown }
        return batch.isClosed ? .closed : nil
    }

    /// The first batch that these jobs name and that does not take them.
    func batchRefusal(of jobs: [NewJob]) throws(StoreError) -> SubmitOutcome? {
        var last: BatchID?
        for job in jobs {
            guard let id = job.options.batch, id != last else { continue }
            if let refusal = try self.refusal(of: id) { return .batchRefused(id, refusal) }
            last = id
        }
        return nil
    }

    /// Whether a job that runs may add another one to this batch, to which it belongs itself perhaps: as long as the
    /// batch has not ended.
    func takesFollowUps(_ id: BatchID) throws(StoreError) -> Bool {
        guard let batch = try self.batch(id) else { return false }
        return !batch.isOver
    }

    /// Opens a batch under the first id, with these jobs as its callbacks under those behind it.
    mutating func open(
        _ new: NewBatch, _ callbacks: [NewJob], as first: JobID, depth: Int, at now: WallTime
    ) throws(StoreError) {
        var batch = BatchRow(
            id: BatchID(rawValue: first.rawValue), name: new.name, parent: new.parent, depth: depth, createdAt: now,
            keptFor: new.keptFor)
        if let parent = new.parent { try self.joinBatch(parent) }
        for (place, (event, job)) in zip(new.callbacks, callbacks).enumerated() {
            let id = first.advanced(by: 1 + place)
            _ = try self.create(job, as: id, role: .callback, at: now)
            batch[callback: event] = id
        }
        try self.setBatch(batch)
    }

    mutating func joinBatch(_ id: BatchID) throws(StoreError) {
        guard var batch = try self.batch(id) else { return }
        batch.total += 1
        batch.move(from: nil, to: .ready)
        try self.setBatch(batch)
    }

    mutating func leaveBatch(_ id: BatchID, as state: JobState) throws(StoreError) {
        guard var batch = try self.batch(id) else { return }
        batch.move(from: .ready, to: state)
        let isFirstDeath = state == .dead && !batch.hasDeath
        if isFirstDeath { batch.hasDeath = true }
        try self.setBatch(batch)
        if batch.isOver || isFirstDeath { self.releases.append(Release(.batch(id))) }
    }

    /// A dead member is to run again, and with it every batch around it that had ended.
    mutating func rejoinBatch(_ id: BatchID) throws(StoreError) {
        var next: BatchID? = id
        var end = JobState.dead
        while let id = next, var batch = try self.batch(id) {
            let endBefore = batch.end
            let wasFinished = batch.finishedAt != nil
            batch.move(from: end, to: .ready)
            batch.finishedAt = nil
            batch.expires = nil
            try self.setBatch(batch)
            guard wasFinished else { return }
            end = endBefore
            next = batch.parent
        }
    }

    /// Takes no more members. False if there is no such batch.
    package mutating func closeBatch(_ id: BatchID) throws(StoreError) -> Bool {
        guard var batch = try self.batch(id) else { return false }
        guard !batch.isClosed else { return true }
        batch.isClosed = true
        try self.setBatch(batch)
        if batch.isOver { self.releases.append(Release(.batch(id))) }
        return true
    }

    /// Lets the callbacks go on whose event has come, cancels those whose event will not, and tells the batch around
    /// it of its end. Each callback is seen to once.
    mutating func settleBatch(_ id: BatchID, at now: WallTime) throws(StoreError) {
        guard var batch = try self.batch(id) else { return }
        var calls: [(job: JobID?, isNeeded: Bool)] = []
        if batch.hasDeath {
            calls.append((batch.onDeath, true))
            batch.onDeath = nil
        }
        let hasEnded = batch.isOver && batch.finishedAt == nil
        if hasEnded {
            batch.finishedAt = now
            batch.expires = now + batch.keptFor
            calls += [(batch.onDeath, false), (batch.onSuccess, batch.hasSucceeded), (batch.onEnd, true)]
            batch.onDeath = nil
            batch.onSuccess = nil
            batch.onEnd = nil
        }
        try self.setBatch(batch)
        for call in calls { if let job = call.job { try self.call(job, of: batch, isNeeded: call.isNeeded, at: now) } }
        if hasEnded, let parent = batch.parent { try self.leaveBatch(parent, as: batch.end) }
    }

    private mutating func call(
        _ id: JobID, of batch: BatchRow, isNeeded: Bool, at now: WallTime
    ) throws(StoreError) {
        guard var row = try self.row(id), row.state == .blocked else { return }
        if isNeeded { return try self.unblock(row, at: now) }
        row.failure = JobFailure(
            kind: JobFailure.notNeededKind, message: "batch \(batch.id) ended, and not so that this job is to run")
        try self.cancel(row, at: now)
    }
}
