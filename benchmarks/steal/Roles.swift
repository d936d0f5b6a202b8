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
                clientAddress: settings.clients, nodeAddress: settings.nodeAddress, nodesMax: 64,
                isStealing: settings.isStealing),
            transport: NNGTransport(loop: loop), store: store, loop: loop,
            log: Log(level: .warning) { level, text, fields in print(level, text, fields) })
        try await loop.run { try await coordinator.run() }
    }
}

enum NodesRole {
    /// Handlers sleep for as long as the payload says, over the speed of their node.
    static func run(_ settings: Settings) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (offset, spec) in NodeSpec.list(settings.nodes).enumerated() {
                let name = "node-\(settings.first + offset)"
                group.addTask { try await Self.worker(name, spec, settings).run() }
            }
            try await group.waitForAll()
        }
    }

    private static func worker(_ name: String, _ spec: NodeSpec, _ settings: Settings) -> Worker {
        let configuration = WorkerConfiguration(
            name: name, address: settings.nodeAddress, slots: spec.slots, stateDirectory: settings.folder)
        let loop = ThreadLoop(name: name)
        var environment = Worker.Environment(
            loop: loop, transport: NNGTransport(loop: loop), executor: globalConcurrentExecutor)
        if settings.ahead > 0 { environment.prefetchTarget = .seconds(1) * settings.ahead }
        let worker = Worker(configuration, in: environment)
        worker.register(raw: "sleep") { payload, _ in
            let nanoseconds = payload.withUnsafeBytes { $0.loadUnaligned(as: Int64.self) }
            try await Task.sleep(for: .nanoseconds(Int64(Double(nanoseconds) / spec.speed)), tolerance: .zero)
        }
        return worker
    }
}
