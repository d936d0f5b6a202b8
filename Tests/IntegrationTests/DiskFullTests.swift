import Foundation
import Martlet
import Testing

extension IntegrationTests {
    private static let ballastBytes = 24 << 20

    /// 24 MiB for the store, and as many more to be found when somebody tidies up.
    @Test(.timeLimit(.minutes(2))) func aFullDiskRefusesSubmitsAndStillStoresResults() async throws {
        let disk: SmallDisk
        do {
            disk = try await SmallDisk(bytes: (24 << 20) + Self.ballastBytes)
        } catch {
            try Test.cancel("needs the right to mount a file system: \(error)")
        }
        do {
            try await Self.fill(disk)
        } catch {
            await disk.end()
            throw error
        }
        await disk.end()
    }

    private static func fill(_ disk: SmallDisk) async throws {
        try disk.addBallast(bytes: Self.ballastBytes)
        try await RealCluster.run(leases: .short, storePath: disk.path + "/martlet.db") { cluster in
            let coordinator = try await cluster.startCoordinator()
            let client = try await cluster.connect()
            let ledger = Ledger()
            _ = try cluster.startNode("a", slots: 4)
            let running = try #require(await ledger.submit(4, of: "gated", by: client))
            try await eventually("handlers run") { cluster.runs.numbers(.begin).sorted() == running }

            // Nobody serves these: they stay.
            var isFull = false
            for _ in 0..<400 where !isFull {
                isFull = await ledger.submit(5, of: "fill", payloadBytes: 40_000, by: client) == nil
            }
            #expect(isFull)
            #expect(ledger.now.refused.values.allSatisfy { $0.code == .storeFull }, "\(ledger.now.refused)")
            #expect(ledger.now.unknown.isEmpty)

            try cluster.openGate(of: "a")
            try await eventually("results are stored on a full disk") { try await cluster.totals().succeeded == 4 }
            // A node that registers is stored too.
            _ = try cluster.startNode("b", slots: 8, types: ["fill"])
            try await cluster.waitForNodes("b")
            #expect(coordinator.isRunning)

            disk.dropBallast()
            try await eventually("submits are taken in again") { await ledger.submit(1, by: client) != nil }
            await client.close()
            try await cluster.checkAllEndedOnce(ledger)
            #expect(coordinator.log.contains("commit group rolled back"))
        }
    }
}
