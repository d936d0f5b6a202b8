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
}
