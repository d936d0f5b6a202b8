import Foundation
import Martlet
import Testing

extension IntegrationTests {
    /// Three coordinators in a row die in the middle of their work. Nodes and client never notice more than a pause.
    @Test(.timeLimit(.minutes(2))) func aCoordinatorKilledUnderLoadLosesNothing() async throws {
        try await RealCluster.run { cluster in
            var coordinator = try await cluster.startCoordinator()
            let nodes = [try cluster.startNode("a", slots: 8), try cluster.startNode("b", slots: 8)]
            try await cluster.waitForNodes("a", "b")
            let client = try await cluster.connect()
            let ledger = Ledger()
            async let load: Void = ledger.load(tasks: 4, perSubmit: 10, milliseconds: 5, by: client)
            for _ in 1...3 {
                let goal = ledger.acknowledgedCount + 200
                let begun = cluster.runs.lines(.begin).count
                try await eventually("submits are acknowledged and jobs run") {
                    ledger.acknowledgedCount >= goal && cluster.runs.lines(.begin).count >= begun + 100
                }
                coordinator.kill()
                coordinator = try await cluster.startCoordinator()
            }
            let goal = ledger.acknowledgedCount + 100
            try await eventually("submits go on after the last kill") { ledger.acknowledgedCount >= goal }
            ledger.stop()
            await load
            await client.close()
            try await cluster.checkAllEndedOnce(ledger)
            #expect(ledger.now.unknown.isEmpty && ledger.now.refused.isEmpty, "the client rode out every crash")
            #expect(nodes.allSatisfy(\.isRunning) && coordinator.isRunning)
        }
    }
}
