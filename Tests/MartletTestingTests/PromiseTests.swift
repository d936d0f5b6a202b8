import Martlet
import MartletTesting
import Synchronization
import Testing

/// What options, results, follow-ups and checkpoints promise, with everything in production's place.
@Suite struct PromiseTests {
    struct Resize: Job, Equatable {
        static let type = "resize"
        static let options: JobOptions = {
            var options = JobOptions(
                retry: RetryPolicy(maxAttempts: 3, initialBackoff: .seconds(10), maxBackoff: .seconds(10), jitter: 0))
            options.retention = .seconds(3600)
            return options
        }()

        var width: Int

        struct Picture: Codable, Equatable {
            var width: Int
            var height: Int
        }

        func run(_ context: JobContext) async throws -> Picture {
            guard self.width > 0 else { throw NonRetryable("nothing is left of it") }
            return Picture(width: self.width, height: self.width / 2)
        }
    }

    private static func unique(_ key: String, _ conflict: UniqueKey.Conflict = .existing) -> JobOptions {
        var options = JobOptions.standard
        options.unique = UniqueKey(key, conflict: conflict)
        return options
    }

    private static func code(_ body: () async throws -> some Any) async -> MartletError.Code? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? MartletError)?.code
        }
    }

    // MARK: Results

    @Test func aResultComesBackAsItsType() async throws {
        let cluster = try await TestCluster { $0.register(Resize.self) }
        let id = try await cluster.client.submit(Resize(width: 640))
        try await cluster.drain()
        let picture = try await cluster.client.result(of: id, as: Resize.Picture.self)
        #expect(picture == Resize.Picture(width: 640, height: 320))
        #expect(await Self.code { try await cluster.client.result(of: id, as: [Int].self) } == .noResult)
        try await cluster.advance(by: .seconds(7200))
        #expect(await Self.code { try await cluster.client.outcome(of: id) } == .notFound, "its time is over")
    }

    @Test func aJobThatDiesHasNoResult() async throws {
        let cluster = try await TestCluster { $0.register(Resize.self) }
        let id = try await cluster.client.submit(Resize(width: 0))
        try await cluster.drain()
        let outcome = try await cluster.client.outcome(of: id)
        #expect(outcome.state == .dead && outcome.failure?.message == "nothing is left of it")
        let error = await #expect(throws: MartletError.self) {
            let _: Int = try await cluster.client.result(of: id)
        }
        #expect(error?.code == .jobFailed && error?.message.contains("nothing is left of it") == true)
    }

    @Test func aResultIsOfTheAttemptThatSucceeded() async throws {
        let cluster = try await TestCluster { worker in
            worker.register(raw: "t") { _, context in
                try context.setResult(context.attempt)
                if context.attempt == 1 { throw MailServerDown() }
            }
        }
        let id = try await cluster.client.submit(raw: RawJob(type: "t", options: Resize.options))
        try await cluster.drain()
        try await cluster.advance(by: .seconds(10))
        try await cluster.drain()
        #expect(try await cluster.client.result(of: id, as: Int.self) == 2)
    }

    // MARK: Follow-ups

    @Test func followUpsRunOnceTheirParentHasSucceeded() async throws {
        let log = Box<[String]>()
        log.value = []
        let cluster = try await TestCluster { worker in
            worker.register(raw: "order") { _, context in
                log.value?.append("order \(context.attempt)")
                try context.submit(raw: RawJob(type: "mail", payload: Payload("to the buyer")))
                try context.submit(raw: RawJob(type: "mail", payload: Payload("a reminder"), delay: .seconds(60)))
                if context.attempt == 1 { throw MailServerDown() }
            }
            worker.register(raw: "mail") { payload, _ in log.value?.append(payload.text ?? "") }
        }
        try await cluster.client.submit(raw: RawJob(type: "order", options: Resize.options))
        try await cluster.drain()
        #expect(try await cluster.waiting().map(\.type) == ["order"], "the first attempt failed and left nothing")
        try await cluster.advance(by: .seconds(10))
        try await cluster.drain()
        #expect(log.value == ["order 1", "order 2", "to the buyer"])
        try await cluster.advance(by: .seconds(60))
        try await cluster.drain()
        #expect(log.value == ["order 1", "order 2", "to the buyer", "a reminder"])
        #expect(try await cluster.waiting().isEmpty)
    }

    /// A job that is followed by itself, once a minute.
    @Test func aJobMayBeFollowedByOneWithItsKey() async throws {
        let options = Self.unique("poll")
        let runs = Mutex(0)
        let cluster = try await TestCluster { worker in
            worker.register(raw: "poll") { _, context in
                runs.withLock { $0 += 1 }
                try context.submit(raw: RawJob(type: "poll", delay: .seconds(60), options: options))
            }
        }
        try await cluster.client.submit(raw: RawJob(type: "poll", options: options))
        for _ in 0..<3 {
            try await cluster.drain()
            #expect(try await cluster.waiting().count == 1)
            try await cluster.advance(by: .seconds(60))
        }
        #expect(runs.withLock { $0 } == 3)
    }

    // MARK: Checkpoints

    @Test func aLaterAttemptGoesOnWhereTheOneBeforeFailed() async throws {
        let pages = Box<[Int]>()
        pages.value = []
        let cluster = try await TestCluster { worker in
            worker.register(raw: "import") { _, context in
                let first = try context.checkpoint(as: Int.self) ?? 0
                for page in first..<6 {
                    if page == 3, context.attempt == 1 { throw MailServerDown() }
                    pages.value?.append(page)
                    try await context.save(checkpoint: page + 1)
                }
            }
        }
        try await cluster.client.submit(raw: RawJob(type: "import", options: Resize.options))
        try await cluster.drain()
        try await cluster.advance(by: .seconds(10))
        #expect(try await cluster.runNext()?.outcome == .succeeded)
        #expect(pages.value == [0, 1, 2, 3, 4, 5], "none twice, none left out")
    }

    // MARK: Unique keys

    @Test func aTakenKeyGivesTheJobThatHasIt() async throws {
        let cluster = try await TestCluster { $0.register(Welcome.self) }
        let first = try await cluster.client.submit(Welcome(address: "a"), options: Self.unique("k"))
        let second = try await cluster.client.submit(Welcome(address: "b"), options: Self.unique("k"))
        #expect(second == first)
        #expect(try await cluster.submitted(Welcome.self) == [Welcome(address: "a")])
        try await cluster.drain()
        #expect(try await cluster.client.submit(Welcome(address: "c"), options: Self.unique("k")) != first)
    }

    @Test func aTakenKeyRefusesAllOfTheSubmit() async throws {
        let cluster = try await TestCluster { $0.register(Welcome.self) }
        try await cluster.client.submit(Welcome(address: "a"), options: Self.unique("k"))
        let code = await Self.code {
            try await cluster.client.submit(raw: [
                RawJob(type: "other"), RawJob(type: Welcome.type, options: Self.unique("k", .refuse)),
            ])
        }
        #expect(code == .duplicate)
        #expect(try await cluster.waiting().count == 1)
    }

    @Test func aTakenKeyTakesTheNewPayloadOver() async throws {
        let cluster = try await TestCluster { $0.register(Welcome.self) }
        let options = Self.unique("k", .replace)
        let first = try await cluster.client.submit(Welcome(address: "a"), options: options, delay: .seconds(5))
        try await cluster.advance(by: .seconds(3))
        #expect(try await cluster.client.submit(Welcome(address: "b"), options: options, delay: .seconds(5)) == first)
        try await cluster.advance(by: .seconds(3))
        #expect(try await cluster.drain().isEmpty, "put off by the second submit")
        try await cluster.advance(by: .seconds(2))
        #expect(try await cluster.submitted(Welcome.self) == [Welcome(address: "b")])
        #expect(try await cluster.drain().map(\.id) == [first])
    }

    enum Ending: CaseIterable {
        case success, failure, finalFailure
    }

    @Test(arguments: Ending.allCases)
    func aPayloadReplacedWhileItRunsIsRunOnceMore(ending: Ending) async throws {
        let payloads = Box<[String]>()
        payloads.value = []
        let cluster = try await TestCluster { worker in
            worker.register(raw: "index") { payload, context in
                payloads.value?.append("\(payload.text ?? "") \(context.attempt)")
                guard payload.text == "old" else { return }
                try await context.sleep(for: .seconds(60))
                switch ending {
                case .success: break
                case .failure: throw MailServerDown()
                case .finalFailure: throw NonRetryable("the old one is of no use")
                }
            }
        }
        func job(_ payload: String) -> RawJob {
            RawJob(type: "index", payload: Payload(payload), options: Self.unique("k", .replace))
        }
        let id = try await cluster.client.submit(raw: job("old"))
        let running = try #require(try await cluster.startNext())
        #expect(try await cluster.client.submit(raw: job("newer")) == id)
        #expect(try await cluster.client.submit(raw: job("newest")) == id)
        _ = try await running.outcome()
        #expect(try await cluster.state(of: id) == .ready)
        #expect(try await cluster.drain().map(\.outcome) == [.succeeded])
        #expect(payloads.value == ["old 1", "newest 1"])
        #expect(try await cluster.waiting().isEmpty)
    }

    @Test func aKeyIsKeptForItsWindowAfterTheSuccess() async throws {
        let cluster = try await TestCluster { $0.register(Welcome.self) }
        var options = JobOptions.standard
        options.unique = UniqueKey("k", window: .afterSuccess(.seconds(600)))
        let first = try await cluster.client.submit(Welcome(address: "a"), options: options)
        try await cluster.drain()
        try await cluster.advance(by: .seconds(599))
        #expect(try await cluster.client.submit(Welcome(address: "b"), options: options) == first)
        try await cluster.advance(by: .seconds(1))
        #expect(try await cluster.client.submit(Welcome(address: "b"), options: options) != first)
    }

    // MARK: Expiry

    @Test func whatNobodyStartsInTimeExpires() async throws {
        let cluster = try await TestCluster { $0.register(Welcome.self) }
        var options = JobOptions.standard
        options.expiry = .seconds(60)
        let late = try await cluster.client.submit(Welcome(address: "a"), options: options)
        let scheduled = try await cluster.client.submit(Welcome(address: "b"), options: options, delay: .seconds(30))
        try await cluster.advance(by: .seconds(70))
        #expect(try await cluster.state(of: late) == .expired)
        #expect(try await cluster.drain().map(\.id) == [scheduled], "it was due later")
        #expect(try await cluster.client.outcome(of: late).state == .expired)
    }
}
