import Foundation
import Martlet
import MartletCore
import MartletRuntime

/// A typed job of about 200 bytes of JSON.
struct Mail: Job {
    static let type = "mail"
    var user: Int
    var address = "somebody.or.other@example.com"
    var template = "welcome-to-the-house"
    var language = "en"
    var links = ["https://example.com/confirm/7d1c9f", "https://example.com/imprint"]

    func run(_ context: JobContext) async throws {}
}

/// What is submitted.
struct Load {
    static let throughputType = "throughput"
    static let latencyType = "latency"
    static let blockedType = "blocked"
    /// No node serves it.
    static let queuedType = "queued"

    let cluster: Cluster
    let client: Client
    private var settings: Settings { self.cluster.settings }

    /// Submits jobs as the settings say, from several tasks side by side.
    ///
    /// - Returns: how many: whole submits.
    @discardableResult
    func submit(_ count: Int) async throws -> Int {
        let each = self.settings.style == .single ? 1 : self.settings.batch
        let rounds = count / each / self.settings.producers
        let makeSubmit: @Sendable (Int) async throws -> Void = self.submitter()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for producer in 0..<self.settings.producers {
                group.addTask {
                    for round in 0..<rounds { try await makeSubmit(producer * rounds + round) }
                }
            }
            try await group.waitForAll()
        }
        return rounds * each * self.settings.producers
    }

    /// Does the submit of this number.
    private func submitter() -> @Sendable (Int) async throws -> Void {
        let client = self.client
        let batch = self.settings.batch
        switch self.settings.style {
        case .typed:
            return { number in try await client.submit((0..<batch).map { Mail(user: number * batch + $0) }) }
        case .single:
            let job = self.rawJob()
            return { _ in try await client.submit(raw: job) }
        case .raw where self.settings.queues > 1 || self.settings.groups > 0:
            let (queues, groups, job) = (self.settings.queues, self.settings.groups, self.rawJob())
            return { number in
                try await client.submit(
                    raw: (0..<batch).map { offset in
                        var job = job
                        let place = number * batch + offset
                        if queues > 1 { job.queue = "queue-\(place % queues)" }
                        if groups > 0 { job.options.group = "tenant-\(place % groups)" }
                        return job
                    })
            }
        case .raw, .services:
            let jobs = [RawJob](repeating: self.rawJob(), count: batch)
            return { _ in try await client.submit(raw: jobs) }
        }
    }

    private func rawJob(_ type: String = Load.throughputType) -> RawJob {
        var job = RawJob(type: type, payload: self.payload)
        if self.settings.style == .services { job.options.services = ["roomy"] }
        return job
    }

    private var payload: Payload { Payload(copying: [UInt8](repeating: 0x2a, count: self.settings.payload)) }

    /// What is there before anything is measured. Returns once the store has written back what these jobs left in its
    /// log.
    func prepare() async throws {
        if self.settings.queued > 0 { try await self.fill(Load.queuedType, count: self.settings.queued) }
        guard self.settings.blocked > 0 else { return }
        var options = JobOptions()
        options.services = ["slow"]
        try await self.fill(Load.blockedType, count: self.settings.blocked, options: options)
        try await self.cluster.loop.sleep(for: .seconds(3))
    }

    private func fill(_ type: String, count: Int, options: JobOptions = .standard) async throws {
        let job = RawJob(type: type, payload: self.payload, options: options)
        let client = self.client
        try await withThrowingTaskGroup(of: Void.self) { group in
            let producers = 8
            let batches = count / 1000
            for producer in 0..<producers {
                let rounds = batches / producers + (producer < batches % producers ? 1 : 0)
                let jobs = [RawJob](repeating: job, count: 1000)
                group.addTask { for _ in 0..<rounds { try await client.submit(raw: jobs) } }
            }
            try await group.waitForAll()
        }
    }

    /// Submits `rate` jobs a second, 1 % of them each hundredth of a second, until cancelled.
    func steadySubmitter(_ rate: Int) -> @Sendable () async throws -> Void {
        let jobs = [RawJob](repeating: self.rawJob(), count: max(1, rate / 100))
        let client = self.client
        return {
            let clock = ContinuousClock()
            var next = clock.now
            try await withThrowingDiscardingTaskGroup { group in
                while !Task.isCancelled {
                    group.addTask { _ = try await client.submit(raw: jobs) }
                    next += .milliseconds(10)
                    try? await clock.sleep(until: next)
                }
            }
        }
    }
}
