import Foundation
import Martlet
import Testing

extension IntegrationTests {
    /// Nobody says goodbye for a killed node: its running jobs begin elsewhere when its leases have ended.
    @Test(.timeLimit(.minutes(2))) func theJobsOfAKilledNodeRunElsewhereAfterItsLease() async throws {
        try await RealCluster.run(leases: .short) { cluster in
            let coordinator = try await cluster.startCoordinator()
            let client = try await cluster.connect()
            let ledger = Ledger()
            let first = try cluster.startNode("a", slots: 4)
            let numbers = try #require(await ledger.submit(4, of: "gated", by: client))
            try await eventually("all run on a") { cluster.runs.numbers(.begin, by: "a").sorted() == numbers }
            _ = try cluster.startNode("b", slots: 4, isOpen: true)
            try await cluster.waitForNodes("a", "b")
            first.kill()
            let killed = ContinuousClock.now
            try await eventually("all have run on b", within: .seconds(10)) {
                cluster.runs.numbers(.end, by: "b").sorted() == numbers
            }
            // A lease of 3 s, the coordinator's tick, and a machine that is busy with other things.
            #expect(ContinuousClock.now - killed < .seconds(8))
            await client.close()
            try await cluster.checkAllEndedOnce(ledger)
            #expect(cluster.runs.lines(.begin, by: "b").allSatisfy { $0.attempt == 1 }, "a death is no failed attempt")
            #expect(coordinator.log.contains("node left"))
        }
    }

    /// Leases last a minute here: only the lock on the name tells the coordinator that the old process is dead.
    @Test(.timeLimit(.minutes(2))) func aNodeRestartedUnderItsNameRunsItsJobsAtOnce() async throws {
        try await RealCluster.run(leases: .long) { cluster in
            _ = try await cluster.startCoordinator()
            let client = try await cluster.connect()
            let ledger = Ledger()
            let first = try cluster.startNode("a", slots: 4)
            let numbers = try #require(await ledger.submit(4, of: "gated", by: client))
            try await eventually("all run on a") { cluster.runs.numbers(.begin, by: "a").sorted() == numbers }
            first.kill()
            let second = try cluster.startNode("a", slots: 4, isOpen: true)
            try await eventually("all have run on the new a", within: .seconds(15)) {
                cluster.runs.numbers(.end, by: "a").sorted() == numbers
            }
            await client.close()
            try await cluster.checkAllEndedOnce(ledger)
            #expect(second.isRunning)
        }
    }

    /// A node stands still past its lease, with a handler that no cancellation stops. What it does afterwards is void.
    @Test(.timeLimit(.minutes(2))) func aNodeThatComesBackAfterItsLeaseCountsForNothing() async throws {
        try await RealCluster.run(leases: .short) { cluster in
            _ = try await cluster.startCoordinator()
            let client = try await cluster.connect()
            let ledger = Ledger()
            let frozen = try cluster.startNode("a", slots: 1)
            let number = try #require(await ledger.submit(1, of: "stubborn", by: client))
            try await eventually("it runs on a") { cluster.runs.numbers(.begin, by: "a") == number }
            let other = try cluster.startNode("b", slots: 1, isOpen: true)
            try await cluster.waitForNodes("a", "b")
            frozen.signal(SIGSTOP)
            try await eventually("it has run on b") { cluster.runs.numbers(.end, by: "b") == number }
            try await eventually("its success is stored") { try await cluster.totals().succeeded == 1 }
            frozen.signal(SIGCONT)
            try cluster.openGate(of: "a")
            try await eventually("the handler on a ends") { cluster.runs.numbers(.end, by: "a") == number }
            try await eventually("a says that its result is void") {
                frozen.log.contains("leases ended because the coordinator was out of reach")
                    || frozen.log.contains("a result was refused") || frozen.log.contains("took jobs away")
            }
            // It is a good node again, and its old result does not count.
            other.signal(SIGTERM)
            #expect(try await other.exit() == 0)
            await ledger.submit(1, by: client)
            try await eventually("a works again") { cluster.runs.numbers(.end, by: "a").count == 2 }
            await client.close()
            try await cluster.checkAllEndedOnce(ledger)
            #expect(try await cluster.totals().succeeded == 2)
        }
    }
}
