import Foundation
import Martlet
import Testing

extension IntegrationTests {
    /// What a process that cannot do its work says: one line with the cause.
    private static func complaint(_ process: ChildProcess) -> [String] {
        process.log.split(separator: "\n").map(String.init).filter { $0.hasPrefix("martlet:") }
    }

    /// On the same machine the lock on the name tells, elsewhere the coordinator. The first one never notices.
    @Test(.timeLimit(.minutes(2))) func aSecondNodeOfOneNameIsRefused() async throws {
        try await RealCluster.run(leases: .long) { cluster in
            _ = try await cluster.startCoordinator()
            let client = try await cluster.connect()
            let ledger = Ledger()
            let first = try cluster.startNode("a", slots: 1, machine: "one")
            let number = try #require(await ledger.submit(1, of: "gated", by: client))
            try await eventually("it runs") { cluster.runs.numbers(.begin) == number }

            let neighbour = try cluster.startNode("a", machine: "one")
            #expect(try await neighbour.exit() == 1)
            #expect(neighbour.log.contains("test-node: a worker named \"a\" runs on this machine already"))

            // One process of each on machines of their own: no lock tells, but the coordinator does.
            let stranger = try cluster.startNode("a", machine: "two")
            try await eventually("the stranger is refused") {
                stranger.log.contains("a live node is called a; choose another name")
            }
            #expect(first.log.split(separator: "\n").count { $0.contains(" registered") } == 1)

            let arguments = ["worker", "--type", "work", "--name", "c", "--exec", "true"]
            let worker = try cluster.launch("worker", arguments)
            try await cluster.waitForNodes("c")
            let double = try await cluster.martlet(arguments)
            #expect(double.status == 1)
            #expect(double.errors.split(separator: "\n").count == 1)
            #expect(double.errors.contains("give this worker another --name"))
            #expect(worker.isRunning && first.isRunning)

            try cluster.openGate(of: "one")
            try await cluster.checkAllEndedOnce(ledger)
            #expect(cluster.runs.lines(.begin).count == 1, "it was not begun again")
            await client.close()
        }
    }

    @Test(.timeLimit(.minutes(2))) func aCoordinatorThatCannotStartSaysWhyInALine() async throws {
        try await RealCluster.run(leases: .long) { cluster in
            let first = try await cluster.startCoordinator()
            let client = try await cluster.connect()
            let ledger = Ledger()
            let listen = ["clients": cluster.clientsAddress, "nodes": cluster.nodesAddress]
            let other = try Ports.free(2).map { "tcp://127.0.0.1:\($0)" }

            try cluster.writeConfiguration(
                "same-ports.json", ["listen": listen, "store": ["path": cluster.folder + "/other.db"]])
            let samePorts = try cluster.launchCoordinator("same-ports", configuration: "same-ports.json")
            #expect(try await samePorts.exit() == 1)
            let inUse = Self.complaint(samePorts)
            #expect(inUse.count == 1 && inUse[0].contains("cannot listen") && inUse[0].contains("change \"listen\""))

            try cluster.writeConfiguration(
                "same-store.json",
                [
                    "listen": ["clients": other[0], "nodes": other[1]],
                    "store": ["path": cluster.folder + "/store/martlet.db"],
                ])
            let sameStore = try cluster.launchCoordinator("same-store", configuration: "same-store.json")
            #expect(try await sameStore.exit() == 1)
            let locked = Self.complaint(sameStore)
            #expect(locked.count == 1 && locked[0].contains("is in use"))
            #expect(locked.first?.contains("process \(first.processID)") == true, "\(locked)")

            #expect(await ledger.submit(10, by: client) != nil, "the first serves as before")
            await client.close()
            first.signal(SIGTERM)
            #expect(try await first.exit() == 0)

            try Self.setSchemaVersion(99, of: cluster.folder + "/store/martlet.db")
            let older = try cluster.launchCoordinator("older")
            #expect(try await older.exit() == 1)
            let newer = Self.complaint(older)
            #expect(newer.count == 1 && newer[0].contains("schema version 99"), "\(newer)")

            // It refused to touch the store: with its own version the jobs are all there.
            try Self.setSchemaVersion(2, of: cluster.folder + "/store/martlet.db")
            _ = try await cluster.startCoordinator()
            _ = try cluster.startNode("a")
            try await cluster.checkAllEndedOnce(ledger)
        }
    }

    /// Writes SQLite's `user_version`: four bytes at 60, most significant first.
    private static func setSchemaVersion(_ version: UInt8, of path: String) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        defer { try? file.close() }
        try file.seek(toOffset: 60)
        try file.write(contentsOf: Data([0, 0, 0, version]))
    }
}
