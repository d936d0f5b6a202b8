package import MartletCore

/// Everything that `cluster.json` says, checked: an invalid configuration cannot be made.
///
/// Every part has defaults, so that an empty file works on one machine.
package struct ClusterConfiguration: Hashable, Sendable {
    package let listen: Listen
    package let connect: Connect
    package let http: HTTP
    /// File that holds the cluster token; nil if there is none.
    package let tokenFile: String?
    package let store: Store
    package let limits: Limits
    package let leases: Leases
    package let dispatch: Dispatch
    /// How long jobs that are over stay listed, where their queue does not say otherwise.
    package let retention: Retention
    /// Queues with settings of their own, by name.
    package let queues: [String: Queue]
    /// Job types with settings of their own, by name.
    package let jobTypes: [String: JobType]
    /// What external services allow, by name.
    package let services: [String: ServiceLimits]
    /// Recurring jobs, in the order of their names.
    package let schedules: [ScheduleDefinition]
    package let worker: Worker

    /// Creates a configuration.
    ///
    /// - Parameter hasTokenInEnvironment: whether `MARTLET_TOKEN` stands in for `tokenFile`.
    /// - Throws: the first relation that does not hold.
    package init(
        listen: Listen = .standard, connect: Connect? = nil, http: HTTP = .standard, tokenFile: String? = nil,
        store: Store = .standard, limits: Limits = .standard, leases: Leases = .standard,
        dispatch: Dispatch = .standard,
        retention: Retention = .standard, queues: [String: Queue] = [:],
        jobTypes: [String: JobType] = [:], services: [String: ServiceLimits] = [:],
        schedules: [ScheduleDefinition] = [], worker: Worker = .standard, hasTokenInEnvironment: Bool = false
    ) throws(ConfigurationError) {
        if tokenFile == nil, !hasTokenInEnvironment {
            for (key, address) in [("clients", listen.clients), ("nodes", listen.nodes)] where !address.isLoopback {
                throw ConfigurationError(
                    path: "listen.\(key)", cause: "\(address) is open to other machines, but there is no token",
                    fix: "set \"tokenFile\" (or MARTLET_TOKEN), or listen on 127.0.0.1")
            }
        }
        if let tokenFile, tokenFile.isEmpty {
            throw ConfigurationError(path: "tokenFile", cause: "is empty", fix: "name a file or leave the key out")
        }
        for name in queues.keys.sorted() {
            try Self.checkName(name, of: "queue", path: "queues.\(name)")
            if let duration = queues[name]?.leaseDuration {
                try Leases.checkDuration(
                    duration, silentAfter: leases.silentAfter, path: "queues.\(name).leaseDuration")
            }
        }
        for name in jobTypes.keys.sorted() {
            try Self.checkName(name, of: "job type", path: "jobTypes.\(name)")
        }
        try Self.check(jobTypes, against: services)
        self.listen = listen
        self.connect = connect ?? Connect(clients: listen.clients.dialable, nodes: listen.nodes.dialable)
        self.http = http
        self.tokenFile = tokenFile
        self.store = store
        self.limits = limits
        self.leases = leases
        self.dispatch = dispatch
        self.retention = retention
        self.queues = queues
        self.jobTypes = jobTypes
        self.services = services
        self.schedules = schedules
        self.worker = worker
    }

    private static func checkName(_ name: String, of what: String, path: String) throws(ConfigurationError) {
        guard let problem = NameRule.problem(name) else { return }
        throw ConfigurationError(
            path: path, cause: "the \(what) name \(problem)", fix: "use up to 128 letters, digits and . _ - : /")
    }
}

extension ClusterConfiguration {
    /// Where the coordinator listens.
    package struct Listen: Hashable, Sendable {
        package let clients: EndpointAddress
        package let nodes: EndpointAddress

        package static let standard = Listen(uncheckedClients: "tcp://127.0.0.1:7400", nodes: "tcp://127.0.0.1:7401")

        package init(
            clients: EndpointAddress = Self.standard.clients, nodes: EndpointAddress = Self.standard.nodes
        ) throws(ConfigurationError) {
            var isFreePort = false
            if case .tcp(_, port: 0) = clients.place { isFreePort = true }
            if clients == nodes, !isFreePort {
                throw ConfigurationError(
                    path: "listen.nodes", cause: "\(nodes) is where clients are served too",
                    fix: "give nodes a port of their own")
            }
            self.clients = clients
            self.nodes = nodes
        }

        private init(uncheckedClients clients: String, nodes: String) {
            self.clients = EndpointAddress(clients)!
            self.nodes = EndpointAddress(nodes)!
        }
    }

    /// Where clients and nodes find the coordinator; where it listens, unless said otherwise.
    package struct Connect: Hashable, Sendable {
        package let clients: EndpointAddress
        package let nodes: EndpointAddress

        package init(clients: EndpointAddress, nodes: EndpointAddress) {
            self.clients = clients
            self.nodes = nodes
        }
    }

    /// Where jobs are kept.
    package enum Store: Hashable, Sendable {
        /// An SQLite database in this file.
        case sqlite(path: String)
        /// Nowhere: they are gone with the process.
        case memory

        package static let kinds = ["sqlite", "memory"]
        package static let standard = Store.sqlite(path: Self.defaultPath)
        package static let defaultPath = "martlet.db"
    }

    /// How jobs are shared out among workers.
    package struct Dispatch: Hashable, Sendable {
        /// Whether workers give unstarted jobs back for others that are idle.
        package let stealing: Bool

        package static let standard = Dispatch()

        package init(stealing: Bool = true) {
            self.stealing = stealing
        }
    }

    /// Settings of one queue.
    package struct Queue: Hashable, Sendable {
        /// How long a job stays leased to a node that went silent; nil takes ``Leases/duration``. A node that serves
        /// several queues takes the longest.
        package let leaseDuration: Duration?
        /// How long jobs that are over stay listed.
        package let retention: Retention
        /// Jobs of the queue, and of the queue with the same key, that may be with workers at once; nil is no limit.
        package let concurrency: Int?
        package let keyConcurrency: Int?
        /// Shares of groups; those not named here have 1.
        package let groups: [String: Int]

        package init(
            leaseDuration: Duration? = nil, retention: Retention = .standard, concurrency: Int? = nil,
            keyConcurrency: Int? = nil, groups: [String: Int] = [:]
        ) throws(ConfigurationError) {
            try Check.concurrency(concurrency, path: "concurrency")
            try Check.concurrency(keyConcurrency, path: "keyConcurrency")
            for name in groups.keys.sorted() {
                try Check.count(groups[name]!, in: 1...DispatchLimits.Queue.weightMax, path: "groups.\(name)")
                if name.utf8.count > JobOptions.keyBytesMax {
                    throw ConfigurationError(
                        path: "groups.\(name)", cause: "the group name is longer than \(JobOptions.keyBytesMax) bytes",
                        fix: "no job can have that group; shorten it")
                }
            }
            self.leaseDuration = leaseDuration
            self.retention = retention
            self.concurrency = concurrency
            self.keyConcurrency = keyConcurrency
            self.groups = groups
        }
    }

    /// What jobs of one type get, unless their submitter says otherwise.
    package struct JobType: Hashable, Sendable {
        package let timeout: Duration
        package let retry: RetryPolicy
        /// Jobs of the type that may be with workers at once; nil is no limit.
        package let concurrency: Int?
        /// What a job takes of services, in the order of their names.
        package let services: [ServiceUse]

        package init(
            timeout: Duration = JobOptions.defaultTimeout, retry: RetryPolicy = .standard, concurrency: Int? = nil,
            services: [ServiceUse] = []
        ) throws(ConfigurationError) {
            try Check.duration(timeout, in: .milliseconds(1) ... .seconds(30 * 86400), path: "timeout")
            try Check.concurrency(concurrency, path: "concurrency")
            self.concurrency = concurrency
            self.services = services
            self.timeout = timeout
            self.retry = retry
        }
    }

    /// Defaults for workers that `martlet worker` starts.
    package struct Worker: Hashable, Sendable {
        /// Handlers that may run at once.
        package let slots: Int
        /// Jobs fetched ahead. Zero turns it off.
        package let prefetchMax: Int
        /// How long running handlers may outlive a shutdown request.
        package let drainTimeout: Duration

        package static let standard = Worker()

        private init() {
            self.slots = 16
            self.prefetchMax = 1024
            self.drainTimeout = .seconds(30)
        }

        package init(
            slots: Int = Self.standard.slots, prefetchMax: Int = Self.standard.prefetchMax,
            drainTimeout: Duration = Self.standard.drainTimeout
        ) throws(ConfigurationError) {
            try Check.count(slots, in: 1...4096, path: "slots")
            try Check.count(prefetchMax, in: 0...65_536, path: "prefetchMax")
            try Check.duration(drainTimeout, in: .zero ... .seconds(86400), path: "drainTimeout")
            self.slots = slots
            self.prefetchMax = prefetchMax
            self.drainTimeout = drainTimeout
        }
    }
}
