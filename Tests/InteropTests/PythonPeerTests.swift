import Foundation
import MartletCoordinator
import MartletObservability
import MartletRuntime
import MartletStore
import MartletTransport
import Testing

/// A client and a worker in another language, written from `docs/wire-protocol.md` alone, against a real coordinator.
@Suite struct PythonPeerTests {
    static let script = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("interop/converse.py")

    @Test(.timeLimit(.minutes(2)), arguments: [nil, "a token that is shared"])
    func aPeerInAnotherLanguageIsServed(token: String?) async throws {
        let loop = ThreadLoop(name: "coordinator")
        defer { loop.shutdown() }
        let settings = CoordinatorSettings(
            clientAddress: "tcp://127.0.0.1:0", nodeAddress: "tcp://127.0.0.1:0", token: token.map { Array($0.utf8) })
        let coordinator = Coordinator(
            settings: settings, transport: NNGTransport(loop: loop), store: InMemoryStore(), loop: loop, log: .none)
        let (addresses, started) = AsyncStream<[String]>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask(executorPreference: loop) {
                try await coordinator.run { parts in started.yield([parts.clientAddress, parts.nodeAddress]) }
            }
            for await pair in addresses {
                let (status, said) = try await Self.converse(pair + (token.map { [$0] } ?? []))
                #expect(status == 0, "\(said)")
                #expect(said.contains("went as the protocol says"), "\(said)")
                break
            }
            group.cancelAll()
        }
    }

    /// Runs the script without blocking a thread of the pool meanwhile.
    private static func converse(_ arguments: [String]) async throws -> (status: Int32, said: String) {
        let python = Process()
        let output = Pipe()
        python.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        python.arguments = ["python3", Self.script.path] + arguments
        python.standardOutput = output
        python.standardError = output
        return try await withCheckedThrowingContinuation { continuation in
            // What it says is a few lines, which a pipe holds.
            python.terminationHandler = { ended in
                let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                continuation.resume(returning: (ended.terminationStatus, said))
            }
            do { try python.run() } catch { continuation.resume(throwing: error) }
        }
    }
}
