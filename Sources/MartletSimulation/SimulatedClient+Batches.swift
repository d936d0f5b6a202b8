import Martlet
import MartletCore
import MartletRuntime

/// Batches.
extension SimulatedClient {
    /// Opens a batch, perhaps one within it, fills and closes them, as far as the faults allow.
    func runBatch(_ client: Client) async {
        guard let batch = await self.openBatch(client, within: nil) else { return }
        await self.fillAtOnce(batch)
        if self.cluster.world.random.chance(0.4), let inner = await self.openBatch(client, within: batch) {
            await self.fillAtOnce(inner)
            _ = try? await inner.close()
        }
        if self.cluster.world.random.chance(0.2) { await self.cancel(batch) }
        await self.fill(batch)
        _ = try? await batch.close()
        if self.cluster.world.random.chance(0.15) { await self.cancel(batch) }
    }

    private func openBatch(_ client: Client, within parent: Batch?) async -> Batch? {
        var callbacks: [BatchEvent: RawJob] = [:]
        for event in BatchEvent.allCases where self.cluster.world.random.chance(0.6) {
            callbacks[event] = self.cluster.nextJob(isShared: false).job
        }
        return try? await client.openBatch("b", within: parent, raw: callbacks)
    }

    /// Several submits that overlap.
    private func fillAtOnce(_ batch: Batch) async {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<1 + self.cluster.world.random.below(3) {
                let isStream = self.cluster.world.random.chance(0.4)
                group.addTask { if isStream { await self.stream(into: batch) } else { await self.fill(batch) } }
            }
        }
    }

    private func fill(_ batch: Batch) async {
        let jobs = (0..<self.cluster.world.random.below(5)).map { _ in self.cluster.nextJob() }
        guard !jobs.isEmpty else { return }
        do throws(MartletError) {
            let ids = try await batch.submit(raw: jobs.map(\.job))
            self.cluster.witness.acknowledge(ids, numbers: jobs.map(\.number))
        } catch {
            if error.code == .duplicate { self.cluster.witness.wasRefused(jobs.map(\.number)) }
        }
    }

    private func stream(into batch: Batch) async {
        let jobs = (0..<1 + self.cluster.world.random.below(6)).map { _ in self.cluster.nextStreamedJob() }
        guard let count = try? await batch.submit(stream: JobStream(left: jobs[...]), options: StreamedJob.options)
        else { return }
        self.cluster.witness.streamAcknowledged(jobs.map(\.number), count: count, in: batch.id)
    }

    private func cancel(_ batch: Batch) async {
        guard let change = try? await batch.cancel() else { return }
        if change.count > 0 { self.cluster.witness.count(.batchCancelled) }
        self.cluster.witness.bulkAcknowledged(change)
    }

    /// Closes what was left open by those that were cut off, so that every callback has its end.
    func closeBatches(_ client: Client) async {
        while !self.cluster.witness.unfinished.isEmpty {
            for batch in (try? await client.batches(limit: 1000)) ?? [] where !batch.isClosed {
                _ = try? await client.batch(batch.id).close()
            }
            try? await self.process.sleep(for: .seconds(2))
        }
    }
}

/// A job of a stream. As JSON it is a text whose first eight bytes, a quotation mark among them, are its number.
struct StreamedJob: Job {
    static let type = "alpha"
    static let queue = "q"
    static let options = JobOptions(
        timeout: .seconds(8),
        retry: RetryPolicy(maxAttempts: 4, initialBackoff: .milliseconds(100), maxBackoff: .seconds(2)))

    let text: String

    /// - Parameter seed: different for each.
    init(seed: UInt64) {
        let digits = Array("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_")
        self.text = String((0..<7).map { digits[Int(truncatingIfNeeded: seed >> (6 * $0)) & 63] })
    }

    var number: UInt64 { "\"\(self.text)".utf8.reversed().reduce(0) { $0 << 8 | UInt64($1) } }

    init(from decoder: any Decoder) throws { self.text = try decoder.singleValueContainer().decode(String.self) }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.text)
    }

    func run(_ context: JobContext) async throws {}
}

/// Jobs that come one by one.
private struct JobStream: AsyncSequence, AsyncIteratorProtocol, Sendable {
    var left: ArraySlice<StreamedJob>

    func makeAsyncIterator() -> Self { self }

    mutating func next() async -> StreamedJob? { self.left.popFirst() }
}

extension SimulatedCluster {
    fileprivate func nextStreamedJob() -> StreamedJob {
        let job = StreamedJob(seed: self.nextNumber())
        self.witness.announce(
            job.number, Self.limits(of: StreamedJob.type, in: StreamedJob.queue, StreamedJob.options))
        return job
    }
}

extension Witness {
    /// A client was told that all of a stream's jobs are in a batch.
    fileprivate func streamAcknowledged(_ numbers: [UInt64], count: Int, in batch: BatchID) {
        self.count(.batchStreamed)
        if count != numbers.count { self.fail("a stream of \(numbers.count) jobs is said to have had \(count)") }
        for number in numbers {
            guard let id = self.jobOfNumber[number], self.groups.batchOf[id] == batch else {
                return self.fail("job \(number) of a stream is not in batch \(batch)")
            }
        }
    }
}
