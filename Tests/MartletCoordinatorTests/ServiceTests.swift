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

/// Services that turn handlers away, and tokens for calls inside of jobs.
@Suite struct UnavailableServiceTests {
    private static let settings = CoordinatorSettings(
        clientAddress: Bench.clients, nodeAddress: Bench.nodes, typeDefaults: ["Charge": .init(services: ["stripe"])],
        services: [
            "stripe": ServiceLimits(rates: [RateLimit(tokens: 100, per: .seconds(1), burst: 10)]),
            "maps": ServiceLimits(rates: [RateLimit(tokens: 1, per: .seconds(1), burst: 3)]),
        ])

    private static func unavailable(_ service: String?, _ retryAfter: Duration?) -> Report.Item.Result {
        .unavailable(service: service, retryAfter: retryAfter)
    }

    @Test func aServiceThatTurnsOneAwayIsLeftAloneByAllAndNoAttemptIsLost() throws {
        try Bench.run(Self.settings) { bench in
            let client = try await bench.client()
            let nodes = [
                try await bench.node("n1", slots: 2, types: ["Charge"]),
                try await bench.node("n2", slots: 2, types: ["Charge"]),
            ]
            for node in nodes { node.beat() }
            _ = try await client.submit((0..<9).map { "\($0)" }, sequence: 1, type: "Charge")
            let held = try await nodes[0].fetchAll(1)
            _ = try await nodes[1].fetchAll(1)
            let before = bench.world.now
            #expect(
                try await nodes[0].report([(held[0], Self.unavailable("stripe", .seconds(30)))]) == [.accepted])
            #expect(try await nodes[1].fetchIfAny(9, within: .seconds(25)).isEmpty)
            let list: ServiceList = try await client.ask(ListServices())
            let stripe = try #require(list.services.first { $0.name == "stripe" })
            #expect(stripe.rejections == 1 && stripe.closing == .serviceClosed && stripe.rateShare == 500)
            let again = try await nodes[0].fetchAll(1)
            #expect(again[0].id == held[0].id && again[0].attempt == 1)
            #expect(bench.world.now - before >= .seconds(30))
            await bench.checkInvariants()
        }
    }

    /// It would run again at once otherwise.
    @Test func whoCallsAServiceWithoutSayingSoIsTriedAgainLater() throws {
        try Bench.run(Self.settings) { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            _ = try await client.submit(["x"], sequence: 1)
            let held = try await node.fetchAll(1)
            let before = bench.world.now
            _ = try await node.report([(held[0], Self.unavailable("stripe", .seconds(30)))])
            let again = try await node.fetchAll(1)
            #expect(again[0].attempt == 1 && bench.world.now - before >= .seconds(30))
            _ = try await node.report([(again[0], Self.unavailable("strype", .seconds(30)))])
            #expect(try await node.fetchAll(1)[0].attempt == 2, "no such service: the attempt has failed")
        }
    }

    private static func acquire(
        _ wants: [Acquire.Want], number: UInt64, of node: TestNode
    ) async throws -> Acquired {
        try await node.connection.ask(Acquire(key: node.registered.key, number: number, wants: wants))
    }

    @Test func callsGetTokensWhenThereAreSomeWithinTheServicesRate() throws {
        try Bench.run(Self.settings) { bench in
            let node = try await bench.node("n1")
            node.beat()
            #expect(node.registered.features.contains(.services))
            let maps = Acquire.Want(service: "maps", key: nil, least: 1, most: 9)
            let before = bench.world.now
            let first = try await Self.acquire([maps], number: 1, of: node)
            #expect(first.chunks == [Acquired.Chunk(place: 0, tokens: 1)])
            #expect(bench.world.now - before >= .milliseconds(900), "at takeover the bucket is empty")
            #expect(first.heldFor >= .milliseconds(900) && first.validFor == .milliseconds(100))
            try await bench.sleep(.seconds(60))
            #expect(try await Self.acquire([maps], number: 2, of: node).chunks.map(\.tokens) == [3])
            let unknown = Acquire.Want(service: "strype", key: nil, least: 1, most: 1)
            let never = Acquire.Want(service: "maps", key: nil, least: 4, most: 4)
            let refused = try await Self.acquire([maps, unknown, never], number: 3, of: node)
            #expect(refused.chunks.map(\.place) == [1, 2] && refused.chunks.allSatisfy { !$0.problem.isEmpty })
        }
    }

    @Test func aLaterRequestTakesThePlaceOfTheOneThatWaits() throws {
        try Bench.run(Self.settings) { bench in
            let node = try await bench.node("n1")
            node.beat()
            let maps = Acquire.Want(service: "maps", key: nil, least: 3, most: 3)
            async let first = Self.acquire([maps], number: 1, of: node)
            try await bench.sleep(.milliseconds(100))
            let stripe = Acquire.Want(service: "stripe", key: nil, least: 1, most: 1)
            #expect(try await Self.acquire([maps, stripe], number: 2, of: node).chunks.map(\.place) == [1])
            #expect(try await first.chunks.isEmpty)
        }
    }

    /// What flows after that is there for others.
    @Test func aRequestThatWantsNothingWithdrawsTheOneThatWaits() throws {
        try Bench.run(Self.settings) { bench in
            let node = try await bench.node("n1")
            node.beat()
            let maps = Acquire.Want(service: "maps", key: nil, least: 3, most: 3)
            async let first = Self.acquire([maps], number: 1, of: node)
            try await bench.sleep(.milliseconds(100))
            #expect(try await Self.acquire([], number: 2, of: node).chunks.isEmpty)
            #expect(try await first.chunks.isEmpty)
            try await bench.sleep(.seconds(5))
            let before = bench.world.now
            #expect(try await Self.acquire([maps], number: 3, of: node).chunks.map(\.tokens) == [3])
            #expect(bench.world.now - before < .milliseconds(100))
        }
    }

    /// Nobody knows what became of the service meanwhile, but it said how long it wants to be left alone.
    @Test func aServiceIsLeftAloneAfterARestartToo() throws {
        try Bench.run(Self.settings) { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1", types: ["Charge"])
            node.beat()
            _ = try await client.submit(["x"], sequence: 1, type: "Charge")
            let held = try await node.fetchAll(1)
            let told = bench.world.now
            _ = try await node.report([(held[0], Self.unavailable("stripe", .seconds(30)))])
            try await bench.sleep(.seconds(5))
            bench.crash()
            try await bench.start(Self.settings)
            let again = try await bench.node("n2", slots: 50, types: ["Charge"])
            again.beat()
            _ = try await again.fetchAll(1)
            #expect(bench.world.now - told >= .seconds(30) && bench.world.now - told < .seconds(31))
        }
    }

    /// Who runs has a slot already.
    @Test func callsOfJobsThatRunComeBeforeJobsThatWait() throws {
        try Bench.run(Self.settings) { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1", slots: 50)
            node.beat()
            var options = JobOptions()
            options.services = ["maps"]
            _ = try await client.submit((0..<500).map { "\($0)" }, sequence: 1, options: options)
            let maps = Acquire.Want(service: "maps", key: nil, least: 1, most: 1)
            for number in 1...5 as ClosedRange<UInt64> {
                let before = bench.world.now
                #expect(try await Self.acquire([maps], number: number, of: node).chunks.map(\.tokens) == [1])
                #expect(bench.world.now - before <= .seconds(2))
            }
            await bench.checkInvariants()
        }
    }
}
