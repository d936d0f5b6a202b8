import Foundation
import Martlet
import MartletCore
import MartletRuntime
import MartletTransport
import MartletWire

/// Starts the other processes, drives them and prints a figure.
final class Measurement {
    private var settings: Settings
    private var processes: [Process] = []
    private let loop = ThreadLoop(name: "client")

    init(_ settings: Settings) throws {
        self.settings = settings
        let folder = FileManager.default.temporaryDirectory.appending(path: "martlet-benchmark-\(getpid())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        self.settings.folder = folder
        self.settings.clients = "ipc://\(folder)/clients"
        self.settings.nodes = "ipc://\(folder)/nodes"
        try Data().write(to: URL(filePath: folder + "/latencies"))
    }

    deinit {
        for process in self.processes.reversed() {
            process.terminate()
            process.waitUntilExit()
        }
        try? FileManager.default.removeItem(atPath: self.settings.folder)
    }

    // MARK: Figures

    /// Jobs a second, from the first submit to the last accepted completion.
    func throughput() async throws {
        try self.start("coordinator")
        try self.start("node")
        let client = try await self.connect()
        try await self.submitAll(client, type: "throughput", count: self.settings.jobs / 10)
        try await self.wait(until: UInt64(self.settings.jobs / 10))
        let clock = ContinuousClock()
        let start = clock.now
        try await self.submitAll(client, type: "throughput", count: self.settings.jobs)
        let submitted = (clock.now - start) / .seconds(1)
        try await self.wait(until: UInt64(self.settings.jobs / 10 + self.settings.jobs))
        let done = (clock.now - start) / .seconds(1)
        let rate = Int(Double(self.settings.jobs) / done)
        print(
            "end to end: \(rate) jobs/s (\(self.settings.jobs) jobs of \(self.settings.payload) bytes, submits of "
                + "\(self.settings.batch), \(self.settings.slots) slots; all submitted after \(Self.text(submitted)) s, "
                + "all done after \(Self.text(done)) s)")
        await client.close()
    }

    /// From the submit call to the start of the handler, on an idle cluster.
    func latency() async throws {
        try self.start("coordinator")
        try self.start("node")
        let client = try await self.connect()
        for round in 0..<self.settings.samples + 50 {
            if round == 50 { try Data().write(to: URL(filePath: self.settings.folder + "/latencies")) }
            let sent = withUnsafeBytes(of: self.loop.now.nanoseconds) { Array($0) }
            let padding = [UInt8](repeating: 0, count: max(0, self.settings.payload - 8))
            try await client.submit(raw: RawJob(type: "latency", payload: Payload(copying: sent + padding)))
            try await self.loop.sleep(for: .milliseconds(4))
        }
        let text = try String(contentsOfFile: self.settings.folder + "/latencies", encoding: .utf8)
        let latencies = text.split(whereSeparator: { $0 == "\n" || $0 == "\0" }).compactMap { Double($0) }.sorted()
        let at = { (share: Double) in latencies[min(latencies.count - 1, Int(Double(latencies.count) * share))] / 1e6 }
        print(
            "idle latency, submit call to handler start: median \(Self.text(at(0.5))) ms, p90 \(Self.text(at(0.9))) ms, "
                + "p99 \(Self.text(at(0.99))) ms (\(latencies.count) jobs)")
        await client.close()
    }

    /// The coordinator's memory with many jobs queued and nobody to run them.
    func memory() async throws {
        let pid = try self.start("coordinator")
        let client = try await self.connect()
        let before = try Self.residentMiB(pid)
        try await self.submitAll(client, type: "throughput", count: self.settings.jobs)
        let after = try Self.residentMiB(pid)
        print("coordinator memory: \(before) MiB empty, \(after) MiB with \(self.settings.jobs) jobs queued")
        await client.close()
    }

    // MARK: Steps

    private func submitAll(_ client: Client, type: String, count: Int) async throws {
        let payload = Payload(copying: [UInt8](repeating: 0x2a, count: self.settings.payload))
        let batch = [RawJob](repeating: RawJob(type: type, payload: payload), count: self.settings.batch)
        let rounds = count / self.settings.batch / self.settings.producers
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<self.settings.producers {
                group.addTask { for _ in 0..<rounds { try await client.submit(raw: batch) } }
            }
            try await group.waitForAll()
        }
    }

    private func wait(until succeeded: UInt64) async throws {
        let connection = try NNGTransport(loop: self.loop).connect(to: self.settings.clients)
        let goal = succeeded - succeeded % UInt64(self.settings.batch * self.settings.producers)
        while true {
            let frame = try await connection.request(ListQueues().encoded(), timeout: .seconds(10))
            if try QueueList.decode(frame).queues.reduce(0, { $0 + $1.succeededTotal }) >= goal { break }
            try await self.loop.sleep(for: .milliseconds(10))
        }
        await connection.close()
    }

    @discardableResult
    private func start(_ role: String) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = [
            role, "--folder", self.settings.folder, "--clients", self.settings.clients, "--nodes", self.settings.nodes,
            "--slots", "\(self.settings.slots)",
        ]
        try process.run()
        self.processes.append(process)
        return process.processIdentifier
    }

    private func connect() async throws -> Client {
        try await Client.connect(to: self.settings.clients)
    }

    private static func residentMiB(_ pid: Int32) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS") } ?? ""
        return (Int(line.split(whereSeparator: { !$0.isNumber }).first ?? "") ?? 0) / 1024
    }

    private static func text(_ value: Double) -> String { String(format: "%.3f", value) }
}
