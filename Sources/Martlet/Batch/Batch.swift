public import MartletCore
import MartletRuntime

/// A set of jobs that end together: counted while they run, with jobs of its own that are called when they have ended.
///
/// ```swift
/// let batch = try await client.openBatch("delete account 7", onEnd: Report(account: 7))
/// for page in pages { try await batch.submit(page.map { DeleteFile(path: $0) }) }
/// try await batch.close()
/// ```
///
/// It holds nothing of its jobs in memory, here or at the coordinator, so it may have any number of them. It ends once
/// it is closed and all of its jobs have ended; a job that is dead has ended, and counts as pending again if it is
/// revived. Each callback runs at most once.
public struct Batch: Sendable {
    public let id: BatchID
    let client: Client

    /// Jobs of a stream that go in one submit.
    private static let streamPart = 1000
    /// Submits of a stream that are under way at once.
    private static let partsInFlightMax = 4

    /// Adds a job and returns once it is durable.
    ///
    /// - Throws: ``MartletError``; `.batchClosed` if the batch is not there or is closed.
    @discardableResult
    public func submit<J: Job>(
        _ job: J, queue: String? = nil, options: JobOptions? = nil, delay: Duration? = nil
    ) async throws(MartletError) -> JobID {
        try await self.client.submit(job, queue: queue, options: self.options(options ?? J.options), delay: delay)
    }

    /// Adds jobs and returns once they are durable. As ``Client/submit(_:queue:options:delay:)-([J],_,_,_)``.
    @discardableResult
    public func submit<J: Job>(
        _ jobs: [J], queue: String? = nil, options: JobOptions? = nil, delay: Duration? = nil
    ) async throws(MartletError) -> [JobID] {
        try await self.client.submit(jobs, queue: queue, options: self.options(options ?? J.options), delay: delay)
    }

    /// Adds jobs of bytes and returns once they are durable.
    @discardableResult
    public func submit(raw jobs: [RawJob]) async throws(MartletError) -> [JobID] {
        try await self.client.submit(
            raw: jobs.map { job in
                var job = job
                job.options = self.options(job.options)
                return job
            })
    }

    /// Adds all jobs of a stream, a few thousand of which are in memory at a time.
    ///
    /// - Returns: how many.
    /// - Throws: what the stream throws, or ``MartletError`` of the first submit that failed; jobs before it were added.
    @discardableResult
    public func submit<Jobs: AsyncSequence & Sendable>(
        stream jobs: Jobs, queue: String? = nil, options: JobOptions? = nil
    ) async throws -> Int where Jobs.Element: Job {
        try await withThrowingTaskGroup(of: Int.self) { group in
            var part: [Jobs.Element] = []
            var underWay = 0
            var count = 0
            func send() async throws {
                if underWay == Self.partsInFlightMax, let added = try await group.next() {
                    count += added
                    underWay -= 1
                }
                let jobs = part
                part.removeAll(keepingCapacity: true)
                underWay += 1
                group.addTask { try await self.submit(jobs, queue: queue, options: options).count }
            }
            for try await job in jobs {
                part.append(job)
                if part.count == Self.streamPart { try await send() }
            }
            if !part.isEmpty { try await send() }
            for try await added in group { count += added }
            return count
        }
    }

    /// Opens a batch within this one, which counts it as one of its members.
    public func openBatch(
        _ name: String, onEnd: (any Job)? = nil, onSuccess: (any Job)? = nil, onDeath: (any Job)? = nil
    ) async throws(MartletError) -> Batch {
        try await self.client.openBatch(
            name, within: self, onEnd: onEnd, onSuccess: onSuccess, onDeath: onDeath)
    }

    /// Takes no more jobs, and so lets the batch end. May be repeated.
    @discardableResult
    public func close() async throws(MartletError) -> BatchStatus { try await self.client.close(self.id) }

    /// Where it stands; nil if it is not there: it never was, or it ended and its time to stay has passed.
    public func status() async throws(MartletError) -> BatchStatus? { try await self.client.status(of: self.id) }

    /// Cancels all of its jobs that have not ended, but not those of batches within it, and not its callbacks.
    ///
    /// As ``Client/cancel(where:)``. It does not close the batch.
    @discardableResult
    public func cancel() async throws(MartletError) -> BulkChange {
        try await self.client.cancel(where: JobQuery(batch: self.id))
    }

    private func options(_ options: JobOptions) -> JobOptions {
        var options = options
        options.batch = self.id
        return options
    }
}

/// Where a batch stands. A batch within it counts as one of its jobs.
public struct BatchStatus: Hashable, Sendable {
    public let id: BatchID
    public let name: String
    /// The batch that it is within.
    public let parent: BatchID?
    public let createdAt: WallTime
    public let finishedAt: WallTime?
    public let isClosed: Bool
    /// All that were ever added.
    public let total: Int
    public let pending: Int
    public let succeeded: Int
    public let dead: Int
    public let cancelled: Int
    public let expired: Int

    public var isFinished: Bool { self.finishedAt != nil }
    /// The share that has ended, 0 to 1.
    public var progress: Double {
        self.total == 0 ? (self.isFinished ? 1 : 0) : Double(self.total - self.pending) / Double(self.total)
    }
}
