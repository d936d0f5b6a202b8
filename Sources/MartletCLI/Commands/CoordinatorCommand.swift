import Martlet
import MartletConfiguration
import MartletCoordinator
import MartletCore
import MartletHTTP
import MartletObservability
import MartletRuntime
import MartletStore
import MartletStoreSQLite
import MartletTransport

/// `martlet coordinator`: keeps the jobs and decides what runs where.
enum CoordinatorCommand {
    static let spec = CommandSpec(
        name: "coordinator", summary: "run the coordinator: it keeps jobs safe and hands them out",
        discussion: [
            "Listens where cluster.json says (tcp://127.0.0.1:7400 for clients, 7401 for workers) and keeps jobs in "
                + "martlet.db. Ends in good order on SIGTERM or Ctrl-C; after a crash, start it again: no job that was "
                + "accepted is lost.",
            "On SIGHUP it reads cluster.json again, takes over what has changed of services, and names what else has "
                + "changed and needs a restart.",
        ],
        options: [
            .option("log-level", "LEVEL", "The least that is logged", choices: LogLine.Level.allCases.map(\.rawValue))
        ],
        examples: [
            .init(command: "martlet coordinator --config /etc/martlet/cluster.json", meaning: "As a service.")
        ],
        action: Self.run)

    @Sendable private static func run(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let loaded = try context.loadConfiguration()
        let token = try loaded.token()
        let signals = ShutdownSignal()
        let loop = ThreadLoop(name: "coordinator")
        defer { loop.shutdown() }
        let log = Self.log(arguments, context, loop)
        log(.info, "configuration read", [.path: loaded.file ?? "none: defaults"])
        // Before the store is opened: whoever watches sees it start.
        let httpLoop = ThreadLoop(name: "http")
        defer { httpLoop.shutdown() }
        let http = try Self.http(loaded, httpLoop, log)
        let stores = StoreLoops()
        defer { stores.shutdown() }
        let coordinator = Coordinator(
            settings: CoordinatorSettings(loaded.configuration, token: token),
            transport: NNGTransport(loop: loop, log: log),
            store: stores.open(loaded), loop: loop, log: log)
        let reload = ConfigurationReload(loaded, context: context, log: log)
        do {
            let signal = try await signals.cancelling {
                try await loop.run {
                    try await Self.run(coordinator, http, reload, log)
                }
            }
            log(.info, "coordinator stopped", signal.map { [.cause: "signal \($0)"] } ?? [:])
        } catch let error as StoreError {
            let failure = CommandError(error, loaded.configuration.store)
            guard error.code == .outcomeUnknown || error.code == .fenced else { throw failure }
            // What is in memory may contradict the disk: nobody may be answered from it any more.
            context.console.report(failure)
            SystemEnvironment.exitAtOnce(.failure)
        } catch let error as TransportError {
            throw CommandError(error, listen: loaded.configuration.listen)
        }
    }

    /// Runs it until it is cancelled, and reads cluster.json again on SIGHUP.
    private static func run(
        _ coordinator: Coordinator, _ http: HTTPServer?, _ reload: ConfigurationReload, _ log: Log
    ) async throws {
        let signals = ReloadSignal()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await coordinator.run { parts in
                    log(.info, "clients are served", [.address: parts.clientAddress])
                    log(.info, "nodes are served", [.address: parts.nodeAddress])
                    http?.begin(parts)
                    await reload.begin(parts.services)
                }
            }
            if let http {
                log(.info, "HTTP is served", [.address: http.address])
                group.addTask(executorPreference: http.loop) { await http.run() }
            }
            group.addTask { for await _ in signals.wishes { await reload.reload() } }
            try await group.next()
            group.cancelAll()
            // What the coordinator ends with.
            for try await _ in group {}
        }
    }

    /// Listens for HTTP, unless it is off. At the address that nobody chose, somebody else may listen: better no HTTP than
    /// no coordinator.
    private static func http(
        _ loaded: LoadedConfiguration, _ loop: EventLoop, _ log: Log
    ) throws(CommandError) -> HTTPServer? {
        let configuration = loaded.configuration.http
        guard case .at(let address) = configuration.listen else { return nil }
        let settings = try HTTPSettings(configuration, at: address, loaded)
        do throws(TransportError) {
            return try HTTPServer(settings, loop: loop, log: log)
        } catch {
            guard error.code == .addressInUse, address == ClusterConfiguration.HTTP.standardListen else {
                throw CommandError(http: error)
            }
            log(
                .warning, "HTTP is not served: the default address is taken; set http.listen in cluster.json",
                [.cause: error.message])
            return nil
        }
    }

    /// Lines on standard error; JSON with `--json`.
    private static func log(_ arguments: ParsedArguments, _ context: CommandContext, _ loop: EventLoop) -> Log {
        let level = arguments.string("log-level").flatMap(LogLine.Level.init(rawValue:)) ?? .info
        let console = context.console
        let isJSON = context.isJSON
        return Log(level: Log.Level(level)) { level, text, fields in
            let fields = fields.map { (key: $0.key.rawValue, value: "\($0.value)") }
            let level = LogLine.Level(level)
            let time = loop.wallTime
            console.note(
                isJSON
                    ? LogLine.json(level, "\(text)", fields, at: time)
                    : LogLine.text(level, "\(text)", fields, at: time, style: console.errors))
        }
    }
}

/// The threads of a store, if it needs any.
private final class StoreLoops {
    private var loops: [ThreadLoop] = []

    func open(_ loaded: LoadedConfiguration) -> any JobStore {
        switch loaded.configuration.store {
        case .memory: return InMemoryStore()
        case .sqlite(let path):
            let writer = ThreadLoop(name: "store")
            let reader = ThreadLoop(name: "store-reader")
            self.loops = [writer, reader]
            let configuration = loaded.configuration
            return SQLiteStore(
                path: ConfigurationLoader.resolve(path, besides: loaded.file), loop: writer, readerLoop: reader,
                settings: SQLiteSettings(upgradedRetention: {
                    (configuration.queues[$0]?.retention ?? configuration.retention).succeeded
                }))
        }
    }

    func shutdown() {
        for loop in self.loops { loop.shutdown() }
    }
}

extension CoordinatorSettings {
    /// What `cluster.json` says, in the coordinator's terms.
    init(_ configuration: ClusterConfiguration, token: [UInt8]?) {
        let limits = configuration.limits
        self.init(
            clientAddress: configuration.listen.clients.description,
            nodeAddress: configuration.listen.nodes.description, token: token, payloadMax: limits.payloadMax,
            submitJobsMax: limits.submitJobsMax, pendingBytesMax: limits.pendingSubmitBytesMax,
            payloadCacheMax: limits.payloadCache, nodesMax: limits.nodesMax, lanesMax: limits.lanesMax,
            times: SessionTimes(
                heartbeatInterval: configuration.leases.heartbeatInterval,
                silentAfter: configuration.leases.silentAfter, leaseDuration: configuration.leases.duration),
            retention: configuration.retention,
            queues: configuration.queues.mapValues {
                QueueSettings(
                    leaseDuration: $0.leaseDuration, retention: $0.retention,
                    limits: DispatchLimits.Queue(
                        concurrency: $0.concurrency, keyConcurrency: $0.keyConcurrency, weights: $0.groups))
            },
            typeDefaults: configuration.jobTypes.mapValues {
                TypeDefaults(
                    timeout: $0.timeout, retry: $0.retry, concurrency: $0.concurrency, services: $0.services)
            }, services: configuration.services, schedules: configuration.schedules,
            isStealing: configuration.dispatch.stealing)
    }
}

extension Log.Level {
    fileprivate init(_ level: LogLine.Level) {
        switch level {
        case .debug: self = .debug
        case .info: self = .info
        case .notice: self = .notice
        case .warning: self = .warning
        case .error: self = .error
        }
    }
}

extension LogLine.Level {
    fileprivate init(_ level: Log.Level) {
        switch level {
        case .debug: self = .debug
        case .info: self = .info
        case .notice: self = .notice
        case .warning: self = .warning
        case .error: self = .error
        }
    }
}

extension HTTPSettings {
    /// What `cluster.json` says, in the server's terms, with the tokens that it names.
    fileprivate init(
        _ configuration: ClusterConfiguration.HTTP, at address: EndpointAddress, _ loaded: LoadedConfiguration
    ) throws(CommandError) {
        guard case .tcp(let host, let port) = address.place else {
            throw CommandError(.badConfiguration, "http.listen is no TCP address", fix: "write it as http://HOST:PORT")
        }
        var tokens: [(token: [UInt8], role: AccessRole)] = []
        let files = configuration.tokens
        let roles: [(file: String?, role: AccessRole)] = [
            (files.read, .read), (files.submit, .submit), (files.admin, .admin),
        ]
        for case (let file?, let role) in roles {
            do throws(ConfigurationError) {
                let known = try ConfigurationLoader.tokens(
                    in: file, key: "http.tokens.\(role)", configurationFile: loaded.file)
                tokens += known.map { ($0, role) }
            } catch {
                throw CommandError(error)
            }
        }
        self.init(
            host: host, port: port, isLoopback: address.isLoopback,
            hosts: Set(configuration.hosts.map { $0.lowercased() }), origins: Set(configuration.origins),
            tokens: AccessTokens(tokens), connectionsMax: configuration.connectionsMax, bodyMax: configuration.bodyMax)
    }
}

extension CommandError {
    /// What the HTTP listener's error means.
    fileprivate init(http error: TransportError) {
        let fix =
            switch error.code {
            case .addressInUse: "stop what listens there, or change \"http.listen\" in cluster.json, or set it to off"
            case .permissionDenied: "use a port above 1023, or change \"http.listen\" in cluster.json"
            default: "check \"http.listen\" in cluster.json"
            }
        self.init(.failure, error.message, fix: fix)
    }

    /// What a store's error means to the person who starts a coordinator.
    fileprivate init(_ error: StoreError, _ store: ClusterConfiguration.Store) {
        var name = "the store"
        if case .sqlite(let path) = store { name = path }
        switch error.code {
        case .locked:
            self.init(
                .failure, "\(name) is in use: \(error.message)", fix: "stop the other coordinator, or set store.path")
        case .newerVersion:
            self.init(
                .failure, "\(name): \(error.message)", fix: "run the version of Martlet that wrote it, or a later one")
        case .corrupt:
            self.init(.failure, "\(name) is damaged: \(error.message)", fix: "restore it from a backup")
        case .diskFull:
            self.init(.tryLater, "the disk of \(name) is full: \(error.message)", fix: "free space and start again")
        case .outcomeUnknown:
            self.init(
                .failure, "\(name): a commit failed and nobody knows how it ended: \(error.message)",
                fix: "check the disk and start again; nothing that was confirmed is lost")
        case .fenced:
            self.init(.failure, "another coordinator took over \(name)", fix: "run one coordinator for each store")
        case .rolledBack, .failed:
            self.init(.failure, "cannot use \(name): \(error.message)", fix: "check store.path and its folder's rights")
        }
    }

    /// What a listener's error means.
    fileprivate init(_ error: TransportError, listen: ClusterConfiguration.Listen) {
        let fix =
            switch error.code {
            case .addressInUse:
                "stop what listens there (is a coordinator running?), or change \"listen\" in cluster.json"
            case .permissionDenied: "use a port above 1023, or change \"listen\" in cluster.json"
            default: "check \"listen\" in cluster.json (clients \(listen.clients), nodes \(listen.nodes))"
            }
        self.init(.failure, "cannot listen: \(error.message)", fix: fix)
    }
}
