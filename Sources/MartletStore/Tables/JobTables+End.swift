package import MartletCore

/// How jobs end, and how they go on after an attempt.
extension JobTables {
    /// Accepts a completion. False if the job is not there or over.
    package mutating func succeed(_ job: SucceededJob, at now: WallTime) throws(StoreError) -> Bool {
        guard var row = try self.row(job.id), row.isWaiting, self.isLane(job.lane, of: row) else { return false }
        let isOver = row.revision == job.revision
        if let details = job.details, !details.followUps.isEmpty {
            // A job may be followed by one with its own key.
            if isOver { try self.releaseKey(of: row, as: .succeeded, at: now) }
            try self.createFollowUps(details.followUps, at: now)
        }
        guard isOver else {
            // Its payload was replaced while a handler was at work on the old one.
            if let row = try self.row(job.id) { try self.runAgain(row, at: now) }
            return true
        }
        if let result = job.details?.result, job.isKept || row.flags.contains(.workflowMember) {
            try self.setResult(of: row.id, result)
            row.flags.insert(.result)
        }
        try self.end(row, as: .succeeded, keptFor: job.keptFor, at: now)
        return true
    }

    /// Whether who names this lane means the job: a node that runs it may not know of a change of priority.
    func isLane(_ lane: LaneID, of row: JobRow) -> Bool {
        if lane == row.lane { return true }
        let (named, own) = (self.laneKey(lane), self.laneKey(row.lane))
        return named.queue == own.queue && named.type == own.type
    }

    private mutating func runAgain(_ row: JobRow, at now: WallTime) throws(StoreError) {
        var row = row
        let isDue = row.due.map { $0 <= now } ?? true
        let state: JobState = isDue ? .ready : .scheduled
        self.count(in: row.lane) { $0.move(from: row.state, to: state) }
        row.state = state
        if isDue { row.due = nil }
        try self.write(row)
        self.becameWaiting(row)
    }

    /// Applies an update. False if the job is not there or not in the expected state.
    package mutating func update(_ update: JobUpdate, at now: WallTime) throws(StoreError) -> Bool {
        guard var row = try self.row(update.id), self.isLane(update.lane, of: row) else { return false }
        switch update.expected {
        case .pending: guard update.state.isTerminal ? row.isPending : row.isWaiting else { return false }
        case .overdue: guard row.isPending, let expires = row.expires, expires <= now else { return false }
        case .dead: guard row.state == .dead, !update.state.isTerminal else { return false }
        }
        if let attempt = update.attempt {
            try self.add(attempt, to: row.id)
            row.flags.insert(.attempts)
        }
        if let revision = update.revision, revision != row.revision {
            // Its payload was replaced meanwhile: what became of the old one says nothing of the new one.
            try self.runAgain(row, at: now)
            return false
        }
        let failuresBefore = row.history.failures
        row.history = update.history ?? row.history
        row.failure = update.failure ?? row.failure
        if update.state.isTerminal {
            try self.end(row, as: update.state, keptFor: update.keptFor, at: now)
            return true
        }
        let isRetry = row.history.failures > failuresBefore
        self.count(in: row.lane) { totals in
            totals.move(from: row.state, to: update.state)
            if isRetry { totals.retriedTotal += 1 }
        }
        if row.state == .dead {
            try self.letGo(row)
            try self.revive(&row, at: now)
        }
        row.state = update.state
        row.due = update.due
        row.finishedAt = nil
        // It has started: from now on nothing but its retry policy ends it.
        if row.history != JobHistory() || update.expected == .dead { row.expires = nil }
        try self.write(row)
        return true
    }

    /// A pending job ends: it gives up what it holds, and those that wait for it hear of it.
    ///
    /// - Parameter keptFor: how long it stays visible; nil for ever, zero not at all. A job of a workflow stays as long
    ///   as that.
    mutating func end(
        _ ended: JobRow, as state: JobState, keptFor wanted: Duration?, at now: WallTime
    ) throws(StoreError) {
        let keptFor = ended.flags.contains(.workflowMember) ? nil : wanted
        precondition(ended.isPending && state.isTerminal, "a job ends once")
        var row = ended
        self.count(in: row.lane) { $0.move(from: ended.state, to: state) }
        row.state = state
        row.due = nil
        row.waits = 0
        row.finishedAt = now
        row.expires = keptFor.map { now + $0 }
        try self.releaseKey(of: row, as: state, at: now)
        if row.flags.contains(.checkpoint) {
            try self.setCheckpoint(of: row.id, nil)
            row.flags.remove(.checkpoint)
        }
        try self.leaveGroups(&row, keptFor: wanted, at: now)
        guard keptFor != .zero else { return try self.erase(row) }
        try self.write(row)
        try self.keep(row)
    }

    private mutating func releaseKey(of row: JobRow, as state: JobState, at now: WallTime) throws(StoreError) {
        guard row.flags.contains(.unique), let unique = row.options.unique else { return }
        let name = UniqueName(unique, of: self.laneKey(row.lane))
        guard try self.hold(on: name)?.job == row.id else { return }
        if state == .succeeded, case .afterSuccess(let window) = unique.window {
            try self.setHold(on: name, UniqueHold(job: row.id, until: now + window))
        } else {
            try self.setHold(on: name, nil)
        }
    }

    /// A dead job is to run again. Its unique key is its own again, unless somebody else has it now.
    private mutating func revive(_ row: inout JobRow, at now: WallTime) throws(StoreError) {
        try self.rejoinGroups(&row, at: now)
        guard row.flags.contains(.unique), let unique = row.options.unique else { return }
        let name = UniqueName(unique, of: self.laneKey(row.lane))
        let hold = try self.hold(on: name)
        if hold?.isOver(at: now) ?? true { try self.setHold(on: name, UniqueHold(job: row.id)) }
    }

    /// Removes a job that is over. False if it is not there, or not over, or part of a workflow that goes on.
    package mutating func delete(_ id: JobID, at now: WallTime) throws(StoreError) -> Bool {
        guard let row = try self.row(id), row.state.isTerminal, try self.mayRemove(row) else { return false }
        try self.discard(row, at: now)
        return true
    }

    /// Removes a job that is over, and what its workflow knows of it.
    package mutating func discard(_ row: JobRow, at now: WallTime) throws(StoreError) {
        if row.flags.contains(.workflowMember) { try self.removeFromWorkflow(row, at: now) }
        try self.letGo(row)
        try self.erase(row)
    }

    /// Removes a job that is over and was not kept, or no longer is. A dead one counts as deleted; the others were
    /// counted when they ended.
    mutating func erase(_ row: JobRow) throws(StoreError) {
        if row.state == .dead {
            self.count(in: row.lane) { totals in
                totals.dead -= 1
                totals.deletedTotal += 1
            }
        }
        try self.remove(row)
    }

    /// Puts a pending job into another lane of its queue and type: its priority changed.
    package mutating func move(_ change: LaneChange) throws(StoreError) -> Bool {
        let (before, after) = (self.laneKey(change.lane), self.laneKey(change.newLane))
        guard before.queue == after.queue, before.type == after.type, var row = try self.row(change.id),
            row.isPending, row.lane == change.lane
        else { return false }
        self.count(in: row.lane) { totals in
            totals.move(from: row.state, to: nil)
            totals.submittedTotal -= 1
        }
        row.lane = change.newLane
        row.options.priority = after.priority
        self.count(in: row.lane) { totals in
            totals.move(from: nil, to: row.state)
            totals.submittedTotal += 1
        }
        try self.write(row)
        self.moved(row, from: change.lane, due: row.due)
        return true
    }

    /// A handler reached a point from which a later attempt may go on.
    package mutating func saveCheckpoint(_ checkpoint: Checkpoint) throws(StoreError) -> Bool {
        guard var row = try self.row(checkpoint.id), row.isWaiting, self.isLane(checkpoint.lane, of: row),
            row.revision == checkpoint.revision
        else { return false }
        try self.setCheckpoint(of: row.id, checkpoint.value)
        if !row.flags.contains(.checkpoint) {
            row.flags.insert(.checkpoint)
            try self.write(row)
        }
        return true
    }
}

extension LaneTotals {
    /// Counts a job out of one state and into another; nil is outside of the lane.
    package mutating func move(from before: JobState?, to after: JobState?) {
        if let before { self.add(-1, to: before) }
        if let after { self.add(1, to: after) }
    }

    /// Counts jobs into a state, or out of one that is counted as long as they are in it.
    package mutating func add(_ count: Int, to state: JobState) {
        switch state {
        case .blocked: self.blocked = UInt64(Int(self.blocked) + count)
        case .ready: self.ready = UInt64(Int(self.ready) + count)
        case .scheduled: self.scheduled = UInt64(Int(self.scheduled) + count)
        case .dead: self.dead = UInt64(Int(self.dead) + count)
        case .succeeded: self.succeededTotal = UInt64(Int(self.succeededTotal) + count)
        case .cancelled: self.cancelledTotal = UInt64(Int(self.cancelledTotal) + count)
        case .expired: self.expiredTotal = UInt64(Int(self.expiredTotal) + count)
        case .running: preconditionFailure("running is never stored")
        }
    }
}
