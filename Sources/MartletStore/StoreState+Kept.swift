import MartletCore

/// Jobs that stay though they are over.
extension StoreState {
    package func bytes(of row: JobRow) -> Int {
        guard let stored = self.rows[row.id] else { return 0 }
        return stored.payload.count + (stored.result?.count ?? 0) + stored.attempts.reduce(0) { $0 + $1.output.count }
    }

    package mutating func addKept(_ job: KeptJob) { self.rows[job.id]?.keptBytes = job.bytes }

    package mutating func removeKept(_ row: JobRow) -> Int? {
        defer { self.rows[row.id]?.keptBytes = nil }
        return self.rows[row.id]?.keptBytes
    }

    package func keptBytes(in queue: String) -> Int {
        self.totals.reduce(0) { $1.lane.queue == queue ? $0 + Int($1.keptBytes) : $0 }
    }

    package func oldestKept(in queue: String, limit: Int) -> [KeptJob] {
        var jobs: [KeptJob] = []
        for row in self.rows.values {
            guard let bytes = row.keptBytes, self.laneKey(row.job.lane).queue == queue else { continue }
            jobs.append(
                KeptJob(id: row.job.id, lane: row.job.lane, finishedAt: row.job.finishedAt!, bytes: bytes))
        }
        return Array(jobs.sorted { ($0.finishedAt, $0.id) < ($1.finishedAt, $1.id) }.prefix(limit))
    }

    func checkKept() {
        var counted = Array(repeating: 0 as UInt64, count: self.totals.count)
        for stored in self.rows.values {
            let row = stored.job
            let isKept = row.state.isTerminal && !row.flags.contains(.workflowMember)
            precondition((stored.keptBytes != nil) == isKept, "what stays though it is over is counted")
            counted[Int(row.lane.rawValue)] += UInt64(stored.keptBytes ?? 0)
        }
        precondition(self.totals.map(\.keptBytes) == counted, "bytes that are kept are counted")
    }
}
