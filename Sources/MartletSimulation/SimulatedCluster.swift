import Martlet
import MartletCoordinator
import MartletCore
import MartletObservability
import MartletStore
import MartletTransport

/// A coordinator, nodes and clients made of the production actors, on simulated processes.
final class SimulatedCluster: @unchecked Sendable {
    static let clientAddress = "tcp://10.0.0.1:7400"
    static let nodeAddress = "tcp://10.0.0.1:7401"
    static let coordinatorHost = HostID(rawValue: 0)
    /// Short, so that a run sees many leases end.
    static let times = SessionTimes(
        heartbeatInterval: .milliseconds(200), silentAfter: .seconds(1), leaseDuration: .seconds(3))

    /// One queue is capped as a whole; of a key, one job runs at a time in each.
    static let cappedMax = 3
    static let gammaMax = 4
    static let queues = [
        "q": CoordinatorSettings.QueueSettings(limits: .init(keyConcurrency: 1, weights: ["g0": 3])),
        "capped": CoordinatorSettings.QueueSettings(
            retention: Retention(succeeded: .seconds(600), bytesMax: 4 << 10),
            limits: .init(concurrency: cappedMax, keyConcurrency: 1)),
    ]

    let world: SimulatedWorld
    let witness = Witness()
    let link: FaultyLink
    let network: InMemoryNetwork
    let disk = InMemoryStore.Disk()
    var diskFaults = DiskFaults()
    /// Whether a poison job may take its node with it.
    var mayKillNodes = true
    /// Whether services may turn handlers away, and how often they have, by the number of the job.
    var isTroubled = true
    var turnedAway: [UInt64: Int] = [:]
    /// A node that never starts again.
    var goneForGood: Int?
    private var lastNumber: UInt64 = 0
    /// The latest that any clock has shown.
    private(set) var latestWallTime: WallTime
    private var lastCheckpoint: UInt64 = 0
    let schedules: [(definition: ScheduleDefinition, interval: Duration)]
    private(set) var coordinator: (process: SimulatedProcess, transport: InMemoryTransport)?
    private(set) var parts: Coordinator.Parts?
    private(set) var nodes: [SimulatedNode?]
    private(set) var clients: [SimulatedClient?]

    init(world: SimulatedWorld, nodes: Int, clients: Int) {
        self.world = world
        self.link = FaultyLink(world: world, witness: self.witness)
        self.network = InMemoryNetwork(link: self.link)
        self.nodes = Array(repeating: nil, count: nodes)
        self.clients = Array(repeating: nil, count: clients)
        self.latestWallTime = world.wallTime
        self.schedules = Self.schedules(from: world.wallTime)
        self.witness.clock = { world.now }
        for schedule in self.schedules { self.witness.expects(schedule.definition, every: schedule.interval) }
    }

    static func host(ofNode index: Int) -> HostID { HostID(rawValue: UInt32(1 + index)) }
    static func isNode(_ host: HostID) -> Bool { (1..<100).contains(host.rawValue) }
    func host(ofClient index: Int) -> HostID { HostID(rawValue: UInt32(100 + index)) }

    // MARK: Coordinator

    func startCoordinator() {
        guard self.coordinator == nil else { return }
        let process = self.world.makeProcess("coordinator")
        process.clockOffset = self.world.random.duration(.zero, .seconds(5000))
        let transport = self.network.transport(on: process, host: Self.coordinatorHost)
        self.coordinator = (process, transport)
        let store = SimulatedStore(
            disk: self.disk, process: process, world: self.world, witness: self.witness,
            faults: { [unowned self] in self.diskFaults })
        let settings = CoordinatorSettings(
            clientAddress: Self.clientAddress, nodeAddress: Self.nodeAddress, pendingBytesMax: 64 << 10,
            payloadCacheMax: 4 << 10, nodesMax: 16, lanesMax: 64, times: Self.times,
            queues: Self.queues, typeDefaults: ["gamma": .init(concurrency: Self.gammaMax)],
            services: Self.services, schedules: self.schedules.map(\.definition))
        let coordinator = Coordinator(
            settings: settings, transport: transport, store: store, loop: process, log: .none)
        process.spawn {
            do {
                let wallOffset = self.world.wallOffsetMicroseconds
                try await coordinator.run {
                    self.witness.tookOver(
                        $0.epoch, clockOffset: process.clockOffset, wallOffset: self.world.wallOffsetMicroseconds,
                        before: wallOffset)
                    self.parts = $0
                    await self.lookAtLimits(in: $0)
                }
            } catch {
                // As a process does: it is gone, and its supervisor starts another.
            }
            self.coordinatorEnded(process)
        }
    }

    private func coordinatorEnded(_ process: SimulatedProcess) {
        guard self.coordinator?.process === process else { return }
        self.crashCoordinator()
    }

    /// `kill -9`.
    func crashCoordinator() {
        guard let (process, transport) = self.coordinator else { return }
        process.crash()
        transport.vanish()
        self.disk.releaseLock()
        self.coordinator = nil
        self.parts = nil
    }

    /// A pause was acknowledged: from now on the witness looks out for what begins, but for what nodes have.
    func notePause(_ target: Pause.Target, acknowledgedIn epoch: Epoch) {
        guard let parts = self.parts, parts.epoch == epoch, let process = self.coordinator?.process else { return }
        let number = self.witness.resumed
        process.spawn {
            let held = await parts.registry.holders().keys
            if self.witness.resumed == number { self.witness.paused(target, held: Set(held)) }
        }
    }

    private func lookAtLimits(in parts: Coordinator.Parts) async {
        for state in await parts.dispatcher.serviceStates() {
            self.witness.sees(state.gate.limits, of: state.gate.name, at: self.world.now)
        }
    }

    /// Checks the state of the coordinator's actors, on its own process.
    func checkInvariants() {
        self.noteWallTime()
        guard let parts = self.parts, let process = self.coordinator?.process else { return }
        process.spawn {
            await self.lookAtLimits(in: parts)
            await parts.dispatcher.checkInvariants()
            await parts.registry.checkInvariants()
            await parts.scheduler.checkInvariants()
            let pending = await parts.commitLog.pendingBytes
            if pending > 64 << 10 { self.witness.fail("\(pending) bytes wait for the store, over the bound") }
        }
    }

    // MARK: Nodes and clients

    func startNode(_ index: Int) {
        guard self.nodes[index] == nil, index != self.goneForGood else { return }
        self.nodes[index] = SimulatedNode(index: index, cluster: self)
    }

    func crashNode(_ index: Int) {
        guard let node = self.nodes[index] else { return }
        self.nodes[index] = nil
        node.crash()
        self.witness.crashed(node.process.number)
    }

    func startClient(_ index: Int) {
        guard self.clients[index] == nil else { return }
        self.clients[index] = SimulatedClient(index: index, cluster: self)
    }

    func crashClient(_ index: Int) {
        guard let client = self.clients[index] else { return }
        self.clients[index] = nil
        client.crash()
    }

    /// A promise is broken, or time stands still: there is no point in going on.
    var isLost: Bool {
        if self.world.hasStalled { self.witness.fail("time stands still: a process spins") }
        return self.witness.violation != nil
    }

    /// A worker's run came to an end by itself.
    func nodeEnded(_ node: SimulatedNode) {
        guard self.nodes[node.index] === node else { return }
        self.crashNode(node.index)
    }

    /// A poison job kills its process: outside of the job that runs now.
    func crashSoon(_ node: SimulatedNode) {
        let dying = self.world.makeProcess("reaper")
        dying.schedule(at: self.world.now) { [self] in
            guard self.nodes[node.index] === node else { return }
            self.crashNode(node.index)
            dying.schedule(at: self.world.now + .seconds(1)) { self.startNode(node.index) }
        }
    }

    func startWhatIsMissing() {
        self.startCoordinator()
        for index in self.nodes.indices { self.startNode(index) }
    }

    /// A job with a number of its own.
    ///
    /// - Parameter isShared: whether it may have a group, a key or a unique key. Jobs of one key keep the order of their
    ///   submits, which those that wait for others cannot.
    func nextJob(isShared: Bool = true) -> NumberedJob {
        let number = self.nextNumber()
        let type = SimulatedNode.types[self.world.random.below(SimulatedNode.types.count)]
        let size = self.world.random.chance(0.05) ? 2000 : 8
        let payload = withUnsafeBytes(of: number.littleEndian) { Array($0) } + [UInt8](repeating: 0, count: size - 8)
        let retry = RetryPolicy(
            maxAttempts: 4, initialBackoff: .milliseconds(100), maxBackoff: .seconds(2), jitter: 0.5)
        var options = JobOptions(
            priority: self.world.random.chance(0.2) ? .highest : .normal, timeout: .seconds(8), retry: retry)
        let queue = self.world.random.chance(0.15) ? "capped" : "q"
        if isShared {
            self.share(&options)
            self.single(&options)
        }
        self.use(&options)
        if self.world.random.chance(0.05) {
            options.expiry = self.world.random.duration(.milliseconds(200), .seconds(3))
        }
        if self.world.random.chance(0.1) { options.retention = self.world.random.duration(.seconds(2), .seconds(90)) }
        self.label(&options, number)
        var limits = Self.limits(of: type, in: queue, options)
        let delay: Duration? =
            self.world.random.chance(0.1) ? self.world.random.duration(.milliseconds(10), .seconds(5)) : nil
        var job = RawJob(type: type, queue: queue, payload: Payload(copying: payload), delay: delay, options: options)
        if delay == nil, self.world.random.chance(0.06) {
            job.time = self.world.wallTime + self.world.random.duration(.milliseconds(10), .seconds(5))
            limits.notBefore = job.time
        }
        self.witness.announce(number, limits)
        return NumberedJob(number: number, job: job)
    }

    /// Short jobs, so that nodes fetch ahead, and then a few that may take long: what was fetched ahead of them waits, and
    /// some nodes are done before the others.
    func nextRush() -> [NumberedJob] {
        (0..<30 + self.world.random.below(50)).map { place in
            var number = self.nextNumber()
            while place % 50 < 40, !SimulatedHandler.isShort(number: number) { number = self.nextNumber() }
            let payload = withUnsafeBytes(of: number.littleEndian) { Array($0) }
            let retry = RetryPolicy(maxAttempts: 4, initialBackoff: .milliseconds(100), maxBackoff: .seconds(2))
            let options = JobOptions(timeout: .seconds(8), retry: retry)
            self.witness.announce(number, Self.limits(of: "alpha", in: "q", options))
            return NumberedJob(
                number: number,
                job: RawJob(type: "alpha", queue: "q", payload: Payload(copying: payload), options: options))
        }
    }

    /// Gives some jobs tags and metadata.
    private func label(_ options: inout JobOptions, _ number: UInt64) {
        guard self.world.random.chance(0.2) else { return }
        options.tags = ["tag-\(number % 3)", "all"]
        options.metadata = ["number": "\(number)"]
    }

    func noteWallTime() { self.latestWallTime = max(self.latestWallTime, self.world.wallTime) }

    func nextNumber() -> UInt64 {
        self.lastNumber += 1
        return self.lastNumber << 20 ^ (self.world.random.next() >> 44)
    }

    /// A job that a handler leaves. It leaves none itself.
    ///
    /// - Parameter batch: that it joins.
    func nextFollowUp(joining batch: BatchID?) -> RawJob {
        let number = self.nextNumber()
        let type = SimulatedNode.types[self.world.random.below(SimulatedNode.types.count)]
        let payload = withUnsafeBytes(of: (number.littleEndian, UInt64(0))) { Array($0) }
        let retry = RetryPolicy(maxAttempts: 4, initialBackoff: .milliseconds(100), maxBackoff: .seconds(2))
        var options = JobOptions(timeout: .seconds(8), retry: retry)
        options.batch = batch
        self.label(&options, number)
        self.witness.announce(number, Self.limits(of: type, in: "q", options))
        let delay = self.world.random.chance(0.3) ? self.world.random.duration(.milliseconds(10), .seconds(5)) : nil
        return RawJob(type: type, queue: "q", payload: Payload(copying: payload), delay: delay, options: options)
    }

    /// Checkpoints are numbered, so that a later one is known.
    func nextCheckpoint() -> UInt64 {
        self.lastCheckpoint += 1
        return self.lastCheckpoint
    }

    /// Gives some jobs a unique key. Those of a key have an order or are unique, not both.
    private func single(_ options: inout JobOptions) {
        guard options.key == nil, self.world.random.chance(0.15) else { return }
        let conflict: UniqueKey.Conflict =
            switch self.world.random.unit() {
            case ..<0.5: .replace
            case ..<0.8: .existing
            default: .refuse
            }
        let isKept = self.world.random.chance(0.3)
        options.unique = UniqueKey(
            "u\(self.world.random.below(3))", scope: self.world.random.chance(0.25) ? .queue : .type,
            window: isKept
                ? .afterSuccess(self.world.random.duration(.milliseconds(200), .seconds(4))) : .whilePending,
            conflict: conflict)
    }

    /// Gives some jobs a group, some a key, and those of some keys an order.
    private func share(_ options: inout JobOptions) {
        if self.world.random.chance(0.3) { options.group = "g\(self.world.random.below(3))" }
        switch self.world.random.unit() {
        case ..<0.1: options.key = "k\(self.world.random.below(3))"
        case ..<0.2:
            options.key = "o\(self.world.random.below(4))"
            options.isOrdered = true
        default: break
        }
    }

    /// How many jobs may run beside it, by what they have in common, and whose order it keeps.
    static func limits(of type: String, in queue: String, _ options: JobOptions) -> Witness.Limits {
        var limits = Witness.Limits()
        limits.queue = queue
        limits.type = type
        limits.group = options.group
        limits.tags = options.tags
        limits.metadata = options.metadata
        limits.keptFor = options.retention
        if let unique = options.unique {
            limits.unique = "\(unique.key) of \(unique.scope) \(unique.scope == .queue ? queue : type)"
            limits.isRefused = unique.conflict == .refuse
            if case .afterSuccess(let window) = unique.window { limits.window = window }
        }
        if type == "gamma" { limits.most["type gamma"] = Self.gammaMax }
        if queue == "capped" { limits.most["queue capped"] = Self.cappedMax }
        Self.limit(&limits, by: options.services ?? [])
        guard let key = options.key else { return limits }
        limits.most["key \(key) of \(queue)"] = 1
        if options.isOrdered { limits.order = "key \(key) of \(queue)" }
        return limits
    }
}
