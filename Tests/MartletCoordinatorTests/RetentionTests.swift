import MartletCoordinator
import MartletCore
import MartletStore
import MartletWire
import Testing

@Suite struct RetentionTests {
    @Test func succeededJobsStayVisibleForTheirTimeAndThenAllGo() throws {
        let settings = CoordinatorSettings(
            clientAddress: Bench.clients, nodeAddress: Bench.nodes,
            queues: ["mail": .init(retention: Retention(succeeded: .seconds(200)))])
        try Bench.run(settings) { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            // More than one commit removes.
            let kept = try await client.submit([String](repeating: "x", count: 2500), sequence: 1).first
            let gone = try await client.submit(["y"], sequence: 2, queue: "other").first
            var left = 2501
            while left > 0 {
                let jobs = try await node.fetch(UInt64(left))
                #expect(try await node.succeed(jobs).allSatisfy { $0 == .accepted })
                left -= jobs.count
            }
            #expect(bench.state(of: gone) == nil)
            #expect(try await client.show(kept).state == .succeeded)
            try await bench.sleep(.seconds(190))
            #expect(bench.state(of: kept) == .succeeded)
            try await bench.sleep(.seconds(80))
            #expect(bench.disk.contents.jobs(matching: JobFilter(state: .succeeded), after: nil, limit: 1).isEmpty)
            #expect(bench.disk.contents.laneTotals[0].succeededTotal == 2500, "what was counted stays counted")
        }
    }

    @Test func aQueueKeepsNoMoreBytesThanItMay() throws {
        let kept = Retention(succeeded: nil, bytesMax: 100 * (KeptJob.overheadBytes + 1))
        let settings = CoordinatorSettings(
            clientAddress: Bench.clients, nodeAddress: Bench.nodes,
            queues: ["mail": .init(retention: kept), "other": .init(retention: Retention(succeeded: nil))])
        try Bench.run(settings) { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            let first = try await client.submit([String](repeating: "x", count: 1500), sequence: 1).first
            let other = try await client.submit(["y"], sequence: 2, queue: "other").first
            var left = 1501
            while left > 0 {
                let jobs = try await node.fetch(UInt64(left))
                #expect(try await node.succeed(jobs).allSatisfy { $0 == .accepted })
                left -= jobs.count
            }
            try await bench.sleep(.seconds(3))
            let contents = bench.disk.contents
            #expect(contents.jobs(matching: JobFilter(queue: "mail"), after: nil, limit: 2000).count == 100)
            #expect(bench.state(of: first) == nil, "those that have been over for longest go first")
            #expect(bench.state(of: other) == .succeeded, "each queue has its own bound")
            #expect(contents.laneTotals[0].succeededTotal == 1500 && contents.laneTotals[0].keptBytes == 25_700)
        }
    }
}
