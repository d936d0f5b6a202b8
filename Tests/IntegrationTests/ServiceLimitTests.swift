import Foundation
import Martlet
import Testing

extension IntegrationTests {
    /// Four worker processes call a real service that has a limit. None of them is told that it is too much, and the
    /// service is used.
    @Test(.timeLimit(.minutes(2))) func noCallIsTurnedAwayAndTheServiceIsUsed() async throws {
        let (rate, burst, jobs) = (50.0, 5, 400)
        // A start within a tenth of a second of its grant, and a busy machine's delay from there to the socket.
        let service = try LimitedHTTPService(rate: rate, burst: Double(burst) + rate * (0.1 + 0.3))
        defer { service.stop() }
        try await RealCluster.run(leases: .long) { cluster in
            try cluster.configure(
                services: ["web": ["rate": Int(rate), "per": "1s", "burst": burst]],
                of: ["call": ["web": 1]])
            _ = try await cluster.startCoordinator()
            for name in ["a", "b", "c", "d"] {
                _ = try cluster.startNode(name, slots: 8, types: ["call"], servicePort: service.port)
            }
            try await cluster.waitForNodes("a", "b", "c", "d")
            let client = try await cluster.connect()
            let ledger = Ledger()
            _ = try #require(await ledger.submit(jobs, of: "call", by: client))
            try await eventually("all have called", within: .seconds(60)) { service.arrivals.count >= jobs }
            await client.close()
            try await cluster.checkAllEndedOnce(ledger)
            #expect(service.rejected == 0)
            let arrivals = service.arrivals
            let elapsed = (arrivals.last! - arrivals.first!) / .seconds(1)
            let used = Double(arrivals.count - burst) / (rate * elapsed)
            #expect(used >= 0.97, "\(used) of the rate was used")
            let nodes = Set(["a", "b", "c", "d"].filter { !cluster.runs.numbers(.end, by: $0).isEmpty })
            #expect(nodes.count == 4, "all share one budget")
        }
    }
}
