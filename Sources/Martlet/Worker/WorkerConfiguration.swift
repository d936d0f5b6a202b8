import MartletCore
import MartletWire

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// How a ``Worker`` behaves.
public struct WorkerConfiguration: Sendable {
    /// Names the worker in the cluster: different for each process that runs at the same time.
    ///
    /// A worker that starts again under its old name on the same machine takes over at once; under another name, the
    /// jobs of the process before wait until its leases have ended.
    public let name: String
    /// The coordinator's `listen.nodes`.
    public let address: String
    /// Handlers that may run at once.
    public let slots: Int
    /// Queues that it serves. Empty: all.
    public let queues: [String]
    /// The most jobs to fetch ahead of free slots. How many are fetched follows from how long jobs take here: none if
    /// they take long. Zero turns it off.
    public let prefetchMax: Int
    /// How long running handlers may take to finish at shutdown. After it they are cancelled and their jobs given back.
    public let drainTimeout: Duration
    /// How long a handler that was cancelled at shutdown may take to end before it is left behind.
    public let cancelGrace: Duration
    /// What becomes of the slot of a handler that ignores its cancellation.
    public let stuckHandlers: StuckHandlers
    /// The cluster token; needed where the coordinator does not listen on loopback.
    public let token: String?
    /// Where the lock on the name lies; `$XDG_RUNTIME_DIR/martlet` or `/tmp/martlet-UID` unless given.
    public let stateDirectory: String?
    public let logHandler: LogHandler

    /// - Precondition: `name` and `queues` obey the rules of ``Job/type``, there are at most 1,000 queues, `slots` is 1
    ///   to 65,536, `prefetchMax` is 0 to 65,536, and the durations are not negative.
    public init(
        name: String? = nil, address: String = "tcp://127.0.0.1:7401", queues: [String] = [], slots: Int = 16,
        prefetchMax: Int = 1024, drainTimeout: Duration = .seconds(30), cancelGrace: Duration = .seconds(5),
        stuckHandlers: StuckHandlers = .keepSlot,
        token: String? = nil, stateDirectory: String? = nil,
        logHandler: @escaping LogHandler = LogRecord.toStandardError()
    ) {
        let name = name ?? Self.defaultName()
        if let problem = Self.problem(
            name: name, slots: slots, queues: queues, prefetchMax: prefetchMax, drainTimeout: drainTimeout,
            cancelGrace: cancelGrace)
        {
            preconditionFailure(problem)
        }
        self.name = name
        self.address = address
        self.slots = slots
        self.queues = queues
        self.prefetchMax = prefetchMax
        self.drainTimeout = drainTimeout
        self.cancelGrace = cancelGrace
        self.stuckHandlers = stuckHandlers
        self.token = token
        self.stateDirectory = stateDirectory
        self.logHandler = logHandler
    }

    /// Why these make no worker, or nil if they make one. For input from outside.
    package static func problem(
        name: String, slots: Int, queues: [String], prefetchMax: Int, drainTimeout: Duration,
        cancelGrace: Duration = .zero
    ) -> String? {
        if let problem = NameRule.problem(name) { return "the worker's name \"\(name)\" \(problem)" }
        if !(1...Int(Register.slotsMax)).contains(slots) { return "slots must be 1 to \(Register.slotsMax)" }
        if queues.count > Register.namesMax { return "a worker serves at most \(Register.namesMax) queues by name" }
        for queue in queues {
            if let problem = NameRule.problem(queue) { return "the queue \"\(queue)\" \(problem)" }
        }
        if !(0...Int(Register.slotsMax)).contains(prefetchMax) {
            return "prefetchMax must be 0 to \(Register.slotsMax)"
        }
        if drainTimeout < .zero || cancelGrace < .zero { return "a time at shutdown cannot be negative" }
        return nil
    }

    /// The machine's name and the process's number.
    package static func defaultName() -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let result = buffer.withUnsafeMutableBytes { gethostname($0.baseAddress!, $0.count - 1) }
        let host = result == 0 ? String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self) : ""
        let allowed = host.filter { NameRule.problem(String($0)) == nil }.prefix(100)
        return "\(allowed.isEmpty ? "worker" : allowed)-\(getpid())"
    }
}
