package import MartletCore
package import MartletStore

/// Recovery, and what dispatch reads back.
extension SQLiteStore {
    package func readyJobs(after: JobID?, limit: Int) async throws(StoreError) -> [ReadyJob] {
        let open = try self.opened()
        let rows = open.readyJobs
        rows.bind(0, Int64(after?.rawValue ?? 0))
        rows.bind(1, Int64(limit))
        var jobs: [ReadyJob] = []
        while try rows.step() {
            jobs.append(
                ReadyJob(
                    id: JobID(rawValue: rows.unsigned(0)), lane: Self.lane(rows.integer(1)), share: Self.share(rows, 2))
            )
        }
        return jobs
    }

    package func scheduledJobs(
        after: ScheduledJob?, dueBy due: WallTime, limit: Int
    ) async throws(StoreError) -> [ScheduledJob] {
        try Self.read(try self.opened().scheduledJobs, after: after, dueBy: due, limit: limit)
    }

    package func orderedJobs(after: ScheduledJob, limit: Int) async throws(StoreError) -> [ScheduledJob] {
        let end = WallTime(microseconds: .max)
        return try Self.read(try self.opened().orderedJobs, after: after, dueBy: end, limit: limit)
    }

    private static func read(
        _ rows: Statement, after: ScheduledJob?, dueBy due: WallTime, limit: Int
    ) throws(StoreError) -> [ScheduledJob] {
        rows.bind(0, after?.due.microseconds ?? .min)
        rows.bind(1, Int64(clamping: after?.id.rawValue ?? 0))
        rows.bind(2, due.microseconds)
        rows.bind(3, Int64(limit))
        var jobs: [ScheduledJob] = []
        while try rows.step() {
            jobs.append(
                ScheduledJob(
                    due: WallTime(microseconds: rows.integer(0)), id: JobID(rawValue: rows.unsigned(1)),
                    lane: Self.lane(rows.integer(2)), share: Self.share(rows, 3)))
        }
        return jobs
    }

    package func expiredJobs(
        by now: WallTime, after: ExpiringJob?, limit: Int
    ) async throws(StoreError) -> [ExpiringJob] {
        let rows = try self.opened().expiredJobs
        rows.bind(0, after?.expires.microseconds ?? .min)
        rows.bind(1, Int64(clamping: after?.id.rawValue ?? 0))
        rows.bind(2, now.microseconds)
        rows.bind(3, Int64(limit))
        var jobs: [ExpiringJob] = []
        while try rows.step() {
            jobs.append(
                ExpiringJob(
                    expires: WallTime(microseconds: rows.integer(0)), id: JobID(rawValue: rows.unsigned(1)),
                    lane: Self.lane(rows.integer(2)), share: Self.share(rows, 3)))
        }
        return jobs
    }

    package func load(_ ids: [JobID], bytesMax: Int) async throws(StoreError) -> (jobs: [StoredJob], isComplete: Bool) {
        let open = try self.opened()
        var jobs: [StoredJob] = []
        var bytes = 0
        for id in ids {
            if bytes >= bytesMax, !jobs.isEmpty { return (jobs, false) }
            guard let job = try Self.load(id, from: open) else { continue }
            bytes += job.payload.count
            jobs.append(job)
        }
        return (jobs, true)
    }

    private static func load(_ id: JobID, from open: OpenStore) throws(StoreError) -> StoredJob? {
        let row = open.load
        row.bind(0, Int64(id.rawValue))
        guard try row.step() else { return nil }
        defer { row.reset() }
        let lane = Self.lane(row.integer(0))
        guard Int(lane.rawValue) < open.transaction.lanes.count else {
            throw StoreError(.corrupt, "job \(id) is in no lane")
        }
        let priority = open.transaction.lanes[Int(lane.rawValue)].totals.lane.priority
        let flags = JobFlags(rawValue: UInt32(clamping: row.integer(8)))
        return StoredJob(
            id: id, lane: lane,
            history: JobHistory(
                failures: UInt16(clamping: row.integer(2)), nodeDeaths: UInt8(clamping: row.integer(3))),
            options: JobOptions(stored: row.blob(4), priority: priority), payload: Bytes(copying: row.blob(5)),
            due: row.optionalInteger(1).map { WallTime(microseconds: $0) },
            expires: row.optionalInteger(6).map { WallTime(microseconds: $0) },
            revision: UInt32(clamping: row.integer(7)),
            checkpoint: flags.contains(.checkpoint) ? try Self.checkpoint(of: id, open.checkpoint) : nil,
            parents: flags.contains(.child) ? try Self.parents(of: id, open.parents) : [])
    }

    private static func parents(of id: JobID, _ read: Statement) throws(StoreError) -> [ParentResult] {
        read.bind(0, Int64(id.rawValue))
        read.bind(1, Int64(StoredJob.parentsMax))
        var results = ParentResults()
        while try read.step() {
            guard let number = read.optionalInteger(1) else { continue }
            results.add(
                JobID(rawValue: read.unsigned(0)), name: read.text(2) ?? "",
                state: JobState(rawValue: UInt8(clamping: number)) ?? .ready,
                read.optionalInteger(3) == nil ? nil : Bytes(copying: read.blob(4)))
        }
        return results.all
    }

    private static func checkpoint(of id: JobID, _ read: Statement) throws(StoreError) -> Bytes? {
        read.bind(0, Int64(id.rawValue))
        guard try read.step() else { return nil }
        defer { read.reset() }
        return Bytes(copying: read.blob(0))
    }

    private static func share(_ row: Statement, _ column: Int32) -> LaneShare? {
        let options = row.blob(column)
        return options.isEmpty ? nil : JobOptions(stored: options, priority: .normal).share
    }

    private static func lane(_ number: Int64) -> LaneID { LaneID(rawValue: UInt32(clamping: number)) }
}
