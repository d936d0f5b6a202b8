import Foundation
import MartletCoordinator
import MartletCore
import MartletHTTP
import MartletObservability
import MartletRuntime
import MartletStore
import MartletTransport
import Synchronization

/// A coordinator in memory behind a real HTTP server on a port of its own.
final class HTTPBench: Sendable {
    let loop: ThreadLoop
    let server: HTTPServer
    let network = InMemoryNetwork()
    private let address: String

    static let clients = "tcp://127.0.0.1:7400"
    static let nodes = "tcp://127.0.0.1:7401"
    static let settings = CoordinatorSettings(
        clientAddress: clients, nodeAddress: nodes, payloadMax: 7 << 20, pendingBytesMax: 64 << 20)

    private init(_ settings: HTTPSettings) throws {
        self.loop = ThreadLoop(name: "coordinator")
        do {
            self.server = try HTTPServer(settings, loop: self.loop, log: .none)
        } catch {
            self.loop.shutdown()
            throw error
        }
        self.address = self.server.address
    }

    var port: UInt16 { UInt16(self.address.split(separator: ":").last!)! }

    /// Runs `body` beside a server, and beside a coordinator if it is to run.
    static func run(
        _ settings: HTTPSettings = HTTPSettings(port: 0), coordinator: CoordinatorSettings? = HTTPBench.settings,
        store: any JobStore = InMemoryStore(), _ body: @escaping @Sendable (HTTPBench) async throws -> Void
    ) async throws {
        let bench = try HTTPBench(settings)
        defer { bench.loop.shutdown() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            let started = AsyncStream<Void>.makeStream()
            group.addTask(executorPreference: bench.loop) { await bench.server.run() }
            if let coordinator {
                let shard = Coordinator(
                    settings: coordinator,
                    transport: bench.network.transport(on: bench.loop, host: HostID(rawValue: 1)), store: store,
                    loop: bench.loop, log: .none)
                group.addTask(executorPreference: bench.loop) {
                    try await shard.run { parts in
                        bench.server.begin(parts)
                        started.continuation.yield()
                    }
                }
            } else {
                started.continuation.yield()
            }
            for await _ in started.stream { break }
            do {
                try await body(bench)
            } catch {
                group.cancelAll()
                throw error
            }
            group.cancelAll()
        }
    }

    // MARK: Requests

    func connect(receiveBuffer: Int32? = nil) throws -> RawConnection {
        try RawConnection(port: self.port, receiveBuffer: receiveBuffer)
    }

    /// One request on a connection of its own.
    func ask(
        _ method: String, _ target: String, headers: [String: String] = [:], body: String? = nil
    ) async throws -> RawAnswer {
        let connection = try self.connect()
        return try await blocking {
            try connection.send(RawConnection.request(method, target, headers: headers, body: body))
            return try connection.receive(hasBody: method != "HEAD")
        }
    }
}

/// Runs what blocks on a thread of its own: the pool has few.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        let thread = Thread { continuation.resume(with: Result { try body() }) }
        thread.start()
    }
}
