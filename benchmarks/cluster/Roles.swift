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
        AllocationReport.begin(settings, role: "coordinator")
        let loop = ThreadLoop(name: "coordinator")
        let store = SQLiteStore(
            path: settings.folder + "/store.db", loop: ThreadLoop(name: "store"),
            readerLoop: ThreadLoop(name: "reader"))
        let coordinator = Coordinator(
            settings: CoordinatorSettings(
                clientAddress: settings.clientAddress, nodeAddress: settings.nodeAddress,
                nodesMax: max(64, settings.nodes), lanesMax: 20_000,
                services: [
                    "slow": ServiceLimits(rates: [RateLimit(tokens: 1, per: .seconds(1))]),
                    "roomy": ServiceLimits(rates: [RateLimit(tokens: 10_000_000, per: .seconds(1))]),
                ]),
            transport: NNGTransport(loop: loop), store: store, loop: loop,
            log: Log(level: .warning) { level, text, fields in print(level, text, fields) })
        try await loop.run { try await coordinator.run() }
    }
}

enum NodeRole {
    /// Handlers write how long after its submit a job began, in nanoseconds, if the payload says when that was.
    static func run(_ settings: Settings) async throws {
        AllocationReport.begin(settings, role: "node")
        let clock = ThreadLoop(name: "clock")
        let samples = FileHandle(forWritingAtPath: settings.folder + "/latencies")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<settings.nodes {
                let worker = self.worker(number, settings)
                worker.register(raw: Load.latencyType) { payload, _ in
                    let now = clock.now.nanoseconds
                    let sent = payload.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
                    try samples?.write(contentsOf: Data("\(now - sent)\n".utf8))
                }
                group.addTask { try await worker.run() }
            }
            try await group.waitForAll()
        }
    }

    private static func worker(_ number: Int, _ settings: Settings) -> Worker {
        let worker = Worker(
            WorkerConfiguration(
                name: "bench-\(number)", address: settings.nodeAddress, slots: settings.slots,
                prefetchMax: settings.prefetch,
                stateDirectory: settings.folder))
        worker.register(raw: Load.throughputType) { _, _ in }
        worker.register(raw: Load.blockedType) { _, _ in }
        worker.register(Mail.self)
        return worker
    }
}
