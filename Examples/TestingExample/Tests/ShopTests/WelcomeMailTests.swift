import Martlet
import MartletTesting
import Shop
import Testing

@Suite struct WelcomeMailTests {
    @Test func signingUpSubmitsAWelcomeMail() async throws {
        let cluster = try await TestCluster()
        try await signUp("ada@example.org", through: cluster.client)
        #expect(try await cluster.enqueued(WelcomeMail(address: "ada@example.org"), in: "mail"))
        #expect(try await cluster.submitted(WelcomeMail.self).count == 1)
    }

    @Test func aMailThatFailsIsSentAgain() async throws {
        let mailer = FakeMailer(failures: 1)
        let cluster = try await TestCluster { configure($0, mailer: mailer) }
        let id = try await cluster.client.submit(WelcomeMail(address: "ada@example.org"))

        let first = try await cluster.runNext()
        #expect(first?.error is FakeMailer.Down)
        #expect(first?.outcome == .willRetry(at: cluster.now + .seconds(60)))
        #expect(try await cluster.runNext() == nil)

        try await cluster.advance(by: .seconds(60))
        #expect(try await cluster.runNext()?.outcome == .succeeded)
        #expect(try await cluster.state(of: id) == .succeeded)
        #expect(await mailer.sent == ["ada@example.org"])
    }

    @Test func anAddressThatDoesNotExistIsNotTriedAgain() async throws {
        let cluster = try await TestCluster { configure($0, mailer: FakeMailer()) }
        try await cluster.client.submit(WelcomeMail(address: "nobody@example.org"))
        #expect(try await cluster.runNext()?.outcome == .dead)
    }

    @Test func noJobRunsForLong() async throws {
        let configuration = TestConfiguration(clientMiddleware: [ShortJobs(limit: .seconds(20))])
        let cluster = try await TestCluster(configuration)
        try await signUp("ada@example.org", through: cluster.client)
        #expect(try await cluster.waiting().first?.options.timeout == .seconds(20))
    }

    @Test func productsAreIndexedManyAtOnce() async throws {
        let cluster = try await TestCluster { configure($0, mailer: FakeMailer()) }
        try await cluster.client.submit(["ink", "", "pen"].map { IndexProduct(name: $0) })
        let runs = try await cluster.drain()
        #expect(runs.map(\.hasSucceeded) == [true, false, true])
        #expect(await SearchIndex.shared.calls == [["ink", "", "pen"]])
    }

    @Test func aHandlerThatHangsIsTimedOut() async throws {
        let cluster = try await TestCluster { worker in
            worker.register(raw: "hang") { _, _ in try await Task.sleep(for: .seconds(1_000_000)) }
        }
        let job = RawJob(type: "hang", options: JobOptions(timeout: .seconds(60)))
        try await cluster.client.submit(raw: job)
        let running = try await cluster.startNext()
        try await cluster.advance(by: .seconds(60))
        #expect(try await running?.outcome().failure?.kind == "timeout")
    }
}
