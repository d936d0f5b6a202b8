import Martlet
import MartletTesting
import Testing

@Suite struct BatchTests {
    private struct Rejected: Error {}

    private func cluster(
        _ calls: Box<[[String]]>, middleware: (Worker) -> Void = { _ in }
    ) async throws -> TestCluster {
        calls.value = []
        return try await TestCluster { worker in
            middleware(worker)
            worker.register(batchOf: Welcome.self, max: 4, within: .milliseconds(50)) { jobs in
                calls.value?.append(jobs.map(\.value.address))
                if jobs.contains(where: { $0.value.address == "throw" }) { throw Rejected() }
                if jobs.contains(where: { $0.value.address == "slow" }) {
                    try await jobs[0].context.sleep(for: .seconds(3600))
                }
                return jobs.compactMap { job in
                    switch job.value.address {
                    case "bad": job.failed(Rejected())
                    case "never": job.failed(NonRetryable("never"))
                    case "silent": nil
                    default: job.succeeded
                    }
                }
            }
        }
    }

    @Test func manyJobsAreHandledInOneCallEachWithItsOutcome() async throws {
        let calls = Box<[[String]]>()
        let cluster = try await self.cluster(calls)
        let start = cluster.now
        try await cluster.client.submit(["a", "bad", "never", "silent", "b"].map { Welcome(address: $0) })
        try await cluster.client.submit(raw: RawJob(type: Welcome.type, queue: "mail", payload: Payload("no JSON")))
        let runs = try await cluster.drain()
        #expect(calls.value == [["a", "bad", "never", "silent"], ["b"]])
        let retry = JobRun.Outcome.willRetry(at: start + .seconds(60))
        #expect(runs.prefix(4).map(\.outcome) == [.succeeded, retry, .dead, retry])
        #expect(runs.prefix(4).map { $0.failure?.kind } == [nil, "Rejected", "NonRetryable", "no outcome"])
        #expect(runs[4].outcome == .succeeded)
        #expect(runs[5].failure?.kind == "payload", "what does not decode fails by itself")
        #expect(cluster.now == start + .milliseconds(50), "the second batch has waited for its time, and no longer")
    }

    @Test func whatTheHandlerThrowsFailsAll() async throws {
        let calls = Box<[[String]]>()
        let cluster = try await self.cluster(calls)
        try await cluster.client.submit(["a", "throw"].map { Welcome(address: $0) })
        #expect(try await cluster.drain().map { $0.failure?.kind } == ["Rejected", "Rejected"])
    }

    @Test func aTimeoutFailsAll() async throws {
        let calls = Box<[[String]]>()
        let cluster = try await self.cluster(calls)
        try await cluster.client.submit(["a", "slow"].map { Welcome(address: $0) })
        #expect(try await cluster.drain().map { $0.failure?.kind } == ["timeout", "timeout"])
    }

    @Test func middlewareIsAroundEachJobAndKeepsOutOnlyItsOwn() async throws {
        let calls = Box<[[String]]>()
        let measured = Box<[String]>()
        measured.value = []
        let cluster = try await self.cluster(calls) { worker in
            worker.use(JobMetrics { measured.value?.append($0.outcome.rawValue) })
            worker.use { context, next in
                if context.id.sequence == 2 { throw NonRetryable("kept out") }
                try await next()
            }
        }
        try await cluster.client.submit(["a", "b", "bad", "c"].map { Welcome(address: $0) })
        let runs = try await cluster.drain()
        #expect(calls.value == [["a", "bad", "c"]])
        #expect(runs.map { $0.failure?.kind } == [nil, "NonRetryable", "Rejected", nil])
        #expect(measured.value?.sorted() == ["failed", "failedForGood", "succeeded", "succeeded"])
    }

    @Test func oneJobIsABatchToo() async throws {
        let calls = Box<[[String]]>()
        let cluster = try await self.cluster(calls)
        try await cluster.client.submit(["a", "b"].map { Welcome(address: $0) })
        #expect(try await cluster.runNext()?.outcome == .succeeded)
        #expect(calls.value == [["a"]])
    }
}
