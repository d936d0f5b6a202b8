import MartletCore
import MartletStore

/// What becomes of jobs. Plain ones take short ways; all others follow the rules of `JobTables`.
extension StoreTransaction {
    // MARK: Submitted

    /// Inserts runs of jobs that differ in payload only many rows a statement: that is half of the work.
    ///
    /// - Returns: those that were not created.
    func insert(_ jobs: [NewJob], from first: JobID, at now: WallTime) throws(StoreError) -> [SubmitException] {
        var exceptions: [SubmitException] = []
        var place = 0
        while place < jobs.count {
            let job = jobs[place]
            guard job.isBare else {
                let id = first.advanced(by: place)
                if job.isPlain {
                    try self.insertPlain(job, as: id, at: now)
                } else if let kind = try self.create(job, as: id, at: now) {
                    exceptions.append(SubmitException(place: place, kind: kind))
                }
                place += 1
                continue
            }
            var end = place + 1
            while end < jobs.count, jobs[end].isBare, jobs[end].lane == job.lane { end += 1 }
            try self.insertBare(jobs[place..<end], from: first.advanced(by: place), at: now)
            self.countSubmitted(end - place, as: .ready, in: job.lane)
            place = end
        }
        return exceptions
    }

    private func create(_ job: NewJob, as id: JobID, at now: WallTime) throws(StoreError) -> SubmitException.Kind? {
        var tables = SQLiteTables(transaction: self)
        return try tables.create(job, as: id, at: now)
    }

    private func insertBare(_ jobs: ArraySlice<NewJob>, from first: JobID, at now: WallTime) throws(StoreError) {
        var id = Int64(first.rawValue)
        var rest = jobs
        for (rows, insert) in self.statements.insertReady where rest.count >= rows {
            insert.bind(0, Int64(rest.first!.lane.rawValue))
            insert.bind(1, now.microseconds)
            while rest.count >= rows {
                insert.bind(2, id)
                for (offset, job) in rest.prefix(rows).enumerated() {
                    // The block keeps the bytes in place, and `jobs` keeps the block until the statement has run.
                    job.payload.withUnsafeBytes { insert.bind(Int32(3 + offset), borrowing: $0) }
                }
                try insert.run()
                id += Int64(rows)
                rest = rest.dropFirst(rows)
            }
        }
    }

    private func countSubmitted(_ count: Int, as state: JobState, in lane: LaneID) {
        self.count(in: lane) { row in
            row.totals.add(count, to: state)
            row.totals.submittedTotal += UInt64(count)
        }
    }

    /// A job that is due later or has options, and nothing beside its row.
    private func insertPlain(_ job: NewJob, as id: JobID, at now: WallTime) throws(StoreError) {
        let state = job.due == nil ? JobState.ready : .scheduled
        let insert = self.statements.insertJob
        insert.bind(0, Int64(id.rawValue))
        insert.bind(1, Int64(job.lane.rawValue))
        insert.bind(2, Int64(state.rawValue))
        insert.bind(3, now.microseconds)
        insert.bind(5, job.due?.microseconds)
        insert.bind(6, copying: job.options.stored)
        try job.payload.withUnsafeBytes { bytes throws(StoreError) in
            insert.bind(4, borrowing: bytes)
            try insert.run()
        }
        self.countSubmitted(1, as: state, in: job.lane)
    }

    // MARK: Succeeded

    func succeed(_ jobs: [SucceededJob], at now: WallTime) throws(StoreError) -> [JobID] {
        try jobs.inOrder { jobs throws(StoreError) in try self.succeedInOrder(jobs, at: now) }
    }

    /// Removes runs of neighbours in one statement.
    private func succeedInOrder(_ jobs: [SucceededJob], at now: WallTime) throws(StoreError) -> [JobID] {
        var missing: [JobID] = []
        var place = 0
        while place < jobs.count {
            let job = jobs[place]
            var end = place + 1
            if job.isPlain {
                while end < jobs.count, jobs[end].isPlain, jobs[end].lane == job.lane,
                    jobs[end].id == job.id.advanced(by: end - place)
                { end += 1 }
            }
            for job in try self.removeRun(jobs[place..<end]) where !(try self.end(job, at: now)) {
                missing.append(job.id)
            }
            place = end
        }
        return missing
    }

    /// Below it, looking first costs more than it saves.
    private static let runMin = 4

    /// Removes those of neighbours that are ready and plain.
    ///
    /// - Returns: the others; all, and nothing is done, if one of them is not there.
    private func removeRun(_ jobs: ArraySlice<SucceededJob>) throws(StoreError) -> ArraySlice<SucceededJob> {
        guard jobs.count >= Self.runMin, let first = jobs.first, let last = jobs.last,
            try self.countRows(from: first.id, to: last.id) == jobs.count
        else { return jobs }
        let delete = self.statements.deleteReadyRun
        delete.bind(0, Int64(first.id.rawValue))
        delete.bind(1, Int64(last.id.rawValue))
        delete.bind(2, Int64(first.lane.rawValue))
        try delete.run()
        let removed = self.database.changes
        self.countSucceeded(removed, in: first.lane)
        guard removed < jobs.count else { return [] }
        // All were there: those that are not any more have just been removed.
        var rest: ArraySlice<SucceededJob> = []
        for job in jobs where try self.countRows(from: job.id, to: job.id) == 1 { rest.append(job) }
        return rest
    }

    private func countRows(from first: JobID, to last: JobID) throws(StoreError) -> Int {
        let count = self.statements.countRun
        count.bind(0, Int64(first.rawValue))
        count.bind(1, Int64(last.rawValue))
        guard try count.step() else { return 0 }
        defer { count.reset() }
        return Int(count.integer(0))
    }

    /// Whether the job was there.
    private func end(_ job: SucceededJob, at now: WallTime) throws(StoreError) -> Bool {
        if job.details == nil, job.revision == 0 {
            if try job.isKept ? self.retainPlain(job, at: now) : self.removePlain(job) {
                self.countSucceeded(1, in: job.lane)
                return true
            }
        }
        var tables = SQLiteTables(transaction: self)
        return try tables.succeed(job, at: now)
    }

    private func removePlain(_ job: SucceededJob) throws(StoreError) -> Bool {
        let delete = self.statements.deleteReady
        delete.bind(0, Int64(job.id.rawValue))
        delete.bind(1, Int64(job.lane.rawValue))
        try delete.run()
        return self.database.changes == 1
    }

    private func retainPlain(_ job: SucceededJob, at now: WallTime) throws(StoreError) -> Bool {
        let update = self.statements.retainReady
        update.bind(0, Int64(job.id.rawValue))
        update.bind(1, Int64(job.lane.rawValue))
        update.bind(2, now.microseconds)
        update.bind(3, job.keptFor.map { (now + $0).microseconds })
        guard try update.step() else { return false }
        let bytes = Int(update.integer(0)) + KeptJob.overheadBytes
        try update.run()
        var tables = SQLiteTables(transaction: self)
        try tables.keep(KeptJob(id: job.id, lane: job.lane, finishedAt: now, bytes: bytes))
        return true
    }

    private func countSucceeded(_ count: Int, in lane: LaneID) {
        self.count(in: lane) { row in
            row.totals.add(-count, to: .ready)
            row.totals.add(count, to: .succeeded)
        }
    }

    // MARK: Removed by age

    /// Removes jobs whose time to stay has passed, and unique keys whose window has.
    ///
    /// - Returns: how many jobs, or keys if they were more.
    func purge(limit: Int, at now: WallTime) throws(StoreError) -> Int {
        let find = self.statements.findOver
        find.bind(0, now.microseconds)
        find.bind(1, Int64(max(limit, 0)))
        var found: [JobID] = []
        while try find.step() { found.append(JobID(rawValue: find.unsigned(0))) }
        var tables = SQLiteTables(transaction: self)
        for id in found {
            if let row = try tables.row(id) { try tables.discard(row, at: now) }
        }
        return max(found.count, try self.purgeKeys(limit: limit, at: now))
    }

    private func purgeKeys(limit: Int, at now: WallTime) throws(StoreError) -> Int {
        let find = self.statements.findOverHolds
        find.bind(0, now.microseconds)
        find.bind(1, Int64(max(limit, 0)))
        var names: [UniqueName] = []
        while try find.step() {
            guard let scope = UniqueKey.Scope(rawValue: UInt8(clamping: find.integer(0))) else { continue }
            names.append(UniqueName(scope: scope, within: find.text(1) ?? "", key: find.text(2) ?? ""))
        }
        let tables = SQLiteTables(transaction: self)
        for name in names { try tables.setHold(on: name, nil) }
        return names.count
    }
}

extension NewJob {
    /// Ready at once and without options of its own; the priority is the lane's.
    fileprivate var isBare: Bool { self.due == nil && self.options.isBare }
}
