import Foundation

/// The least that a durable job queue of this shape can cost: client, coordinator and node, three processes, nng
/// REQ/REP between them, SQLite with `synchronous=FULL` behind. Jobs of 200 bytes are submitted 200 at a time, inserted
/// and deleted in group commits, and nothing else: no leases, lanes, retries, limits or checks.
///
/// What Martlet reaches beside it, in the same run on the same machine, is the price of its semantics.
///
///     reference-loop [--jobs 600000] [--folder /where/the/database/goes]
@main
struct ReferenceLoop {
    static let payloadCount = 200
    static let submitCount = 200
    static let submitsInFlight = 16

    static func main() throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        switch arguments.first {
        case "coordinator":
            Self.exitWithParent()
            Coordinator.run(databasePath: arguments[1])
        case "node":
            Self.exitWithParent()
            Node.run(address: arguments[1])
        default: try Self.measure(arguments)
        }
    }

    /// Starts the other two processes, submits, and prints jobs a second from the first submit to the last commit.
    static func measure(_ arguments: [String]) throws {
        let jobs = Int(Self.value(of: "--jobs", in: arguments) ?? "600000") ?? 0
        guard jobs > 0, jobs % Self.submitCount == 0 else {
            fatalError("--jobs must be a positive multiple of \(Self.submitCount)")
        }
        let parent = Self.value(of: "--folder", in: arguments) ?? FileManager.default.temporaryDirectory.path
        let folder = URL(fileURLWithPath: parent).appendingPathComponent("martlet-reference-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }

        let said = Pipe()
        let coordinator = try Self.start(["coordinator", folder.appendingPathComponent("jobs.db").path], output: said)
        defer { Self.stop(coordinator) }
        guard let port = Int(Self.line(from: said)) else { fatalError("the coordinator did not say its port") }
        let address = "tcp://127.0.0.1:\(port)"
        let node = try Self.start(["node", address], output: nil)
        defer { Self.stop(node) }

        let client = Client(address: address)
        // Connections, caches and the database file are there before the clock starts.
        client.run(jobs: 20 * Self.submitCount, total: 20 * Self.submitCount)
        let clock = ContinuousClock()
        let elapsed = clock.measure { client.run(jobs: jobs, total: 20 * Self.submitCount + jobs) }
        print("reference loop: \(Int(Double(jobs) / (elapsed / .seconds(1)))) jobs/s")
    }

    private static func value(of option: String, in arguments: [String]) -> String? {
        guard let place = arguments.firstIndex(of: option), place + 1 < arguments.count else { return nil }
        return arguments[place + 1]
    }

    private static func start(_ arguments: [String], output: Pipe?) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = arguments
        process.standardInput = Pipe()
        if let output { process.standardOutput = output }
        try process.run()
        return process
    }

    /// Ends this process once the one that started it is gone, which closes its end of the standard input.
    private static func exitWithParent() {
        Thread.detachNewThread {
            _ = FileHandle.standardInput.availableData
            exit(0)
        }
    }

    private static func stop(_ process: Process) {
        process.terminate()
        process.waitUntilExit()
    }

    private static func line(from pipe: Pipe) -> String {
        var line: [UInt8] = []
        while let byte = try? pipe.fileHandleForReading.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") {
            line.append(byte)
        }
        return String(decoding: line, as: UTF8.self)
    }
}
