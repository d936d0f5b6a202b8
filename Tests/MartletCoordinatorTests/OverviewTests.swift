import MartletCore
import MartletSimulation
import MartletWire
import Testing

/// What people see of queues and nodes.
@Suite struct OverviewTests {
    private static func ages(_ client: TestClient) async throws -> [String: Int64?] {
        let list: QueueList = try await client.ask(ListQueues())
        return Dictionary(
            uniqueKeysWithValues: list.queues.map {
                ("\($0.queue)/\($0.type)", $0.oldestReadyAge.map { $0.components.seconds })
            })
    }

    @Test func aQueueTellsForHowLongItsOldestReadyJobHasWaited() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let now = bench.outside.wallTime
            _ = try await client.submit(["a", "b"], sequence: 1)
            _ = try await client.submit(["later"], sequence: 2, queue: "later", due: now + .seconds(60))
            try await bench.sleep(.seconds(50))
            _ = try await client.submit(["c"], sequence: 3, type: "Other")
            try await bench.sleep(.seconds(50))
            // What was scheduled counts from the time that it was scheduled for.
            #expect(try await Self.ages(client) == ["mail/Send": 100, "mail/Other": 50, "later/Send": 40])
            let node = try await bench.node("n1", queues: ["mail"])
            node.beat()
            let held = try await node.fetchAll(2)
            // What a node has does not wait.
            #expect(try await Self.ages(client) == ["mail/Send": nil, "mail/Other": 50, "later/Send": 40])
            #expect(try await node.fail(held[0]) == [.accepted])
            _ = try await node.succeed([held[1]])
            try await bench.sleep(.seconds(10))
            #expect(try await Self.ages(client)["mail/Send"] == .some(nil))
        }
    }

    /// A job that is due at last, with a low id, does not hide that others have waited for long.
    @Test func aRetryCountsFromItsSubmission() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            _ = try await client.submit(["a"], sequence: 1)
            let held = try await node.fetchAll(1)
            _ = try await client.submit(["b"], sequence: 2)
            #expect(try await node.fail(held[0]) == [.accepted])
            try await bench.sleep(.seconds(300))
            #expect(try await Self.ages(client)["mail/Send"]!! >= 300)
        }
    }

    @Test func aNodeTellsHowManyHandlersDoNotStop() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            _ = try await node.report(stuck: 2)
            var list: NodeList = try await client.ask(ListNodes())
            #expect(list.nodes.map(\.stuck) == [2])
            _ = try await node.report()
            list = try await client.ask(ListNodes())
            #expect(list.nodes.map(\.stuck) == [0])
        }
    }
}
