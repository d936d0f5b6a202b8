import Foundation
import Martlet

/// A worker for the integration tests: it writes a line when a handler begins and one when it ends, so that a test
/// sees what was run, how often and by whom, whatever happens to this process.
///
/// A payload is `NUMBER MILLISECONDS`, padded at will. What it does follows from the job's type:
/// - `work`: takes that long.
/// - `gated`: takes until the file `open` is in the node's folder.
/// - `stubborn`: as `gated`, and its cancellation does not stop it.
/// - `call`: calls the service at the port that the environment names.
@main
struct TestNode {
    static func main() async {
        let environment = ProcessInfo.processInfo.environment
        let name = environment["NODE_NAME"]!
        let folder = environment["NODE_FOLDER"]!
        let runs = RunLogWriter(path: environment["NODE_RUNS"]!, node: name)
        let worker = Worker(
            WorkerConfiguration(
                name: name, address: environment["NODE_ADDRESS"]!, slots: Int(environment["NODE_SLOTS"]!)!,
                token: environment["NODE_TOKEN"], stateDirectory: folder))
        for type in environment["NODE_TYPES"]!.split(separator: ",").map(String.init) {
            worker.register(raw: type) { payload, context in
                try await Self.handle(payload, context, gate: folder + "/open", runs)
            }
        }
        do {
            try await worker.run()
        } catch {
            FileHandle.standardError.write(Data("test-node: \(error)\n".utf8))
            exit(1)
        }
    }

    private static func handle(
        _ payload: Payload, _ context: JobContext, gate: String, _ runs: RunLogWriter
    ) async throws {
        let words = (payload.text ?? "").split(separator: " ")
        let number = Int(words[0])!
        runs.write("begin", number, context)
        do {
            switch context.type {
            case "gated":
                while access(gate, F_OK) != 0 { try await Task.sleep(for: .milliseconds(10)) }
            case "call":
                guard try Self.call() == 200 else { throw ServiceUnavailable("web") }
            case "stubborn":
                // A task of its own is not cancelled with the handler's.
                await Task { while access(gate, F_OK) != 0 { try? await Task.sleep(for: .milliseconds(10)) } }.value
            default:
                try await Task.sleep(for: .milliseconds(Int(words[1])!))
            }
        } catch {
            runs.write("cut", number, context)
            throw error
        }
        runs.write("end", number, context)
    }
}

extension TestNode {
    /// The status of a request to the service.
    fileprivate static func call() throws -> Int {
        let port = UInt16(ProcessInfo.processInfo.environment["NODE_SERVICE"]!)!
        let connection = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(connection) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(connection, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { throw JobFailureError(kind: "connect", message: "the service is not there") }
        let request = Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
        _ = request.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        var answer = [UInt8](repeating: 0, count: 256)
        let count = read(connection, &answer, answer.count)
        let words = String(decoding: answer[..<max(0, count)], as: UTF8.self).split(separator: " ")
        return words.count > 1 ? Int(words[1]) ?? 0 : 0
    }
}

/// The file that all nodes of a test write to, a line a call, so that lines do not mix.
private struct RunLogWriter: Sendable {
    private let file: Int32
    private let node: String

    init(path: String, node: String) {
        self.file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        precondition(self.file >= 0, "the log of runs can be opened")
        self.node = node
    }

    func write(_ event: String, _ number: Int, _ context: JobContext) {
        let line = Array("\(event) \(self.node) \(context.id) \(context.attempt) \(number)\n".utf8)
        let count = line.withUnsafeBytes { Foundation.write(self.file, $0.baseAddress, $0.count) }
        precondition(count == line.count, "the log of runs has room")
    }
}
