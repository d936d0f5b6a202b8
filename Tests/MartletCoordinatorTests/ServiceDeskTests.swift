import MartletCoordinator
import MartletCore
import MartletSimulation
import MartletStore
import MartletWire
import Testing

/// Limits of services changed while the cluster runs, and what is said of jobs that wait for them.
@Suite struct ServiceDeskTests {
    private static let tight = ServiceLimits(rates: [RateLimit(tokens: 1, per: .seconds(60), burst: 1)])
    private static let loose = ServiceLimits(rates: [RateLimit(tokens: 100, per: .seconds(1), burst: 5)])
    private static let settings = CoordinatorSettings(
        clientAddress: Bench.clients, nodeAddress: Bench.nodes,
        typeDefaults: ["Charge": .init(services: [ServiceUse("stripe", weight: 1)])], services: ["stripe": Self.tight])

    private static func set(
        _ action: SetService.Action, of name: String = "stripe", by: String = "ann", _ client: TestClient
    ) async throws -> ServiceSet {
        try await client.ask(SetService(name: name, action: action, by: by))
    }

    private static func list(_ client: TestClient) async throws -> ServiceList {
        try await client.ask(ListServices(changesMax: 10))
    }

    @Test func aChangeIsInForceAtOnceAndOverRestarts() throws {
        try Bench.run(Self.settings) { bench in
            var client = try await bench.client()
            var node = try await bench.node("n1", slots: 50, types: ["Charge"])
            node.beat()
            _ = try await client.submit((0..<40).map { "\($0)" }, sequence: 1, type: "Charge")
            #expect(try await node.fetchIfAny(9).isEmpty)
            let set = try await Self.set(.limits(Self.loose), client)
            #expect(set == ServiceSet(isChanged: true, what: "\(Self.loose.text) (before: \(Self.tight.text))"))
            let held = try await node.fetchAll(3)
            _ = try await node.succeed(held)
            node.fallSilent()
            bench.crash()
            try await bench.start(Self.settings)
            client = try await bench.client()
            let service = try #require(try await Self.list(client).services.first)
            #expect(service.limits == Self.loose && service.isChanged && service.changedBy == "ann")
            node = try await bench.node("n1", incarnation: 2, slots: 50, types: ["Charge"], holdsLock: true)
            node.beat()
            _ = try await node.fetchAll(3)
            #expect(try await Self.set(.reset, client).what == "back to cluster.json: \(Self.tight.text)")
            #expect(try await Self.list(client).changes.map(\.by) == ["ann", "ann"])
            #expect(try await Self.list(client).services.first?.isChanged == false)
            await bench.checkInvariants()
        }
    }

    /// The old limits stay in force.
    @Test(arguments: [
        (
            ServiceLimits(rates: [RateLimit(tokens: 0, per: .seconds(1), burst: 1)]),
            "service stripe: a rate of 0 is out of range: use 1 to 1000000000"
        ),
        (ServiceLimits(), "service stripe: nothing is limited: give a rate, a concurrency or limits per key"),
        (
            ServiceLimits(rates: [RateLimit(tokens: 10, per: .seconds(1), burst: 2)]),
            "service stripe: a burst of 2 never holds the 3 tokens that a job of some type takes"
        ),
    ])
    func limitsThatMakeNoSenseAreRefused(limits: ServiceLimits, reason: String) throws {
        let before = ServiceLimits(rates: [RateLimit(tokens: 9, per: .seconds(1), burst: 3)])
        let settings = CoordinatorSettings(
            clientAddress: Bench.clients, nodeAddress: Bench.nodes,
            typeDefaults: ["Charge": .init(services: [ServiceUse("stripe", weight: 3)])],
            services: ["stripe": before])
        try Bench.run(settings) { bench in
            let client = try await bench.client()
            let refusal = await #expect(throws: ErrorReply.self) { try await Self.set(.limits(limits), client) }
            #expect(refusal?.message == reason)
            let list = try await Self.list(client)
            #expect(list.services.first?.limits == before && list.changes.isEmpty)
        }
    }

    @Test func aPausedServiceLetsNothingThroughUntilItIsResumed() throws {
        let settings = CoordinatorSettings(
            clientAddress: Bench.clients, nodeAddress: Bench.nodes,
            typeDefaults: ["Charge": .init(services: ["stripe"])], services: ["stripe": Self.loose])
        try Bench.run(settings) { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1", slots: 50, types: ["Charge"])
            node.beat()
            #expect(try await Self.set(.pause, client).isChanged)
            #expect(try await !Self.set(.pause, client).isChanged)
            _ = try await client.submit(["x"], sequence: 1, type: "Charge")
            #expect(try await node.fetchIfAny(9).isEmpty)
            bench.crash()
            try await bench.start(settings)
            let later = try await bench.client()
            #expect(try await Self.list(later).services.first?.isPaused == true)
            #expect(try await Self.set(.resume, by: "bob", later).what == "resumed")
            let again = try await bench.node("n1", incarnation: 2, slots: 50, types: ["Charge"], holdsLock: true)
            again.beat()
            _ = try await again.fetchAll(1)
            #expect(try await Self.list(later).changes.map(\.what) == ["resumed", "paused"])
            #expect(try await refusal { try await Self.set(.pause, of: "maps", later) } == .notFound)
        }
    }

    /// A service that nobody has configured can be set, and jobs may use it from then on.
    @Test func aNewServiceIsThereOnceItIsSet() throws {
        try Bench.run(Self.settings) { bench in
            let client = try await bench.client()
            var options = JobOptions()
            options.services = ["maps"]
            #expect(
                try await refusal { try await client.submit(["x"], sequence: 1, options: options) } == .invalidRequest)
            _ = try await Self.set(.limits(ServiceLimits(concurrency: 1)), of: "maps", client)
            let node = try await bench.node("n1")
            node.beat()
            _ = try await client.submit(["x", "y"], sequence: 1, options: options)
            #expect(try await node.fetchAll(1).map(\.payload) == ["x"])
        }
    }

    @Test func aFileThatHasChangedIsTakenOver() throws {
        try Bench.run(Self.settings) { bench in
            let client = try await bench.client()
            let maps = ServiceLimits(concurrency: 2)
            #expect(
                await bench.parts.services.reload(["stripe": Self.loose, "maps": maps])
                    == [
                        "services.maps: not there -> \(maps.text)",
                        "services.stripe: \(Self.tight.text) -> \(Self.loose.text)",
                    ])
            #expect(try await Self.list(client).services.map(\.limits) == [maps, Self.loose])
            _ = try await Self.set(.limits(Self.tight), client)
            #expect(
                await bench.parts.services.reload(["maps": maps])
                    == [
                        "services.stripe: \(Self.loose.text) -> not there, but what was set with martlet limits goes before it"
                    ])
            #expect(try await Self.list(client).services.map(\.limits) == [maps, Self.tight])
        }
    }

    // MARK: Explanations

    @Test func aJobIsToldWhatItWaitsForAndWhenItMayStart() throws {
        try Bench.run(Self.settings) { bench in
            let client = try await bench.client()
            let submitted = try await client.submit(["a", "b", "c"], sequence: 1, type: "Charge")
            func explain(_ place: Int) async throws -> JobExplanation {
                try await client.ask(ExplainJob(id: submitted.first.advanced(by: place)))
            }
            #expect(try await explain(0).reason == .unserved)
            let node = try await bench.node("n1", slots: 50, types: ["Charge"])
            node.beat()
            try await bench.sleep(.seconds(1))
            let third = try await explain(2)
            #expect(third.state == .ready && third.reason == .serviceTokens && third.subject == "stripe")
            #expect(third.ahead == 2 && third.missing == 3)
            let job = try await client.show(submitted.first.advanced(by: 2))
            #expect(third.since == job.createdAt, "since it is ready")
            #expect((170...181).contains(third.startsIn! / .seconds(1)))
            _ = try await client.ask(SetService(name: "stripe", action: .pause, by: "")) as ServiceSet
            #expect(try await explain(0).reason == .servicePaused)
            _ = try await client.ask(SetService(name: "stripe", action: .resume, by: "")) as ServiceSet
            let held = try await node.fetchAll(1)
            let running = try await explain(0)
            #expect(running.state == .running && running.subject == "n1")
            _ = try await node.succeed(held)
            #expect(try await refusal { try await explain(0) } == .notFound)
        }
    }

    @Test func aQueueSaysWhatMoreNodesCouldDo() throws {
        try Bench.run(Self.settings) { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1", slots: 1, types: ["Send", "Charge"])
            node.beat()
            _ = try await client.submit((0..<5).map { "\($0)" }, sequence: 1)
            _ = try await client.submit((0..<7).map { "\($0)" }, sequence: 2, type: "Charge")
            _ = try await client.submit((0..<2).map { "\($0)" }, sequence: 3, type: "Nobody")
            _ = try await node.fetchAll(1)
            let queue: QueueExplanation = try await client.ask(ExplainQueue(name: "mail"))
            #expect(queue.runnable == 6 && queue.blocked == 7 && queue.running == 1)
            #expect(queue.parts.map(\.reason) == [.serviceTokens, .slot, .unserved])
            #expect(queue.parts.map(\.count) == [7, 4, 2] && queue.parts[0].subject == "stripe")
            let other: QueueExplanation = try await client.ask(ExplainQueue(name: "nothing"))
            #expect(other.parts.isEmpty)
        }
    }
}
