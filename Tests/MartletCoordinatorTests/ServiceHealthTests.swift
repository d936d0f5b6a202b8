import MartletCoordinator
import MartletCore
import MartletSimulation
import MartletWire
import Testing

/// What the cluster makes of a service, `stripe`, that goes on to turn handlers away: 100 tokens a second; three failures
/// in a row and nobody calls it for 30 s.
@Suite struct ServiceHealthTests {
    private static let settings = CoordinatorSettings(
        clientAddress: Bench.clients, nodeAddress: Bench.nodes, typeDefaults: ["Charge": .init(services: ["stripe"])],
        services: [
            "stripe": ServiceLimits(
                rates: [RateLimit(tokens: 100, per: .seconds(1), burst: 10)],
                breaker: BreakerLimits(failuresToOpen: 3, openFor: .seconds(30)))
        ])

    private static func unavailable(_ seconds: Int = 1) -> Report.Item.Result {
        .unavailable(service: "stripe", retryAfter: .seconds(seconds))
    }

    private static func view(_ client: TestClient) async throws -> ServiceView {
        let list: ServiceList = try await client.ask(ListServices())
        return list.services[0]
    }

    /// A node with `count` jobs that began while all was well, and a service that has failed three times since, in a row.
    private static func broken(
        _ bench: Bench, holding count: Int
    ) async throws -> (TestClient, TestNode, [TestNode.Held]) {
        let client = try await bench.client()
        let node = try await bench.node("n1", slots: 50, types: ["Charge"])
        node.beat()
        _ = try await client.submit((0..<20).map { "\($0)" }, sequence: 1, type: "Charge")
        let held = try await node.fetchAll(count + 3)
        for job in held.suffix(3) {
            #expect(try await Self.view(client).closing != .serviceBreaker)
            #expect(try await node.report([(job, Self.unavailable())]) == [.accepted])
            // A failure while it is closed is of the same burst.
            if job.id != held.last!.id { try await bench.sleep(.milliseconds(1001)) }
        }
        return (client, node, Array(held.prefix(count)))
    }

    @Test func opensAfterFailuresInARowAndOneProbeClosesIt() throws {
        try Bench.run(Self.settings) { bench in
            let (client, node, _) = try await Self.broken(bench, holding: 0)
            let openedAt = bench.world.now
            #expect(try await node.fetchIfAny(9, within: .seconds(28)).isEmpty)
            #expect(try await Self.view(client).closing == .serviceBreaker)
            let probe = try await node.fetchAll(1)
            #expect(bench.world.now - openedAt >= .seconds(29))
            #expect(probe[0].attempt == 1, "what was turned away lost no attempt")
            #expect(try await node.fetchIfAny(9, within: .seconds(20)).isEmpty, "one at a time")
            _ = try await node.succeed(probe)
            #expect(try await node.fetchAll(9).count == 9)
            #expect(try await Self.view(client).closing != .serviceBreaker)
            await bench.checkInvariants()
        }
    }

    @Test func aProbeThatFailsOpensItAgain() throws {
        try Bench.run(Self.settings) { bench in
            let (_, node, _) = try await Self.broken(bench, holding: 0)
            for _ in 0..<3 {
                let probe = try await node.fetchAll(1)
                let before = bench.world.now
                _ = try await node.report([(probe[0], Self.unavailable())])
                #expect(try await node.fetchIfAny(9, within: .seconds(28)).isEmpty)
                #expect(bench.world.now - before >= .seconds(28))
            }
            let probe = try await node.fetchAll(1)
            _ = try await node.succeed(probe)
            #expect(try await node.fetchAll(9).count == 9)
            await bench.checkInvariants()
        }
    }

    /// It began before the breaker opened, and says nothing of the service as it is now.
    @Test func theSuccessOfAnOlderJobDoesNotStandForTheProbes() throws {
        try Bench.run(Self.settings) { bench in
            let (client, node, older) = try await Self.broken(bench, holding: 2)
            let probe = try await node.fetchAll(1)
            _ = try await node.succeed([older[0]])
            #expect(try await node.fetchIfAny(9, within: .seconds(10)).isEmpty)
            #expect(try await Self.view(client).closing == .serviceBreaker)
            // Nor does the end of one that says nothing make room for another probe.
            _ = try await node.report([(older[1], .returned)])
            #expect(try await node.fetchIfAny(9, within: .seconds(10)).isEmpty)
            _ = try await node.report([(probe[0], Self.unavailable())])
            #expect(try await node.fetchIfAny(9, within: .seconds(28)).isEmpty, "the probe has failed")
            await bench.checkInvariants()
        }
    }

    @Test func theFailureOfAnOlderJobDoesNotStandForTheProbes() throws {
        try Bench.run(Self.settings) { bench in
            let (_, node, older) = try await Self.broken(bench, holding: 1)
            let probe = try await node.fetchAll(1)
            _ = try await node.report([(older[0], Self.unavailable(5))])
            _ = try await node.succeed(probe)
            let before = bench.world.now
            #expect(try await node.fetchAll(9).count == 9)
            let waited = bench.world.now - before
            #expect(waited >= .seconds(4), "the service is left alone for as long as it asked")
            #expect(waited <= .seconds(8), "and the probe has closed the breaker")
            await bench.checkInvariants()
        }
    }

    /// Whatever became of it otherwise, the next is tried at once.
    @Test func aProbeThatIsGivenBackMakesRoomForTheNext() throws {
        try Bench.run(Self.settings) { bench in
            let (_, node, _) = try await Self.broken(bench, holding: 1)
            let probe = try await node.fetchAll(1)
            _ = try await node.report([(probe[0], .returned)])
            let before = bench.world.now
            #expect(try await node.fetchAll(1).count == 1)
            #expect(bench.world.now - before <= .seconds(1))
        }
    }

    /// Cut to a half at once, and a twentieth more each second: additive increase, multiplicative decrease.
    @Test func theRateIsCutAndClimbsBackToItsCeiling() throws {
        try Bench.run(Self.settings) { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1", slots: 5000, types: ["Charge"])
            node.beat()
            _ = try await client.submit((0..<3000).map { "\($0)" }, sequence: 1, type: "Charge")
            let first = try await node.fetchAll(1)
            _ = try await node.report([(first[0], Self.unavailable(2))])
            let opensAt = bench.world.now + .seconds(2)
            var counts = [Int](repeating: 0, count: 16)
            while bench.world.now < opensAt + .seconds(16) {
                for _ in try await node.fetchIfAny(64, within: .milliseconds(20)) where bench.world.now > opensAt {
                    counts[min(15, Int((bench.world.now - opensAt).components.seconds))] += 1
                }
            }
            for (second, count) in counts.enumerated() {
                let expected = min(100, 50 + 5 * second)
                #expect(abs(count - expected) <= 4, "second \(second): \(count) jobs, and not \(expected)")
            }
            // Cut again, by the same share of what there is.
            let next = try await node.fetchAll(1)
            _ = try await node.report([(next[0], Self.unavailable(1))])
            #expect(try await Self.view(client).rateShare == 500)
            try await bench.sleep(.seconds(3))
            let later = try await node.fetchAll(1)
            _ = try await node.report([(later[0], Self.unavailable(1))])
            let share = try await Self.view(client).rateShare
            #expect(share == 300, "half of what it had climbed to")
        }
    }
}
