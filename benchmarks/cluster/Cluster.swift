import Foundation
import Martlet
import MartletCore
import MartletRuntime
import MartletTransport
import MartletWire

/// The processes that are measured, in a folder of their own, which goes when this does.
final class Cluster {
    private(set) var settings: Settings
    private var processes: [String: Process] = [:]
    let loop = ThreadLoop(name: "client")

    init(_ settings: Settings) throws {
        self.settings = settings
        let folder = FileManager.default.temporaryDirectory.appending(path: "martlet-benchmark-\(getpid())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        self.settings.folder = folder
        self.settings.clientAddress = "ipc://\(folder)/clients"
        self.settings.nodeAddress = "ipc://\(folder)/nodes"
        self.settings.echoAddress = "ipc://\(folder)/echo"
        try Data().write(to: URL(filePath: folder + "/latencies"))
    }

    deinit {
        for role in ["echo", "node", "coordinator"] { self.stop(role) }
        try? FileManager.default.removeItem(atPath: self.settings.folder)
    }

    var folder: String { self.settings.folder }

    @discardableResult
    func start(_ role: String) throws -> ProcessUsage {
        let process = Process()
        process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = [role] + self.settings.arguments
        try process.run()
        self.processes[role] = process
        return ProcessUsage(
            pid: process.processIdentifier, gauge: self.settings.countsAllocations ? self.gauge(of: role) : nil)
    }

    func stop(_ role: String) {
        guard let process = self.processes.removeValue(forKey: role) else { return }
        process.terminate()
        process.waitUntilExit()
    }

    func kill(_ role: String) {
        guard let process = self.processes.removeValue(forKey: role) else { return }
        _ = Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    private func gauge(of role: String) -> String { AllocationReport.path(folder: self.folder, role: role) }

    func connect() async throws -> Client { try await Client.connect(to: self.settings.clientAddress) }

    /// Nodes take a moment to find their coordinator.
    func waitForNodes() async throws {
        try await self.poll(every: .milliseconds(10)) { connection in
            let frame = try await connection.request(ListNodes().encoded(), timeout: .seconds(10))
            return try NodeList.decode(frame).nodes.count == self.settings.nodes
        }
    }

    /// Waits until so many jobs have succeeded in all.
    func wait(until goal: UInt64) async throws {
        try await self.poll(every: .milliseconds(10)) { connection in
            let frame = try await connection.request(ListQueues().encoded(), timeout: .seconds(10))
            let lanes = try QueueList.decode(frame).queues.filter { $0.type != Load.blockedType }
            return lanes.reduce(0, { $0 + $1.succeededTotal }) >= goal
        }
    }

    private func poll(
        every interval: Duration, _ isDone: (any RequestConnection) async throws -> Bool
    ) async throws {
        let connection = try NNGTransport(loop: self.loop).connect(to: self.settings.clientAddress)
        while try await !isDone(connection) { try await self.loop.sleep(for: interval) }
        await connection.close()
    }
}

/// What a command has found.
struct Findings {
    private var values: [(name: String, value: String)] = []

    mutating func add(_ name: String, _ value: Double) { self.values.append((name, String(format: "%.6g", value))) }
    mutating func add(_ name: String, _ value: Int) { self.values.append((name, "\(value)")) }
    mutating func add(_ name: String, _ text: String) { self.values.append((name, "\"\(text)\"")) }

    func printed(if isWanted: Bool) {
        guard isWanted else { return }
        print("{" + self.values.map { "\"\($0.name)\": \($0.value)" }.joined(separator: ", ") + "}")
    }
}
