import Foundation
import Martlet
import MartletCore
import MartletRuntime
import MartletTransport
import MartletWire
import Synchronization
import Testing

/// On real threads, sockets and signals. One at a time: they fill the thread pool and share the process's signals.
@Suite(.serialized) struct ProcessTests {
    /// A fake coordinator on a thread of its own, listening on a Unix socket.
    private final class Host: Sendable {
        let loop = ThreadLoop(name: "fake")
        let coordinator: FakeCoordinator
        let directory: String
        var address: String { "ipc://\(self.directory)/nodes.sock" }

        init() throws {
            self.coordinator = FakeCoordinator(on: self.loop)
            let template = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID())")
            try FileManager.default.createDirectory(at: template, withIntermediateDirectories: true)
            self.directory = template.path
        }

        /// Serves while `body` runs.
        func serving<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
            let listener = try await NNGTransport(loop: self.loop).listen(at: self.address, contexts: 64)
            return try await self.serving(on: listener, body)
        }

        func serving<Value: Sendable>(
            on listener: any RequestListener, _ body: @escaping @Sendable () async throws -> Value
        ) async throws -> Value {
            let result = try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask(executorPreference: self.loop) { await self.coordinator.serve(listener) }
                let result: Result<Value, any Error>
                do { result = .success(try await body()) } catch { result = .failure(error) }
                await listener.close()
                try await group.waitForAll()
                return result
            }
            return try result.get()
        }

        /// The last call: nothing can be asked of the coordinator afterwards.
        func end() {
            try? FileManager.default.removeItem(atPath: self.directory)
            self.loop.shutdown()
        }

        func configuration(slots: Int = 2, name: String = "w") -> WorkerConfiguration {
            WorkerConfiguration(
                name: name, address: self.address, slots: slots, prefetchMax: 0, stateDirectory: self.directory,
                logHandler: { _ in })
        }
    }

    /// The session's thread is its own: handlers that block every thread of the pool for three lease lengths lose none.
    @Test func busyHandlersInEverySlotCostNoLease() async throws {
        let lease = Duration.seconds(1)
        let host = try Host()
        defer { host.end() }
        let loop = ThreadLoop(name: "worker")
        let network = InMemoryNetwork()
        await host.coordinator.ask {
            $0.heartbeatInterval = lease / 10
            $0.leaseDuration = lease
        }
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let environment = Worker.Environment(
            loop: loop, transport: network.transport(on: loop), executor: globalConcurrentExecutor)
        let worker = Worker(
            WorkerConfiguration(name: "w", address: Cluster.address, slots: cores, logHandler: { _ in }),
            in: environment)
        let left = Atomic(cores)
        worker.register(raw: "busy") { _, _ in
            let end = loop.now + lease * 3
            while loop.now < end {}
            if left.subtract(1, ordering: .relaxed).newValue == 0 { worker.drain() }
        }
        await host.coordinator.add(cores, of: "busy", .empty)
        let listener = try await network.transport(on: host.loop).listen(at: Cluster.address, contexts: 64)
        try await host.serving(on: listener) { try await worker.run() }
        let (results, silence) = await host.coordinator.ask { ($0.results.map(\.result), $0.longestSilence) }
        #expect(results == Array(repeating: .succeeded, count: cores))
        #expect(silence < lease, "\(silence) between two heartbeats")
        #expect(worker.counts.leasesLost == 0 && worker.counts.registrations == 1)
        loop.shutdown()
    }

    @Test func aClientAndAWorkerTalkOverSockets() async throws {
        let host = try Host()
        defer { host.end() }
        try await host.serving {
            let client = try await Client.connect(to: host.address)
            let id = try await client.submit(Greet(name: "Ada"))
            #expect(try await client.status(of: id)?.type == "greet")
            await client.close()
        }
        #expect(await host.coordinator.ask { $0.accepted.count } == 1)
    }

    @Test func aSignalEndsTheWorkerInOrder() async throws {
        let host = try Host()
        defer { host.end() }
        let worker = Worker(host.configuration(slots: 1))
        let gate = Gate()
        let started = Gate()
        worker.register(raw: "wait") { _, _ in
            started.open()
            await gate.wait()
        }
        await host.coordinator.add(1, of: "wait", .empty)
        try await host.serving {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await worker.run() }
                await started.wait()
                kill(getpid(), SIGTERM)
                // The drain shows in the next report; the handler may end then.
                while await !host.coordinator.ask({ $0.reports.last?.isDraining == true }) { await Task.yield() }
                gate.open()
                try await group.waitForAll()
            }
        }
        #expect(await host.coordinator.ask { $0.results.map(\.result) } == [.succeeded])
        #expect(await host.coordinator.ask { $0.isNodeGone && $0.registers.allSatisfy(\.holdsNameLock) })
    }

    @Test func oneProcessAtATimeHasAName() async throws {
        let host = try Host()
        defer { host.end() }
        let first = Worker(host.configuration(name: "mail/1"))
        let started = Gate()
        first.register(raw: "n") { _, _ in started.open() }
        await host.coordinator.add("n")
        try await host.serving {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await first.run(gracefulShutdownOn: []) }
                await started.wait()
                let second = Worker(host.configuration(name: "mail/1"))
                second.register(raw: "n") { _, _ in }
                let error = await #expect(throws: MartletError.self) {
                    try await second.run(gracefulShutdownOn: [])
                }
                #expect(error?.code == .nodeNameTaken)
                #expect(error?.message.contains("\(getpid())") == true)
                first.drain()
                try await group.waitForAll()
            }
            let third = Worker(host.configuration(name: "mail/1"))
            third.register(raw: "n") { _, _ in third.drain() }
            await host.coordinator.add("n")
            try await third.run(gracefulShutdownOn: [])
        }
    }
}
