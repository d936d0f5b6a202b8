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
        self.settings.echo = "ipc://\(folder)/echo"
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
        try await self.block(client)
        try await self.submitAll(client, type: "throughput", count: self.settings.jobs / 10)
        try await self.waitForBatches(of: self.settings.jobs / 10)
        let clock = ContinuousClock()
        let start = clock.now
        try await self.submitAll(client, type: "throughput", count: self.settings.jobs)
        let submitted = (clock.now - start) / .seconds(1)
        try await self.waitForBatches(of: self.settings.jobs / 10 + self.settings.jobs)
        let done = (clock.now - start) / .seconds(1)
        let rate = Int(Double(self.settings.jobs) / done)
        print(
            "end to end: \(rate) jobs/s (\(self.settings.jobs) jobs of \(self.settings.payload) bytes, submits of "
                + "\(self.settings.batch), \(self.settings.slots) slots; all submitted after \(Self.text(submitted)) s, "
                + "all done after \(Self.text(done)) s)")
        await client.close()
    }

    /// From the submit call to the start of the handler, on an idle cluster, beside what it cannot do without: one
    /// sync of the disk and one round trip of nng, measured in turn with it.
    func latency() async throws {
        try self.start("coordinator")
        try self.start("node")
        try self.start("echo")
        let client = try await self.connect()
        try await self.waitForNode()
        try await self.block(client)
        let disk = try DiskProbe(folder: self.settings.folder)
        let wire = try WireProbe(address: self.settings.echo)
        let warmUp = 50
        for round in 0..<warmUp + self.settings.samples {
            if round == warmUp { try await self.wait(until: UInt64(warmUp)) }
            let sent = withUnsafeBytes(of: self.loop.now.nanoseconds) { Array($0) }
            let padding = [UInt8](repeating: 0, count: max(0, self.settings.payload - 8))
            try await client.submit(raw: RawJob(type: "latency", payload: Payload(copying: sent + padding)))
            try await self.loop.sleep(for: .milliseconds(4))
            disk.sample()
            try await self.loop.sleep(for: .milliseconds(4))
            try wire.sample()
            try await self.loop.sleep(for: .milliseconds(4))
        }
        try await self.wait(until: UInt64(warmUp + self.settings.samples))
        let text = try String(contentsOfFile: self.settings.folder + "/latencies", encoding: .utf8)
        let whole = Samples(text.split(separator: "\n").compactMap { UInt64($0) }.dropFirst(warmUp))
        let sync = Samples(disk.samples.dropFirst(warmUp))
        let trip = Samples(wire.samples.dropFirst(warmUp))
        print("idle latency, submit call to handler start: \(whole)")
        print("  one sync of 8 KiB on this disk: \(sync)")
        print("  one bare nng round trip between two processes: \(trip)")
        let rest = whole.median - sync.median - trip.median
        print("  everything else, by the medians: \(Self.text(rest)) ms")
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

    /// Returns once the store has written back what these jobs left in its log.
    private func block(_ client: Client) async throws {
        guard self.settings.blocked > 0 else { return }
        var options = JobOptions()
        options.services = ["slow"]
        try await self.submitAll(client, type: "blocked", count: self.settings.blocked, options: options)
        try await self.loop.sleep(for: .seconds(3))
    }

    private func submitAll(
        _ client: Client, type: String, count: Int, options: JobOptions = .standard
    ) async throws {
        let payload = Payload(copying: [UInt8](repeating: 0x2a, count: self.settings.payload))
        let job = RawJob(type: type, payload: payload, options: options)
        let batch = [RawJob](repeating: job, count: self.settings.batch)
        let rounds = count / self.settings.batch / self.settings.producers
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<self.settings.producers {
                group.addTask { for _ in 0..<rounds { try await client.submit(raw: batch) } }
            }
            try await group.waitForAll()
        }
    }

    /// Waits until as many of these jobs are done as whole submits hold.
    private func waitForBatches(of jobs: Int) async throws {
        try await self.wait(until: UInt64(jobs - jobs % (self.settings.batch * self.settings.producers)))
    }

    /// A node takes a moment to find its coordinator.
    private func waitForNode() async throws {
        let connection = try NNGTransport(loop: self.loop).connect(to: self.settings.clients)
        while true {
            let frame = try await connection.request(ListNodes().encoded(), timeout: .seconds(10))
            if try !NodeList.decode(frame).nodes.isEmpty { break }
            try await self.loop.sleep(for: .milliseconds(10))
        }
        await connection.close()
    }

    private func wait(until goal: UInt64) async throws {
        let connection = try NNGTransport(loop: self.loop).connect(to: self.settings.clients)
        while true {
            let frame = try await connection.request(ListQueues().encoded(), timeout: .seconds(10))
            let lanes = try QueueList.decode(frame).queues.filter { $0.type != "blocked" }
            if lanes.reduce(0, { $0 + $1.succeededTotal }) >= goal { break }
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
            "--echo", self.settings.echo, "--slots", "\(self.settings.slots)",
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
