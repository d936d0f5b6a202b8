import Foundation
import Martlet
import Testing

extension IntegrationTests {
    /// Leases last a minute here: whatever waited for one would fail.
    @Test(.timeLimit(.minutes(2))) func aNodeToldToEndFinishesWhatRunsAndGivesTheRestBack() async throws {
        try await RealCluster.run(leases: .long) { cluster in
            _ = try await cluster.startCoordinator()
            let client = try await cluster.connect()
            let ledger = Ledger()
            let leaving = try cluster.startNode("a", slots: 2)
            try await cluster.waitForNodes("a")
            // Short jobs teach a node to fetch ahead.
            let short = try #require(await ledger.submit(500, by: client))
            try await eventually("the short ones have run") { cluster.runs.lines(.end).count == short.count }
            let numbers = try #require(await ledger.submit(40, of: "gated", by: client))
            try await eventually("two run on a, more wait there") {
                guard cluster.runs.lines(.begin, by: "a").count == short.count + 2 else { return false }
                return try await cluster.leased(by: "a") > 2
            }
            let running = Set(cluster.runs.numbers(.begin, by: "a")).subtracting(short)
            leaving.signal(SIGTERM)
            _ = try cluster.startNode("b", slots: 4, isOpen: true)
            try await eventually("b runs what a gave back") {
                Set(cluster.runs.numbers(.end, by: "b")) == Set(numbers).subtracting(running)
            }
            #expect(leaving.isRunning, "it waits for its handlers")
            try cluster.openGate(of: "a")
            #expect(try await leaving.exit() == 0)
            #expect(Set(cluster.runs.numbers(.end, by: "a")) == running.union(short))
            try await cluster.checkAllEndedOnce(ledger)
            #expect(cluster.runs.lines(.begin).count == short.count + numbers.count, "nothing was begun twice")
            #expect(try await cluster.nodes()["a"] == nil)
            await client.close()
        }
    }

    /// A handler that runs while the coordinator is replaced goes on under the next one; leases last a minute.
    @Test(.timeLimit(.minutes(2))) func aCoordinatorToldToEndIsReplacedWithoutASecondRun() async throws {
        try await RealCluster.run(leases: .long) { cluster in
            var coordinator = try await cluster.startCoordinator()
            let client = try await cluster.connect()
            let ledger = Ledger()
            _ = try cluster.startNode("a", slots: 4)
            let gated = try #require(await ledger.submit(1, of: "gated", by: client))
            try await eventually("it runs") { cluster.runs.numbers(.begin) == gated }
            async let load: Void = ledger.load(tasks: 2, perSubmit: 5, milliseconds: 5, by: client)
            for _ in 1...2 {
                let goal = ledger.acknowledgedCount + 50
                try await eventually("submits are acknowledged") { ledger.acknowledgedCount >= goal }
                coordinator.signal(SIGTERM)
                #expect(try await coordinator.exit() == 0)
                coordinator = try await cluster.startCoordinator()
            }
            ledger.stop()
            await load
            try cluster.openGate(of: "a")
            try await cluster.checkAllEndedOnce(ledger)
            #expect(cluster.runs.numbers(.begin).count { $0 == gated[0] } == 1, "it was not run again")
            #expect(ledger.now.unknown.isEmpty && ledger.now.refused.isEmpty)
            await client.close()
        }
    }
}
