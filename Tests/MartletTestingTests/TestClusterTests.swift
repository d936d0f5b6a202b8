import Martlet
import MartletTesting
import Testing

struct Welcome: Job, Equatable {
    static let type = "mail.welcome"
    static let queue = "mail"
    static let options = JobOptions(
        timeout: .seconds(60),
        retry: RetryPolicy(maxAttempts: 3, initialBackoff: .seconds(60), maxBackoff: .seconds(600), jitter: 0))

    var address: String

    func run(_ context: JobContext) async throws {
        if self.address.hasPrefix("bad") { throw MailServerDown() }
        if self.address.hasPrefix("never") { throw NonRetryable("no such address") }
        if self.address.hasPrefix("slow") { try await context.sleep(for: .seconds(3600)) }
    }
}

struct MailServerDown: Error {}

@Suite struct TestClusterTests {
    @Test func whatWasSubmittedCanBeAskedFor() async throws {
        let cluster = try await TestCluster()
        let ada = Welcome(address: "ada@example.org")
        #expect(try await !cluster.enqueued(ada))
        let id = try await cluster.client.submit(ada)
        try await cluster.client.submit(Welcome(address: "bob@example.org"), queue: "slow-mail", delay: .seconds(60))
        #expect(try await cluster.submitted(Welcome.self).map(\.address) == ["ada@example.org", "bob@example.org"])
        #expect(try await cluster.enqueued(ada))
        #expect(try await cluster.enqueued(ada, in: "mail"))
        #expect(try await !cluster.enqueued(ada, in: "slow-mail"))
        let waiting = try await cluster.waiting()
        #expect(waiting.map(\.state) == [.ready, .scheduled])
        #expect(waiting[1].due == cluster.now + .seconds(60))
        #expect(try await cluster.state(of: id) == .ready)
    }

    @Test func jobsRunOneByOneWhenAsked() async throws {
        let cluster = try await TestCluster { $0.register(Welcome.self) }
        let ids = try await cluster.client.submit([Welcome(address: "a"), Welcome(address: "b")])
        #expect(try await cluster.state(of: ids[0]) == .ready)
        let run = try #require(try await cluster.runNext())
        #expect(run.id == ids[0] && run.type == "mail.welcome" && run.queue == "mail" && run.attempt == 1)
        #expect(run.outcome == .succeeded && run.error == nil && run.failure == nil)
        #expect(try await cluster.state(of: ids[0]) == .succeeded)
        #expect(try await cluster.state(of: ids[1]) == .ready)
        #expect(try await cluster.submitted(Welcome.self) == [Welcome(address: "b")])
        #expect(try await cluster.runNext()?.id == ids[1])
        #expect(try await cluster.runNext() == nil)
        // What is submitted after nothing was ready does not run by itself either.
        let later = try await cluster.client.submit(Welcome(address: "c"))
        #expect(try await cluster.state(of: later) == .ready)
        #expect(try await cluster.drain().map(\.id) == [later])
    }

    @Test func aFailureIsRetriedWhenItsTimeHasCome() async throws {
        let cluster = try await TestCluster { $0.register(Welcome.self) }
        let start = cluster.now
        let id = try await cluster.client.submit(Welcome(address: "bad"))
        let first = try #require(try await cluster.runNext())
        #expect(first.error is MailServerDown)
        #expect(first.failure?.kind == "MailServerDown")
        #expect(first.outcome == .willRetry(at: start + .seconds(60)))
        #expect(try await cluster.state(of: id) == .scheduled)
        try await cluster.advance(by: .seconds(59))
        #expect(try await cluster.runNext() == nil)
        try await cluster.advance(by: .seconds(1))
        let second = try #require(try await cluster.runNext())
        #expect(second.attempt == 2 && second.outcome == .willRetry(at: start + .seconds(180)))
        try await cluster.advance(by: .seconds(120))
        #expect(cluster.now == start + .seconds(180))
        let third = try #require(try await cluster.runNext())
        #expect(third.attempt == 3 && third.outcome == .dead)
        #expect(try await cluster.state(of: id) == .dead)
    }

    @Test func aFinalFailureIsDeadAtOnce() async throws {
        let cluster = try await TestCluster { $0.register(Welcome.self) }
        try await cluster.client.submit(Welcome(address: "never"))
        let run = try #require(try await cluster.runNext())
        #expect(run.outcome == .dead && run.error is NonRetryable)
        #expect(run.failure?.message == "no such address")
    }

    /// Virtual time passes to the timeout, and no further.
    @Test func aHandlerThatSleepsTooLongTimesOut() async throws {
        let cluster = try await TestCluster { $0.register(Welcome.self) }
        let start = cluster.now
        try await cluster.client.submit(Welcome(address: "slow"))
        let run = try #require(try await cluster.runNext())
        #expect(run.failure?.kind == "timeout")
        #expect(run.outcome == .willRetry(at: start + .seconds(120)))
        #expect(cluster.now == start + .seconds(60))
    }

    /// A handler that waits for something of the real world is made to time out by hand.
    @Test func aHandlerThatHangsTimesOutWhenTimePasses() async throws {
        let cluster = try await TestCluster { worker in
            worker.register(raw: "hang") { _, _ in
                // Ends by its cancellation only.
                for await _ in AsyncStream<Int>(unfolding: { () async -> Int? in nil }) {}
                let (stream, continuation) = AsyncStream<Int>.makeStream()
                for await _ in stream {}
                continuation.finish()
                try Task.checkCancellation()
            }
        }
        let id = try await cluster.client.submit(raw: RawJob(type: "hang", options: JobOptions(timeout: .seconds(60))))
        let running = try #require(try await cluster.startNext())
        #expect(running.id == id)
        #expect(try await cluster.state(of: id) == .running)
        #expect(try await cluster.waiting().isEmpty)
        try await cluster.advance(by: .seconds(59))
        #expect(try await cluster.state(of: id) == .running)
        try await cluster.advance(by: .seconds(1))
        #expect(try await running.outcome().failure?.kind == "timeout")
    }

    @Test func aHandlerThatDoesNotEndIsNamed() async throws {
        let cluster = try await TestCluster(TestConfiguration(patience: .seconds(1))) { worker in
            worker.register(raw: "hang") { _, _ in
                let (stream, continuation) = AsyncStream<Int>.makeStream()
                for await _ in stream {}
                continuation.finish()
            }
        }
        try await cluster.client.submit(raw: RawJob(type: "hang"))
        let error = await #expect(throws: TestClusterError.self) { try await cluster.runNext() }
        #expect(error?.code == .handlerDoesNotEnd)
        #expect(error?.message.contains("job 1 (hang, attempt 1)") == true)
    }

    @Test func handlersMayGoWhereverTheyLike() async throws {
        actor Elsewhere {
            var count = 0
            func work() async {
                for _ in 0..<10 { await Task.yield() }
                self.count += 1
            }
        }
        let elsewhere = Elsewhere()
        let cluster = try await TestCluster { worker in
            worker.register(raw: "hop") { _, context in
                await elsewhere.work()
                try await Task.sleep(for: .milliseconds(1))
                try await context.sleep(for: .seconds(30))
                await withTaskGroup { group in
                    for _ in 0..<4 { group.addTask { await elsewhere.work() } }
                }
            }
        }
        let start = cluster.now
        try await cluster.client.submit(raw: (0..<20).map { _ in RawJob(type: "hop") })
        #expect(try await cluster.drain().map(\.outcome) == Array(repeating: .succeeded, count: 20))
        #expect(await elsewhere.count == 100)
        #expect(cluster.now == start + .seconds(600), "one after the other, in virtual time only")
    }

    @Test func drainRunsWhatHandlersSubmit() async throws {
        let link = Box<Client>()
        let cluster = try await TestCluster { worker in
            worker.register(raw: "chain") { payload, _ in
                guard payload.count < 5 else { return }
                let next = Payload(copying: payload.array + [0])
                try await link.value?.submit(raw: RawJob(type: "chain", payload: next))
            }
        }
        link.value = cluster.client
        try await cluster.client.submit(raw: RawJob(type: "chain"))
        #expect(try await cluster.drain().count == 6)
        let error = await #expect(throws: TestClusterError.self) {
            try await cluster.client.submit(raw: RawJob(type: "chain"))
            try await cluster.drain(jobsMax: 3)
        }
        #expect(error?.code == .tooManyJobs)
    }

    @Test func theMostUrgentRunsFirst() async throws {
        let cluster = try await TestCluster { $0.register(raw: "n") { _, _ in } }
        let low = try await cluster.client.submit(raw: RawJob(type: "n"))
        let high = try await cluster.client.submit(raw: RawJob(type: "n", options: JobOptions(priority: .highest)))
        #expect(try await cluster.drain().map(\.id) == [high, low])
    }

    @Test func jobsWithoutAHandlerWait() async throws {
        let cluster = try await TestCluster { $0.register(raw: "served") { _, _ in } }
        let id = try await cluster.client.submit(raw: RawJob(type: "other"))
        #expect(try await cluster.runNext() == nil)
        #expect(try await cluster.drain().isEmpty)
        #expect(try await cluster.state(of: id) == .ready)
    }

    @Test func middlewareWorksAsInProduction() async throws {
        let lines = Box<[String]>()
        lines.value = []
        let cluster = try await TestCluster(
            TestConfiguration(clientMiddleware: [JobMetrics { lines.value?.append("\($0.event) \($0.type)") }])
        ) { worker in
            worker.use(JobMetrics { lines.value?.append("\($0.event) \($0.type) \($0.outcome) \($0.duration)") })
            worker.register(Welcome.self)
        }
        try await cluster.client.submit(Welcome(address: "slow"))
        try await cluster.runNext()
        #expect(lines.value == ["submitted mail.welcome", "handled mail.welcome cancelled 60.0 seconds"])
    }

    /// Many at once, each with its own clock.
    @Test(arguments: 0..<40)
    func clustersDoNotDisturbEachOther(number: Int) async throws {
        let cluster = try await TestCluster { $0.register(Welcome.self) }
        try await cluster.client.submit((0..<number).map { Welcome(address: "\($0)") }, delay: .seconds(number))
        let start = cluster.now
        try await cluster.advance(by: .seconds(number))
        #expect(cluster.now == start + .seconds(number))
        #expect(try await cluster.drain().count == number)
    }

    /// Equal seeds run equally, jitter and all.
    @Test func equalSeedsRetryAtEqualTimes() async throws {
        func retries(_ seed: UInt64) async throws -> [JobRun.Outcome] {
            let cluster = try await TestCluster(TestConfiguration(seed: seed)) { worker in
                worker.register(raw: "bad") { _, _ in throw MailServerDown() }
            }
            try await cluster.client.submit(raw: RawJob(type: "bad"))
            var outcomes: [JobRun.Outcome] = []
            for _ in 0..<3 {
                outcomes += try await cluster.drain().map(\.outcome)
                try await cluster.advance(by: .seconds(1000))
            }
            return outcomes
        }
        let first = try await retries(7)
        #expect(first.count == 3)
        #expect(try await retries(7) == first)
        #expect(try await retries(8) != first)
    }
}
