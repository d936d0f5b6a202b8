import Foundation
import Martlet
import Testing

extension IntegrationTests {
    private static func withNetwork(_ body: (PrivateNetwork) async throws -> Void) async throws {
        let network: PrivateNetwork
        do {
            network = try await PrivateNetwork()
        } catch {
            try Test.cancel("needs the right to make a network namespace: \(error)")
        }
        do {
            try await body(network)
        } catch {
            await network.end()
            throw error
        }
        await network.end()
    }

    @Test(.timeLimit(.minutes(2))) func aCoordinatorOpenToOthersDemandsTheToken() async throws {
        try await Self.withNetwork { network in
            let token = "the token of this cluster"
            let wrong = "a token of another cluster"
            try await RealCluster.run(
                leases: .long, host: network.host, token: token, coordinatorPrefix: network.prefix
            ) { cluster in
                let coordinator = try await cluster.startCoordinator()
                for other in [nil, wrong] {
                    let error = await #expect(throws: MartletError.self) {
                        try await Client.connect(to: cluster.clientsAddress, token: other)
                    }
                    #expect(error?.code == .authenticationFailed)
                }
                let queues = try await cluster.martlet(["queues"], environment: ["MARTLET_TOKEN": wrong])
                #expect(queues.status == 77)
                #expect(queues.errors.split(separator: "\n").count == 1 && queues.errors.contains("token"))
                let stranger = try cluster.startNode("stranger", token: wrong)
                #expect(try await stranger.exit() == 1)
                #expect(stranger.log.contains("the cluster token is not this cluster's"))

                let ledger = Ledger()
                let client = try await cluster.connect()
                _ = try cluster.startNode("a")
                await ledger.submit(20, by: client)
                await client.close()
                try await cluster.checkAllEndedOnce(ledger)
                #expect(try await cluster.nodes() == ["a": "live"])
                #expect(!coordinator.log.contains(token) && !coordinator.log.contains(wrong))
            }
        }
    }

    /// The cable between a node and its coordinator is out for longer than its lease.
    @Test(.timeLimit(.minutes(2))) func aPartitionLongerThanALeaseHeals() async throws {
        try await Self.withNetwork { network in
            try await RealCluster.run(
                leases: .short, host: network.host, token: "the token of this cluster",
                coordinatorPrefix: network.prefix
            ) { cluster in
                let coordinator = try await cluster.startCoordinator()
                let client = try await cluster.connect()
                let ledger = Ledger()
                let outside = try cluster.startNode("a", slots: 2)
                let numbers = try #require(await ledger.submit(2, of: "stubborn", by: client))
                try await eventually("both run on a") { cluster.runs.numbers(.begin, by: "a").sorted() == numbers }
                _ = try cluster.startNode("b", slots: 2, prefix: network.prefix, isOpen: true)
                try await cluster.waitForNodes("a", "b")
                try await network.pullCable()
                async let late = ledger.submit(5, by: client)
                try await eventually("both have run on b") {
                    cluster.runs.numbers(.end, by: "b").sorted() == numbers
                }
                try await eventually("a gives its leases up") {
                    outside.log.contains("leases ended because the coordinator was out of reach")
                }
                try cluster.openGate(of: "a")
                try await eventually("its handlers end, too late") { cluster.runs.lines(.end, by: "a").count == 2 }
                try await network.plugCable()
                #expect(await late != nil, "a submit outlasts the partition")
                try await cluster.waitForNodes("a", "b")
                await client.close()
                try await cluster.checkAllEndedOnce(ledger)
                #expect(try await cluster.totals().succeeded == 7)
                #expect(coordinator.isRunning && outside.isRunning)
            }
        }
    }
}
