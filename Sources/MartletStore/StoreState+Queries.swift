package import MartletCore

extension StoreState {
    package func readyJobs(after: JobID?, limit: Int) -> [ReadyJob] {
        let first = (after?.sequence ?? 0) + 1
        // In dense ids it is faster to look than to sort.
        if self.nextSequence - min(first, self.nextSequence) <= UInt64(8 * self.rows.count) {
            var jobs: [ReadyJob] = []
            for sequence in first..<max(first, self.nextSequence) {
                guard jobs.count < limit else { break }
                let id = JobID(shard: self.shard, sequence: sequence)
                if let row = self.rows[id]?.job, row.state == .ready { jobs.append(Self.ready(row)) }
            }
            return jobs
        }
        let ids = self.rows.filter { id, row in row.job.state == .ready && after.map { id > $0 } ?? true }.keys.sorted()
        return ids.prefix(limit).map { Self.ready(self.rows[$0]!.job) }
    }

    private static func ready(_ row: JobRow) -> ReadyJob {
        ReadyJob(id: row.id, lane: row.lane, share: row.options.share)
    }

    package func scheduledJobs(after: ScheduledJob?, dueBy due: WallTime, limit: Int) -> [ScheduledJob] {
        var jobs: [ScheduledJob] = []
        for row in self.rows.values.map(\.job) where row.state == .scheduled {
            let job = ScheduledJob(due: row.due!, id: row.id, lane: row.lane, share: row.options.share)
            if job.due <= due, after.map({ $0 < job }) ?? true { jobs.append(job) }
        }
        return Array(jobs.sorted().prefix(limit))
    }

    package func orderedJobs(after: ScheduledJob, limit: Int) -> [ScheduledJob] {
        let ordered = self.scheduledJobs(after: after, dueBy: WallTime(microseconds: .max), limit: .max)
            .filter { $0.share?.isOrdered ?? false }
        return Array(ordered.prefix(limit))
    }

    package func expiredJobs(by now: WallTime, after: ExpiringJob?, limit: Int) -> [ExpiringJob] {
        var jobs: [ExpiringJob] = []
        for row in self.rows.values.map(\.job) where row.isPending && row.expires.map({ $0 <= now }) ?? false {
            let job = ExpiringJob(expires: row.expires!, id: row.id, lane: row.lane, share: row.options.share)
            if after.map({ $0 < job }) ?? true { jobs.append(job) }
        }
        return Array(jobs.sorted().prefix(limit))
    }

    package func load(_ ids: [JobID], bytesMax: Int) -> (jobs: [StoredJob], isComplete: Bool) {
        var jobs: [StoredJob] = []
        var bytes = 0
        for id in ids {
            if bytes >= bytesMax, !jobs.isEmpty { return (jobs, false) }
            guard let stored = self.rows[id], stored.job.isWaiting else { continue }
            let row = stored.job
            bytes += stored.payload.count
            jobs.append(
                StoredJob(
                    id: id, lane: row.lane, history: row.history, options: row.options, payload: stored.payload,
                    due: row.due, expires: row.expires, revision: row.revision, checkpoint: stored.checkpoint,
                    parents: row.flags.contains(.child) ? self.parentResults(of: id) : []))
        }
        return (jobs, true)
    }

    package func jobs(matching filter: JobFilter, after: JobID?, limit: Int) -> [JobRecord] {
        let first = (after?.sequence ?? 0) + 1
        // In dense ids it is faster to look than to sort.
        if self.nextSequence - min(first, self.nextSequence) <= UInt64(8 * self.rows.count) {
            let sequences = first..<max(first, self.nextSequence)
            return Array(
                sequences.lazy.compactMap { self.rows[JobID(shard: self.shard, sequence: $0)] }
                    .filter { self.mayMatch($0.job, filter) }.map { self.record($0) }.filter { filter.matches($0) }
                    .prefix(limit))
        }
        let ids = self.rows.keys.filter { id in after.map { id > $0 } ?? true }.sorted()
        return Array(ids.lazy.map { self.record(self.rows[$0]!) }.filter { filter.matches($0) }.prefix(limit))
    }

    private func mayMatch(_ row: JobRow, _ filter: JobFilter) -> Bool {
        (filter.state ?? row.state) == row.state && filter.matches(self.lanes[Int(row.lane.rawValue)])
    }

    package func job(_ id: JobID) -> (record: JobRecord, payload: Bytes)? {
        self.rows[id].map { (self.record($0), $0.payload) }
    }

    package func attempts(of id: JobID) -> [AttemptRecord] { self.rows[id]?.attempts ?? [] }

    package func result(of id: JobID) -> Bytes? { self.rows[id]?.result }

    package var laneTotals: [LaneTotals] { self.totals }

    /// Ids of all jobs in a state, ascending. For tests.
    package func ids(in states: Set<JobState>) -> [JobID] {
        self.rows.filter { states.contains($0.value.job.state) }.keys.sorted()
    }

    func record(_ stored: Row) -> JobRecord {
        let row = stored.job
        return JobRecord(
            id: row.id, lane: self.lanes[Int(row.lane.rawValue)], state: row.state, history: row.history,
            options: row.options, createdAt: row.createdAt, due: row.due, finishedAt: row.finishedAt,
            lastFailure: row.failure, payloadCount: stored.payload.count, expires: row.expires,
            workflow: row.workflow, waits: Int(row.waits), flags: row.flags)
    }
}
