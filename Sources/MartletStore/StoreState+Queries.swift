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
                if let row = self.rows[id], row.state == .ready { jobs.append(ReadyJob(id: id, lane: row.lane)) }
            }
            return jobs
        }
        let ids = self.rows.filter { id, row in row.state == .ready && after.map { id > $0 } ?? true }.keys.sorted()
        return ids.prefix(limit).map { ReadyJob(id: $0, lane: self.rows[$0]!.lane) }
    }

    package func scheduledJobs(after: ScheduledJob?, dueBy due: WallTime, limit: Int) -> [ScheduledJob] {
        var jobs: [ScheduledJob] = []
        for (id, row) in self.rows where row.state == .scheduled {
            let job = ScheduledJob(due: row.due!, id: id, lane: row.lane)
            if job.due <= due, after.map({ $0 < job }) ?? true { jobs.append(job) }
        }
        return Array(jobs.sorted().prefix(limit))
    }

    package func load(_ ids: [JobID], bytesMax: Int) -> (jobs: [StoredJob], isComplete: Bool) {
        var jobs: [StoredJob] = []
        var bytes = 0
        for id in ids {
            if bytes >= bytesMax, !jobs.isEmpty { return (jobs, false) }
            guard let row = self.rows[id], row.isPending else { continue }
            bytes += row.payload.count
            jobs.append(
                StoredJob(
                    id: id, lane: row.lane, history: row.history, options: row.options, payload: row.payload,
                    due: row.due))
        }
        return (jobs, true)
    }

    package func jobs(matching filter: JobFilter, after: JobID?, limit: Int) -> [JobRecord] {
        let matching = self.rows.filter { id, row in
            (after.map { id > $0 } ?? true) && (filter.state.map { $0 == row.state } ?? true)
                && (filter.queue.map { $0 == self.lanes[Int(row.lane.rawValue)].queue } ?? true)
                && (filter.type.map { $0 == self.lanes[Int(row.lane.rawValue)].type } ?? true)
        }
        return matching.keys.sorted().prefix(limit).map { self.record($0, self.rows[$0]!) }
    }

    package func job(_ id: JobID) -> (record: JobRecord, payload: Bytes)? {
        self.rows[id].map { (self.record(id, $0), $0.payload) }
    }

    package var laneTotals: [LaneTotals] { self.totals }

    /// Ids of all jobs in a state, ascending. For tests.
    package func ids(in states: Set<JobState>) -> [JobID] {
        self.rows.filter { states.contains($0.value.state) }.keys.sorted()
    }

    private func record(_ id: JobID, _ row: Row) -> JobRecord {
        JobRecord(
            id: id, lane: self.lanes[Int(row.lane.rawValue)], state: row.state, history: row.history,
            options: row.options, createdAt: row.createdAt, due: row.due, finishedAt: row.finishedAt,
            lastFailure: row.failure, payloadCount: row.payload.count)
    }
}
