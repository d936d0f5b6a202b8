import MartletCore
import MartletStore

/// What becomes of jobs.
extension StoreTransaction {
    // MARK: Submitted

    func insert(_ jobs: [NewJob], from first: JobID, at now: WallTime) throws(StoreError) {
        let insert = self.statements.insertReady
        insert.bind(2, now.microseconds)
        var lane: LaneID?
        var ready = 0
        for (offset, job) in jobs.enumerated() {
            if job.due != nil || job.options.timeout != nil || job.options.retry != nil {
                try self.insertOther(job, as: first.advanced(by: offset), at: now)
                continue
            }
            if job.lane != lane {
                self.countReady(ready, in: lane)
                lane = job.lane
                ready = 0
                insert.bind(1, Int64(job.lane.rawValue))
            }
            ready += 1
            insert.bind(0, Int64(first.rawValue) + Int64(offset))
            try job.payload.withUnsafeBytes { bytes throws(StoreError) in
                insert.bind(3, borrowing: bytes)
                try insert.run()
            }
        }
        self.countReady(ready, in: lane)
    }

    private func countReady(_ count: Int, in lane: LaneID?) {
        guard let lane, count > 0 else { return }
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
        var missing: [JobID] = []
        var lane: LaneID?
        var ready = 0
        for job in jobs {
            if job.lane != lane {
                self.countSucceeded(ready, from: .ready, in: lane)
                lane = job.lane
                ready = 0
                self.statements.deleteReady.bind(1, Int64(job.lane.rawValue))
            }
            if !job.isRetained {
                self.statements.deleteReady.bind(0, Int64(job.id.rawValue))
                try self.statements.deleteReady.run()
                if self.database.changes == 1 {
                    ready += 1
                    continue
                }
            }
            if let state = try self.endOther(job, at: now) {
                self.countSucceeded(1, from: state, in: job.lane)
            } else {
                missing.append(job.id)
            }
        }
        self.countSucceeded(ready, from: .ready, in: lane)
        return missing
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

    private func countSucceeded(_ count: Int, from state: JobState, in lane: LaneID?) {
        guard let lane, count > 0 else { return }
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
                case .dead: break
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
