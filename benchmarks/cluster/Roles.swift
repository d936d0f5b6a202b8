import Foundation
import Martlet
import MartletCoordinator
import MartletCore
import MartletObservability
import MartletRuntime
import MartletStoreSQLite
import MartletTransport

enum CoordinatorRole {
    static func run(_ settings: Settings) async throws {
        let loop = ThreadLoop(name: "coordinator")
        let store = SQLiteStore(
            path: settings.folder + "/store.db", loop: ThreadLoop(name: "store"),
            readerLoop: ThreadLoop(name: "reader"))
        let coordinator = Coordinator(
            settings: CoordinatorSettings(
                clientAddress: settings.clients, nodeAddress: settings.nodes, nodesMax: 64,
                services: ["slow": ServiceLimits(rates: [RateLimit(tokens: 1, per: .seconds(1))])]),
            transport: NNGTransport(loop: loop), store: store, loop: loop,
            log: Log(level: .warning) { level, text, fields in print(level, text, fields) })
        try await loop.run { try await coordinator.run() }
    }
}

enum NodeRole {
    /// Handlers write how long after its submit a job began, in nanoseconds, if the payload says when that was.
    static func run(_ settings: Settings) async throws {
        let clock = ThreadLoop(name: "clock")
        let samples = FileHandle(forWritingAtPath: settings.folder + "/latencies")
        let worker = Worker(
            WorkerConfiguration(
                name: "bench", address: settings.nodes, slots: settings.slots, prefetchMax: 4096,
                stateDirectory: settings.folder))
        worker.register(raw: "throughput") { _, _ in }
        worker.register(raw: "blocked") { _, _ in }
        worker.register(raw: "latency") { payload, _ in
            let now = clock.now.nanoseconds
            let sent = payload.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
            try samples?.write(contentsOf: Data("\(now - sent)\n".utf8))
        }
        try await worker.run()
    }
}
