import MartletCoordinator
import MartletCore
import MartletSimulation
import MartletStore
import MartletWire
import Testing

/// Services `stripe` (2 a second, one at once) and `maps` (one job at once); jobs of type `Charge` use `stripe`.
@Suite struct ServiceTests {
    private static let settings = CoordinatorSettings(
        clientAddress: Bench.clients, nodeAddress: Bench.nodes, typeDefaults: ["Charge": .init(services: ["stripe"])],
        services: [
            "stripe": ServiceLimits(rates: [RateLimit(tokens: 2, per: .seconds(1), burst: 1)]),
            "maps": ServiceLimits(concurrency: 1),
        ])

    private static func using(_ uses: ServiceUse...) -> JobOptions {
        var options = JobOptions()
        options.services = uses
        return options
    }

    /// What comes to the nodes within `duration`, and when.
    private static func gather(
        _ nodes: [TestNode], _ bench: Bench, within duration: Duration
    ) async throws -> [(at: Instant, job: TestNode.Held, node: TestNode)] {
        var got: [(at: Instant, job: TestNode.Held, node: TestNode)] = []
        let end = bench.world.now + duration
        while bench.world.now < end {
            for node in nodes {
                for job in try await node.fetchIfAny(4, within: .milliseconds(5)) {
                    got.append((bench.world.now, job, node))
                }
            }
        }
        return got
    }

    @Test func jobsComeAtTheServicesRateToAllNodesTogether() throws {
        try Bench.run(Self.settings) { bench in
            let client = try await bench.client()
            let nodes = [
                try await bench.node("n1", slots: 50, types: ["Charge"]),
                try await bench.node("n2", slots: 50, types: ["Charge"]),
            ]
            for node in nodes { node.beat() }
            _ = try await client.submit((0..<30).map { "\($0)" }, sequence: 1, type: "Charge")
            let got = try await Self.gather(nodes, bench, within: .seconds(5))
            #expect((9...11).contains(got.count), "\(got.count) jobs in five seconds")
            #expect(Set(got.map(\.node.registration.name)).count == 2)
            for (first, second) in zip(got, got.dropFirst()) {
                #expect(second.job.startBy! - first.job.startBy! >= .milliseconds(500))
            }
            await bench.checkInvariants()
        }
    }

    /// A job that came too late runs again; the token is spent.
    @Test func whatComesBackTakesAnotherToken() throws {
        try Bench.run(Self.settings) { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1", slots: 50, types: ["Charge"])
            node.beat()
            _ = try await client.submit(["x"], sequence: 1, type: "Charge")
            let first = try await node.fetchAll(1)[0]
            _ = try await node.report([(first, .returned)])
            let second = try await node.fetchAll(1)[0]
            #expect(second.attempt == 1 && second.startBy! - first.startBy! >= .milliseconds(500))
        }
    }

    @Test func bucketsAreEmptyAfterARestart() throws {
        try Bench.run(Self.settings) { bench in
            let client = try await bench.client()
            _ = try await client.submit(["x", "y"], sequence: 1, type: "Charge")
            try await bench.sleep(.seconds(60))
            bench.crash()
            let before = bench.world.now
            try await bench.start(Self.settings)
            let node = try await bench.node("n1", slots: 50, types: ["Charge"])
            node.beat()
            _ = try await node.fetchAll(1)
            #expect(bench.world.now - before >= .milliseconds(500))
        }
    }

    @Test func aPlaceIsFreeWhenTheJobHasEnded() throws {
        try Bench.run(Self.settings) { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1", slots: 50)
            node.beat()
            _ = try await client.submit(["x", "y"], sequence: 1, options: Self.using("maps"))
            let first = try await node.fetchAll(1)
            #expect(try await node.fetchIfAny(9).isEmpty)
            _ = try await node.succeed(first)
            #expect(try await node.fetchAll(1).map(\.payload) == ["y"])
        }
    }

    @Test(arguments: [
        (Self.using("strype"), "there is no service \"strype\"; known: maps, stripe"),
        (
            Self.using(ServiceUse("stripe", weight: 2)),
            "a weight of 2 is more than a burst of service stripe, 1: it would never run"
        ),
        (Self.using("maps", "maps"), "service maps is named twice; say the weights of both in one"),
        (Self.using(ServiceUse("maps", weight: 0)), "a weight on service maps is 1 to 1000000, not 0"),
    ])
    func usesThatMakeNoSenseAreRefusedAndNothingIsStored(options: JobOptions, reason: String) throws {
        try Bench.run(Self.settings) { bench in
            let client = try await bench.client()
            let refusal = await #expect(throws: ErrorReply.self) {
                try await client.submit(["x"], sequence: 1, options: options)
            }
            #expect(refusal?.code == .invalidRequest && refusal?.message == reason)
            #expect(bench.disk.contents.laneTotals.isEmpty)
        }
    }
}
