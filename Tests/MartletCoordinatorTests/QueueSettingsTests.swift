import MartletCoordinator
import MartletCore
import MartletSimulation
import MartletWire
import Testing

@Suite struct QueueSettingsTests {
    private static func settings(_ queues: [String: CoordinatorSettings.QueueSettings]) -> CoordinatorSettings {
        CoordinatorSettings(clientAddress: Bench.clients, nodeAddress: Bench.nodes, queues: queues)
    }

    @Test(
        arguments: [
            (["patient"], 60), (["hasty"], 6), (["hasty", "patient"], 60), (["other"], 15), (["hasty", "other"], 15),
            ([], 60),
        ] as [([String], Int64)])
    func nodesLeaseIsTheLongestOfItsQueues(queues: [String], seconds: Int64) {
        let settings = Self.settings([
            "patient": .init(leaseDuration: .seconds(60)), "hasty": .init(leaseDuration: .seconds(6)),
            "plain": .init(retention: Retention(succeeded: .seconds(1))),
        ])
        #expect(settings.times(serving: queues).leaseDuration == .seconds(seconds))
    }

    @Test func silentNodesJobsWaitForTheLeaseOfTheirQueue() throws {
        let settings = Self.settings(["patient": .init(leaseDuration: .seconds(60))])
        try Bench.run(settings) { bench in
            let client = try await bench.client()
            let silent = try await bench.node("n1", queues: ["patient"])
            let live = try await bench.node("n2", queues: ["patient"])
            #expect(silent.registered.leaseDuration == .seconds(60))
            live.beat()
            _ = try await client.submit(["x"], sequence: 1, queue: "patient")
            let job = try await silent.fetchAll(1)[0]
            let begun = bench.outside.now
            let again = try await live.fetchAll(1)[0]
            let waited = bench.outside.now - begun
            #expect(again.id == job.id)
            #expect(waited >= .seconds(60) && waited < .seconds(61.5))
        }
    }

    @Test func succeededJobsStayVisibleInTheQueuesThatRetainThem() throws {
        let settings = Self.settings(["kept": .init(retention: Retention(succeeded: .seconds(3600)))])
        try Bench.run(settings) { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            let kept = try await client.submit(["x"], sequence: 1, queue: "kept").first
            let forgotten = try await client.submit(["y"], sequence: 2, queue: "mail").first
            #expect(try await node.succeed(node.fetchAll(2)) == [.accepted, .accepted])
            #expect(bench.state(of: kept) == .succeeded)
            #expect(bench.state(of: forgotten) == nil)
            try await bench.sleep(.seconds(3500))
            #expect(bench.state(of: kept) == .succeeded)
            try await bench.sleep(.seconds(200))
            #expect(bench.state(of: kept) == nil)
        }
    }
}
