import MartletCore
import MartletStore

/// What becomes of jobs.
extension StoreTransaction {
    // MARK: Submitted

    /// Inserts runs of jobs that differ in payload only many rows a statement: that is half of the work.
    func insert(_ jobs: [NewJob], from first: JobID, at now: WallTime) throws(StoreError) {
        var place = 0
        while place < jobs.count {
            let job = jobs[place]
            guard job.isPlain else {
                try self.insertOther(job, as: first.advanced(by: place), at: now)
                place += 1
                continue
            }
            var end = place + 1
            while end < jobs.count, jobs[end].isPlain, jobs[end].lane == job.lane { end += 1 }
            try self.insertPlain(jobs[place..<end], from: first.advanced(by: place), at: now)
            self.countReady(end - place, in: job.lane)
            place = end
        }
    }

    private func insertPlain(_ jobs: ArraySlice<NewJob>, from first: JobID, at now: WallTime) throws(StoreError) {
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

    private func countReady(_ count: Int, in lane: LaneID) {
        self.count(in: lane) { row in
            row.count(.ready, by: count)
            row.totals.submittedTotal += UInt64(count)
        }
    }

    /// A job that is due later or has options.
    private func insertOther(_ job: NewJob, as id: JobID, at now: WallTime) throws(StoreError) {
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
        self.count(in: job.lane) { row in
            row.count(state, by: 1)
            row.totals.submittedTotal += 1
        }
    }

    // MARK: Succeeded

    func succeed(_ jobs: [SucceededJob], at now: WallTime) throws(StoreError) -> [JobID] {
        let isAscending = zip(jobs, jobs.dropFirst()).allSatisfy { $0.id < $1.id }
        // Jobs that were started together end in any order.
        guard !isAscending, !jobs.contains(where: \.isRetained) else {
            return try self.succeedInOrder(jobs, at: now)
        }
        let missing = try self.succeedInOrder(jobs.sorted { $0.id < $1.id }, at: now)
        return missing.isEmpty ? [] : Self.ordered(missing, as: jobs)
    }

    /// What is missing, in the order of `jobs`. Of a job that is named twice the first one was there.
    private static func ordered(_ missing: [JobID], as jobs: [SucceededJob]) -> [JobID] {
        var counts: [JobID: Int] = [:]
        for id in missing { counts[id, default: 0] += 1 }
        var ordered: [JobID] = []
        for job in jobs.reversed() {
            guard let count = counts[job.id], count > 0 else { continue }
            counts[job.id] = count - 1
            ordered.append(job.id)
        }
        return ordered.reversed()
    }

    /// Removes runs of neighbours in one statement.
    private func succeedInOrder(_ jobs: [SucceededJob], at now: WallTime) throws(StoreError) -> [JobID] {
        var missing: [JobID] = []
        var place = 0
        while place < jobs.count {
            let job = jobs[place]
            var end = place + 1
            if !job.isRetained {
                while end < jobs.count, !jobs[end].isRetained, jobs[end].lane == job.lane,
                    jobs[end].id == job.id.advanced(by: end - place)
                { end += 1 }
            }
            let run = jobs[place..<end]
            if try !self.removeRun(run) {
                for job in run where !(try self.end(job, at: now)) { missing.append(job.id) }
            }
            place = end
        }
        return missing
    }

    /// Below it, looking first costs more than it saves.
    private static let runMin = 4

    /// Removes ready jobs with ids from that of the first to that of the last. False, and nothing is done, if they
    /// are not all there and ready.
    private func removeRun(_ jobs: ArraySlice<SucceededJob>) throws(StoreError) -> Bool {
        guard jobs.count >= Self.runMin else { return false }
        let lane = jobs.first!.lane
        for statement in [self.statements.countReady, self.statements.deleteReadyRun] {
            statement.bind(0, Int64(jobs.first!.id.rawValue))
            statement.bind(1, Int64(jobs.last!.id.rawValue))
            statement.bind(2, Int64(lane.rawValue))
        }
        guard try self.statements.countReady.step() else { return false }
        let found = self.statements.countReady.integer(0)
        self.statements.countReady.reset()
        guard found == jobs.count else { return false }
        try self.statements.deleteReadyRun.run()
        self.countSucceeded(jobs.count, from: .ready, in: lane)
        return true
    }

    /// Whether the job was there.
    private func end(_ job: SucceededJob, at now: WallTime) throws(StoreError) -> Bool {
        if !job.isRetained {
            self.statements.deleteReady.bind(0, Int64(job.id.rawValue))
            self.statements.deleteReady.bind(1, Int64(job.lane.rawValue))
            try self.statements.deleteReady.run()
            if self.database.changes == 1 {
                self.countSucceeded(1, from: .ready, in: job.lane)
                return true
            }
        }
        guard let state = try self.endOther(job, at: now) else { return false }
        self.countSucceeded(1, from: state, in: job.lane)
        return true
    }

    /// Removes a scheduled job, or retains one. Returns the state it had, or nil if it is not there.
    private func endOther(_ job: SucceededJob, at now: WallTime) throws(StoreError) -> JobState? {
        let statements: [(Statement, JobState)] =
            job.isRetained
            ? [(self.statements.retainReady, .ready), (self.statements.retainScheduled, .scheduled)]
            : [(self.statements.deleteScheduled, .scheduled)]
        for (statement, state) in statements {
            statement.bind(0, Int64(job.id.rawValue))
            statement.bind(1, Int64(job.lane.rawValue))
            if job.isRetained { statement.bind(2, now.microseconds) }
            try statement.run()
            if self.database.changes == 1 { return state }
        }
        return nil
    }

    private func countSucceeded(_ count: Int, from state: JobState, in lane: LaneID) {
        self.count(in: lane) { row in
            row.count(state, by: -count)
            row.totals.succeededTotal += UInt64(count)
        }
    }

    // MARK: Going on in another state

    func update(_ updates: [JobUpdate], at now: WallTime) throws(StoreError) -> [JobID] {
        var missing: [JobID] = []
        for update in updates {
            guard let found = try self.find(update.id), found.lane == update.lane,
                update.expected == .dead ? found.state == .dead : !found.state.isTerminal
            else {
                missing.append(update.id)
                continue
            }
            try self.write(update, at: now)
            self.count(in: update.lane) { row in
                row.count(found.state, by: -1)
                row.count(update.state, by: 1)
                switch update.state {
                case .ready, .scheduled: if update.history.failures > found.failures { row.totals.retriedTotal += 1 }
                case .blocked, .dead: break
                case .cancelled: row.totals.cancelledTotal += 1
                case .expired: row.totals.expiredTotal += 1
                case .running, .succeeded: preconditionFailure("an update makes no job \(update.state)")
                }
            }
        }
        return missing
    }

    private func write(_ update: JobUpdate, at now: WallTime) throws(StoreError) {
        let write = self.statements.updateJob
        write.bind(0, Int64(update.id.rawValue))
        write.bind(1, Int64(update.state.rawValue))
        write.bind(2, update.due?.microseconds)
        write.bind(3, update.history.failures == 0 ? nil : Int64(update.history.failures))
        write.bind(4, update.history.nodeDeaths == 0 ? nil : Int64(update.history.nodeDeaths))
        write.bind(5, update.state.isTerminal ? now.microseconds : nil)
        write.bind(6, update.failure?.kind)
        write.bind(7, update.failure?.message)
        try write.run()
    }

    private func find(_ id: JobID) throws(StoreError) -> (state: JobState, lane: LaneID, failures: UInt16)? {
        let read = self.statements.readJob
        read.bind(0, Int64(id.rawValue))
        guard try read.step() else { return nil }
        defer { read.reset() }
        guard let state = JobState(rawValue: UInt8(clamping: read.integer(0))) else { return nil }
        return (state, LaneID(rawValue: UInt32(clamping: read.integer(1))), UInt16(clamping: read.integer(2)))
    }

    // MARK: Removed by people, or by age

    func deleteDead(_ ids: [JobID]) throws(StoreError) -> [JobID] {
        var missing: [JobID] = []
        for id in ids {
            if let found = try self.find(id), found.state == .dead {
                try self.delete(id, dead: found.lane)
            } else {
                missing.append(id)
            }
        }
        return missing
    }

    func purge(_ state: JobState, before time: WallTime, limit: Int) throws(StoreError) {
        guard state.isTerminal else { return }
        let find = self.statements.findFinished
        find.bind(0, Int64(state.rawValue))
        find.bind(1, time.microseconds)
        find.bind(2, Int64(max(limit, 0)))
        var found: [(id: JobID, lane: LaneID)] = []
        while try find.step() {
            found.append((JobID(rawValue: find.unsigned(0)), LaneID(rawValue: UInt32(clamping: find.integer(1)))))
        }
        for (id, lane) in found { try self.delete(id, dead: state == .dead ? lane : nil) }
    }

    /// - Parameter lane: of a dead job, to count it as deleted.
    private func delete(_ id: JobID, dead lane: LaneID?) throws(StoreError) {
        self.statements.deleteJob.bind(0, Int64(id.rawValue))
        try self.statements.deleteJob.run()
        guard let lane else { return }
        self.count(in: lane) { row in
            row.count(.dead, by: -1)
            row.totals.deletedTotal += 1
        }
    }
}

extension NewJob {
    /// Ready at once and without options of its own; the priority is the lane's.
    fileprivate var isPlain: Bool { self.due == nil && self.options.timeout == nil && self.options.retry == nil }
}
