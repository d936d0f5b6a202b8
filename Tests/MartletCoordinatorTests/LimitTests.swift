import MartletCoordinator
import MartletCore
import MartletSimulation
import MartletStore
import MartletWire
import Synchronization
import Testing

@Suite struct CoordinatorLimitTests {
    private static let capped = CoordinatorSettings(
        clientAddress: Bench.clients, nodeAddress: Bench.nodes,
        queues: ["narrow": .init(limits: .init(concurrency: 2))], typeDefaults: ["Send": .init(concurrency: 3)])

    @Test func capsHoldOverNodesAndPlacesAreFreeWhenResultsCome() throws {
        try Bench.run(Self.capped) { bench in
            let client = try await bench.client()
            let nodes = [try await bench.node("n1", slots: 8), try await bench.node("n2", slots: 8)]
            for node in nodes { node.beat() }
            _ = try await client.submit((0..<6).map { "\($0)" }, sequence: 1, queue: "narrow")
            _ = try await client.submit((0..<6).map { "\($0)" }, sequence: 2, queue: "wide")
            var held: [(node: TestNode, job: TestNode.Held)] = []
            for node in nodes { held += try await node.fetchIfAny(8).map { (node, $0) } }
            #expect(held.count == 3, "two of the queue, three of the type")
            var done = 0
            while done < 12 {
                let next = held.removeFirst()
                #expect(try await next.node.succeed([next.job]) == [.accepted])
                done += 1
                for node in nodes { held += try await node.fetchIfAny(UInt64(8 + done)).map { (node, $0) } }
                #expect(held.count <= 3)
            }
            await bench.checkInvariants()
        }
    }

    /// What a node holds from before a restart keeps its place.
    @Test func capHoldsOverARestart() throws {
        try Bench.run(Self.capped) { bench in
            let client = try await bench.client()
            let before = try await bench.node("n1", slots: 8)
            before.beat()
            _ = try await client.submit((0..<5).map { "\($0)" }, sequence: 1, queue: "narrow")
            let held = try await before.fetchAll(2)
            before.fallSilent()
            bench.crash()
            try await bench.start(Self.capped)
            let other = try await bench.node("n2", slots: 8)
            other.beat()
            let later = try await bench.client()
            _ = try await later.submit(["new"], sequence: 1, queue: "narrow")
            #expect(try await other.fetchIfAny(8).isEmpty, "nobody knows yet what n1 runs")
            let back = try await bench.node("n1", slots: 8, held: held.map { $0.item() })
            back.beat()
            #expect(try await other.fetchIfAny(8).isEmpty, "n1 runs as many as there may be")
            await bench.checkInvariants()
        }
    }

    @Test func pausedQueueGivesNothingUntilItIsResumed() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            await bench.parts.dispatcher.pause(.queue("mail"))
            _ = try await client.submit(["x"], sequence: 1, queue: "mail")
            #expect(try await node.fetchIfAny(4).isEmpty)
            let blocker = await bench.parts.dispatcher.blocker(of: LaneID(rawValue: 0), share: nil)
            #expect(blocker == .queuePaused)
            await bench.parts.dispatcher.resume(.queue("mail"))
            #expect(try await node.fetchIfAny(4).count == 1)
        }
    }

    /// A waiting job, one that is due later and one at work: each is with one of the two, and gone.
    @Test func jobsAreTakenFromLinesAndNodes() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1", slots: 1)
            node.beat()
            let first = try await client.submit(["a", "b", "c"], sequence: 1).first
            let held = try await node.fetchAll(1)
            let ids = (0..<3).map { first.advanced(by: $0) }
            let jobs = ids.map { ReadyJob(id: $0, lane: LaneID(rawValue: 0)) }
            #expect(await bench.parts.dispatcher.remove(jobs) == Array(ids.dropFirst()))
            #expect(await bench.parts.registry.revoke(ids) == [first])
            #expect(try await node.order().ended == [held[0].token])
            #expect(try await node.succeed(held) == [.refused])
            #expect(try await node.fetchIfAny(8).isEmpty)
            #expect(await bench.parts.dispatcher.readyCount() == 0)
            await bench.checkInvariants()
        }
    }

    /// Whether a job has expired is seen when its body is read.
    @Test func expiredJobsAreHandedOverInsteadOfRun() throws {
        let uncached = CoordinatorSettings(
            clientAddress: Bench.clients, nodeAddress: Bench.nodes, payloadCacheMax: 0)
        try Bench.run(uncached) { bench in
            let expired = Mutex<[JobID]>([])
            await bench.parts.dispatcher.setExpiry { jobs in
                expired.withLock { $0 += jobs.map(\.id) }
                return []
            }
            let client = try await bench.client()
            var late = JobOptions()
            late.expiry = .milliseconds(100)
            let first = try await client.submit(["late"], sequence: 1, options: late).first
            _ = try await client.submit(["fine"], sequence: 2)
            _ = try await client.submit(["late"], sequence: 3, options: late)
            // Before the sweep looks.
            try await bench.sleep(.milliseconds(200))
            let node = try await bench.node("n1")
            node.beat()
            #expect(try await node.fetchIfAny(4).map(\.payload) == ["fine"])
            #expect(try await node.fetchIfAny(4).isEmpty)
            #expect(expired.withLock { $0 } == [first, first.advanced(by: 2)])
            #expect(await bench.parts.dispatcher.readyCount() == 0)
        }
    }
}
