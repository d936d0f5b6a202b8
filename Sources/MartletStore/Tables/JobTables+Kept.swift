package import MartletCore

/// A job that stays for a while though it is over. Those of a workflow are none: they stay as long as it.
package struct KeptJob: Hashable, Sendable {
    package let id: JobID
    package let lane: LaneID
    package let finishedAt: WallTime
    /// Its payload, result, captured output, and ``overheadBytes``.
    package let bytes: Int

    /// What a job takes beside that, about.
    package static let overheadBytes = 256

    package init(id: JobID, lane: LaneID, finishedAt: WallTime, bytes: Int) {
        self.id = id
        self.lane = lane
        self.finishedAt = finishedAt
        self.bytes = bytes
    }
}

/// Brings down what a queue keeps of jobs that are over.
package struct KeptTrim: Hashable, Sendable {
    package let queue: String
    package let bytesMax: Int
    /// Jobs removed at most.
    package let limit: Int

    package init(queue: String, bytesMax: Int, limit: Int) {
        self.queue = queue
        self.bytesMax = bytesMax
        self.limit = limit
    }
}

/// How many bytes stay of jobs that are over. A job that is removed when it ends has no part in it.
extension JobTables {
    /// A job has ended, and stays.
    mutating func keep(_ row: JobRow) throws(StoreError) {
        guard !row.flags.contains(.workflowMember), let finishedAt = row.finishedAt else { return }
        let bytes = try self.bytes(of: row) + KeptJob.overheadBytes
        try self.keep(KeptJob(id: row.id, lane: row.lane, finishedAt: finishedAt, bytes: bytes))
    }

    package mutating func keep(_ job: KeptJob) throws(StoreError) {
        try self.addKept(job)
        self.count(in: job.lane) { $0.keptBytes += UInt64(job.bytes) }
    }

    /// A job that was kept is removed, or goes on.
    mutating func letGo(_ row: JobRow) throws(StoreError) {
        guard !row.flags.contains(.workflowMember), let bytes = try self.removeKept(row) else { return }
        self.count(in: row.lane) { $0.keptBytes -= min($0.keptBytes, UInt64(bytes)) }
    }

    /// Removes jobs of the queue that are over, those that have been for longest first, until what is kept of the
    /// others fits.
    ///
    /// - Returns: how many were removed; as many as its limit if there may be more.
    package mutating func trim(_ trim: KeptTrim, at now: WallTime) throws(StoreError) -> Int {
        var bytes = self.keptBytes(in: trim.queue)
        guard bytes > trim.bytesMax else { return 0 }
        var removed = 0
        for job in try self.oldestKept(in: trim.queue, limit: max(trim.limit, 0)) {
            guard bytes > trim.bytesMax else { break }
            if let row = try self.row(job.id) { try self.discard(row, at: now) }
            bytes -= job.bytes
            removed += 1
        }
        return removed
    }
}
