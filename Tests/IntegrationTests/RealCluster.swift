import Foundation
import Martlet
import Synchronization

/// A cluster of real processes: the built `martlet` and `test-node`, real sockets, a real store.
final class RealCluster: Sendable {
    /// How soon the jobs of a lost node run elsewhere.
    enum Leases: Sendable {
        /// Three seconds: for tests that wait for the end of leases.
        case short
        /// A minute, longer than any test: what waits for the end of a lease fails.
        case long

        var json: [String: String] {
            switch self {
            case .short: ["heartbeatInterval": "200ms", "silentAfter": "1s", "duration": "3s"]
            case .long: ["heartbeatInterval": "200ms", "silentAfter": "20s", "duration": "60s"]
            }
        }
    }

    /// Where the programs are that belong to the running tests.
    static let binaries: String = {
        let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (program as NSString).deletingLastPathComponent
    }()

    let folder: String
    let clientsAddress: String
    let nodesAddress: String
    /// `http://127.0.0.1:7402`.
    let httpAddress: String
    let runsPath: String
    /// Given to every process, like `MARTLET_TOKEN`.
    let token: String?
    /// What the coordinator is started by; empty if by nothing.
    private let coordinatorPrefix: [String]
    private let processes = Mutex<[ChildProcess]>([])
    private let cliCalls = Mutex(0)

    /// - Parameters:
    ///   - host: where the coordinator listens.
    ///   - storePath: `store/martlet.db` in the cluster's folder unless given.
    init(
        leases: Leases = .short, host: String = "127.0.0.1", token: String? = nil, storePath: String? = nil,
        coordinatorPrefix: [String] = []
    ) throws {
        self.folder = NSTemporaryDirectory() + "martlet-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: self.folder + "/store", withIntermediateDirectories: true)
        self.runsPath = self.folder + "/runs"
        self.token = token
        self.coordinatorPrefix = coordinatorPrefix
        let ports = try Ports.free(3)
        self.clientsAddress = "tcp://\(host):\(ports[0])"
        self.nodesAddress = "tcp://\(host):\(ports[1])"
        self.httpAddress = "http://127.0.0.1:\(ports[2])"
        let retry: [String: Any] = ["initialBackoff": "100ms", "maxBackoff": "1s"]
        let types = ["work", "gated", "stubborn", "fill"].map { ($0, ["retry": retry]) }
        try self.writeConfiguration(
            "cluster.json",
            [
                "listen": ["clients": self.clientsAddress, "nodes": self.nodesAddress],
                "http": ["listen": self.httpAddress],
                "store": ["path": storePath ?? self.folder + "/store/martlet.db"], "leases": leases.json,
                "jobTypes": Dictionary(uniqueKeysWithValues: types),
            ])
    }

    /// Runs a test in a cluster, shows the logs if it fails, and leaves no process or file behind.
    static func run(
        leases: Leases = .short, host: String = "127.0.0.1", token: String? = nil, storePath: String? = nil,
        coordinatorPrefix: [String] = [], _ body: (RealCluster) async throws -> Void
    ) async throws {
        let cluster = try RealCluster(
            leases: leases, host: host, token: token, storePath: storePath, coordinatorPrefix: coordinatorPrefix)
        defer { cluster.end() }
        do {
            try await body(cluster)
        } catch {
            print(cluster.logs())
            throw error
        }
    }

    func writeConfiguration(_ name: String, _ value: [String: Any]) throws {
        let data = try JSONSerialization.data(withJSONObject: value, options: [.sortedKeys])
        try data.write(to: URL(fileURLWithPath: "\(self.folder)/\(name)"))
    }

    /// Adds services to the configuration, and what job types take of them.
    func configure(services: [String: Any], of types: [String: [String: Int]]) throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: self.folder + "/cluster.json"))
        var value = try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
        var known = value["jobTypes"] as? [String: Any] ?? [:]
        for (name, uses) in types { known[name] = ["services": uses] }
        value["jobTypes"] = known
        value["services"] = services
        try self.writeConfiguration("cluster.json", value)
    }

    private func end() {
        for process in self.processes.withLock({ $0 }) { process.kill() }
        try? FileManager.default.removeItem(atPath: self.folder)
    }

    /// The last lines of every log.
    private func logs() -> String {
        let names = Set(self.processes.withLock { $0.map(\.logPath) }).sorted()
        let logs = names.map { path in
            let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
            return "== \(path)\n" + text.split(separator: "\n").suffix(40).joined(separator: "\n")
        }
        return logs.joined(separator: "\n")
    }

    // MARK: Processes

    private func start(_ name: String, _ command: [String], environment: [String: String]) throws -> ChildProcess {
        var environment = environment
        environment["XDG_RUNTIME_DIR"] = self.folder
        environment["MARTLET_TOKEN"] = environment["MARTLET_TOKEN"] ?? self.token ?? ""
        let process = try ChildProcess(
            name, command, environment: environment, logPath: "\(self.folder)/\(name).log")
        self.processes.withLock { $0.append(process) }
        return process
    }

    /// Starts a coordinator and waits until it serves.
    func startCoordinator() async throws -> ChildProcess {
        let process = try self.launchCoordinator()
        try await eventually("the coordinator answers") {
            guard process.isRunning else { throw Failure("the coordinator ended: \(process.log)") }
            return try await self.martlet(["queues", "--wait", "500ms"]).status == 0
        }
        return process
    }

    /// Starts a coordinator and waits for nothing.
    func launchCoordinator(
        _ name: String = "coordinator", configuration: String = "cluster.json"
    ) throws -> ChildProcess {
        try self.start(
            name,
            self.coordinatorPrefix + [
                Self.binaries + "/martlet", "coordinator", "--config", "\(self.folder)/\(configuration)",
            ], environment: [:])
    }

    /// Starts the command line and waits for nothing.
    func launch(_ name: String, _ arguments: [String]) throws -> ChildProcess {
        try self.start(
            name, [Self.binaries + "/martlet", "--config", "\(self.folder)/cluster.json"] + arguments,
            environment: [:])
    }

    /// Starts a node.
    ///
    /// - Parameters:
    ///   - machine: nodes with equal ones see each other's lock on a name.
    ///   - prefix: what starts it, if not this process.
    ///   - isOpen: whether gated handlers may end from the beginning.
    func startNode(
        _ name: String, slots: Int = 4, types: [String] = ["work", "gated", "stubborn"], machine: String? = nil,
        prefix: [String] = [], isOpen: Bool = false, token: String? = nil, servicePort: Int? = nil
    ) throws -> ChildProcess {
        let folder = self.nodeFolder(machine ?? name)
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        if isOpen { try self.openGate(of: machine ?? name) }
        var environment = [
            "NODE_NAME": name, "NODE_ADDRESS": self.nodesAddress, "NODE_SLOTS": "\(slots)", "NODE_FOLDER": folder,
            "NODE_RUNS": self.runsPath, "NODE_TYPES": types.joined(separator: ","),
        ]
        environment["NODE_TOKEN"] = token ?? self.token
        environment["NODE_SERVICE"] = servicePort.map { "\($0)" }
        return try self.start(
            "node-\(name)-on-\(machine ?? name)", prefix + [Self.binaries + "/test-node"], environment: environment)
    }

    private func nodeFolder(_ machine: String) -> String { "\(self.folder)/machine-\(machine)" }

    /// Lets the gated handlers of a node end.
    func openGate(of machine: String) throws {
        try Data().write(to: URL(fileURLWithPath: self.nodeFolder(machine) + "/open"))
    }

    /// Runs the command line to its end.
    func martlet(
        _ arguments: [String], environment: [String: String] = [:], within limit: Duration = .seconds(15)
    ) async throws -> (status: Int32, output: String, errors: String) {
        let number = self.cliCalls.withLock { calls in
            calls += 1
            return calls
        }
        let path = "\(self.folder)/cli-\(number)"
        let variables = ["XDG_RUNTIME_DIR": self.folder, "MARTLET_TOKEN": self.token ?? ""]
        let process = try ChildProcess(
            "martlet \(arguments.joined(separator: " "))",
            [Self.binaries + "/martlet", "--config", "\(self.folder)/cluster.json"] + arguments,
            environment: variables.merging(environment) { $1 }, logPath: path + ".err", outputPath: path + ".out")
        let status = try await process.exit(within: limit)
        let output = (try? String(contentsOfFile: path + ".out", encoding: .utf8)) ?? ""
        return (status, output, process.log)
    }

    // MARK: Looking

    var runs: RunLog { RunLog(path: self.runsPath) }

    /// A client of the test's own process.
    func connect(timeout: Duration = .seconds(20)) async throws -> Client {
        try await Client.connect(
            to: self.clientsAddress, token: self.token,
            configuration: ClientConfiguration(timeout: timeout, attemptTimeout: .seconds(2)))
    }

    /// The status of each node that the coordinator knows, by name.
    func nodes() async throws -> [String: String] {
        let values = try await self.json("nodes")
        let pairs = values.map { ($0["name"] as? String ?? "", $0["status"] as? String ?? "") }
        return Dictionary(pairs) { $1 }
    }

    /// How many jobs a node holds, begun or not.
    func leased(by node: String) async throws -> Int {
        let value = try await self.json("nodes").first { $0["name"] as? String == node }
        return (value?["leased"] as? NSNumber)?.intValue ?? 0
    }

    func waitForNodes(_ names: String...) async throws {
        try await eventually("\(names.joined(separator: " and ")) registered") {
            let nodes = try await self.nodes()
            return names.allSatisfy { nodes[$0] == "live" }
        }
    }

    /// What all queues hold together.
    func totals() async throws -> QueueTotals {
        try await self.json("queues").reduce(into: QueueTotals()) { $0.add($1) }
    }

    private func json(_ command: String) async throws -> [[String: Any]] {
        let result = try await self.martlet([command, "--json"])
        guard result.status == 0 else { throw Failure("martlet \(command): \(result.errors)") }
        return try result.output.split(separator: "\n").map { line in
            try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
        }
    }
}

/// Sums of `martlet queues`.
struct QueueTotals: Equatable {
    var ready = 0
    var running = 0
    var scheduled = 0
    var dead = 0
    var submitted = 0
    var succeeded = 0
    var retried = 0

    /// Jobs that have not ended.
    var open: Int { self.ready + self.running + self.scheduled }

    mutating func add(_ queue: [String: Any]) {
        func count(_ key: String) -> Int { (queue[key] as? NSNumber)?.intValue ?? .min / 16 }
        self.ready += count("ready")
        self.running += count("running")
        self.scheduled += count("scheduled")
        self.dead += count("dead")
        self.submitted += count("submittedTotal")
        self.succeeded += count("succeededTotal")
        self.retried += count("retriedTotal")
    }
}
