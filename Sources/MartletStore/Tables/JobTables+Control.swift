package import MartletCore

/// What people do to jobs, one by one or many at once.
extension JobTables {
    /// Carries out one group of an operation on many jobs and writes down how far it has got.
    ///
    /// - Returns: the ids of those that could not be changed.
    package mutating func step(_ step: BulkStep, at now: WallTime) throws(StoreError) -> [JobID] {
        let missing =
            switch step.work {
            case .update(let updates): try self.update(updates, at: now)
            case .delete(let ids): try self.delete(ids, at: now)
            case .move(let changes): try self.move(changes)
            case .reschedule(let changes): try self.reschedule(changes, at: now)
            }
        var record = step.record
        record.count(step.work, missing: missing.count)
        try self.write(record)
        return missing
    }

    /// The first commit of an operation: it is for the jobs that are there now.
    package mutating func begin(_ record: BulkRecord) throws(StoreError) -> BulkRecord {
        var record = record
        record.through = JobID(shard: self.shard, sequence: self.nextSequence - 1)
        try self.write(record)
        return record
    }

    package mutating func reschedule(_ changes: [Rescheduling], at now: WallTime) throws(StoreError) -> [JobID] {
        var missing: [JobID] = []
        for change in changes where !(try self.reschedule(change, at: now)) { missing.append(change.id) }
        return missing
    }

    /// Gives a pending job another due time. It expires so long after it as was said at its submit.
    private mutating func reschedule(_ change: Rescheduling, at now: WallTime) throws(StoreError) -> Bool {
        guard var row = try self.row(change.id), row.isPending, self.isLane(change.lane, of: row) else { return false }
        if let expiry = row.options.expiry, row.expires != nil { row.expires = max(change.due ?? now, now) + expiry }
        if row.state != .blocked {
            let state: JobState = change.due == nil ? .ready : .scheduled
            self.count(in: row.lane) { $0.move(from: row.state, to: state) }
            row.state = state
        }
        let dueBefore = row.due
        row.due = change.due
        try self.write(row)
        self.moved(row, from: row.lane, due: dueBefore)
        return true
    }
}
