import Foundation
import Martlet
import MartletCore
import MartletRuntime
import MartletTransport
import MartletWire

/// Starts the other processes, submits a workload and waits for its end.
final class Measurement {
    private var settings: Settings
    private var processes: [Process] = []
    private let loop = ThreadLoop(name: "client")
    private let clock = ContinuousClock()

    init(_ settings: Settings) throws {
        self.settings = settings
        let folder = FileManager.default.temporaryDirectory.appending(path: "martlet-steal-\(getpid())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        self.settings.folder = folder
    }

    deinit {
        for process in self.processes.reversed() {
            process.terminate()
            process.waitUntilExit()
        }
        try? FileManager.default.removeItem(atPath: self.settings.folder)
    }

    func run() async throws {
        let workload = Workload(self.settings.workload, seconds: self.settings.seconds)
        let nodes = NodeSpec.list(self.settings.nodes)
        let late = NodeSpec.list(self.settings.late)
        try self.start("coordinator")
        try self.start("nodes", "--nodes", self.settings.nodes)
        let client = try await Client.connect(to: self.settings.clients)
        let connection = try NNGTransport(loop: self.loop).connect(to: self.settings.clients)
        while try await Self.list(connection).count < nodes.count { try await self.loop.sleep(for: .milliseconds(10)) }
        // What is first takes longer: files are made, memory is.
        try await Self.submit([Duration](repeating: .milliseconds(1), count: 2000), client)
        try await self.wait(for: 2000, connection)

        let start = self.clock.now
        async let submitted: Void = Self.submit(workload.durations, client)
        if !late.isEmpty {
            try await self.loop.sleep(for: .seconds(1) * self.settings.after)
            try self.start("nodes", "--nodes", self.settings.late, "--first", "\(nodes.count)")
        }
        try await submitted
        try await self.wait(for: UInt64(2000 + workload.durations.count), connection)
        let makespan = (self.clock.now - start) / .seconds(1)
        let rates =
            nodes.map { (rate: Double($0.slots) * $0.speed, from: 0.0) }
            + late.map { (rate: Double($0.slots) * $0.speed, from: self.settings.after) }
        let ideal = Workload.ideal(work: workload.work, rates: rates)
        try self.show(workload, makespan: makespan, ideal: ideal, nodes: try await Self.list(connection))
        await client.close()
        await connection.close()
    }

    private func show(_ workload: Workload, makespan: Double, ideal: Double, nodes: [NodeView]) throws {
        let result: [String: Any] = [
            "workload": self.settings.workload, "stealing": self.settings.isStealing, "jobs": workload.durations.count,
            "work": workload.work, "longest": workload.longest, "makespan": makespan, "ideal": ideal,
            "nodes": nodes.map { node in
                [
                    "name": node.name, "slots": node.slots, "succeeded": node.succeededTotal, "asks": node.steals.asks,
                    "asked": node.steals.asked, "gaveBack": node.steals.gaveBack, "tookOver": node.steals.tookOver,
                ] as [String: Any]
            },
        ]
        let data = try JSONSerialization.data(withJSONObject: result, options: [.sortedKeys])
        print(String(decoding: data, as: UTF8.self))
    }

    // MARK: Steps

    private static func submit(_ durations: [Duration], _ client: Client) async throws {
        var place = 0
        while place < durations.count {
            let batch = durations[place..<min(place + 1000, durations.count)].map { duration in
                let nanoseconds = Int64(duration / .nanoseconds(1))
                return RawJob(type: "sleep", payload: withUnsafeBytes(of: nanoseconds) { Payload(copying: $0) })
            }
            try await client.submit(raw: batch)
            place += batch.count
        }
    }

    private func wait(for goal: UInt64, _ connection: any RequestConnection) async throws {
        while true {
            let frame = try await connection.request(ListQueues().encoded(), timeout: .seconds(10))
            if try QueueList.decode(frame).queues.reduce(0, { $0 + $1.succeededTotal }) >= goal { return }
            try await self.loop.sleep(for: .milliseconds(10))
        }
    }

    private static func list(_ connection: any RequestConnection) async throws -> [NodeView] {
        try NodeList.decode(try await connection.request(ListNodes().encoded(), timeout: .seconds(10))).nodes
    }

    private func start(_ role: String, _ more: String...) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments =
            [
                role, "--folder", self.settings.folder, "--stealing", self.settings.isStealing ? "on" : "off",
                "--ahead",
                "\(self.settings.ahead)",
            ] + more
        try process.run()
        self.processes.append(process)
    }
}
