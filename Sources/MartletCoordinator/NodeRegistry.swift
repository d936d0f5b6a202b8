package import MartletCore
package import MartletObservability
package import MartletRuntime
package import MartletStore
package import MartletTransport
package import MartletWire

/// Serves the nodes' channel: knows who is registered and hands each request to that node's queue.
package actor NodeRegistry {
    /// A node known from before this epoch, whose leases may still run.
    struct Awaited: Sendable {
        let record: NodeRecord
        let until: Instant
    }

    private let loop: EventLoop
    private let settings: CoordinatorSettings
    let store: any JobStore
    let dispatcher: Dispatcher
    private let commitLog: CommitLog
    private let lanes: LaneDirectory
    let epoch: Epoch
    let openedAt: WallTime
    let log: Log
    private let sequences = SharedLeaseSequence()
    package nonisolated let metrics: ExecutionMetrics
    package private(set) var refusals = RefusalCounts()
    var queues: [NodeKey: NodeQueue] = [:]
    private var keysByName: [String: NodeKey] = [:]
    /// Names whose registration is under way.
    private var registering: Set<String> = []
    var awaited: [String: Awaited] = [:]
    /// Claims of this recovery: the token under which each job was claimed, and by whom.
    var claims: [JobID: (token: LeaseToken, key: NodeKey)] = [:]
    private var lastKey: UInt64 = 0
    /// What the store has of each registered node.
    private var saved: [String: NodeRecord] = [:]
    private var authenticator: PeerAuthenticator?

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    package init(
        loop: EventLoop, settings: CoordinatorSettings, store: any JobStore, opening: StoreOpening,
        dispatcher: Dispatcher, commitLog: CommitLog, lanes: LaneDirectory, openedAt: WallTime, log: Log
    ) {
        self.loop = loop
        self.settings = settings
        self.store = store
        self.dispatcher = dispatcher
        self.commitLog = commitLog
        self.lanes = lanes
        self.epoch = opening.epoch
        self.openedAt = openedAt
        self.metrics = ExecutionMetrics(lanes: lanes)
        self.log = log
        self.authenticator = settings.token.map {
            PeerAuthenticator(token: ClusterToken($0), random: { loop.random() })
        }
        for record in opening.nodes {
            self.awaited[record.id.name] = Awaited(record: record, until: loop.now + record.leaseDuration)
            self.saved[record.id.name] = record
        }
    }

    /// Serves requests until cancelled or the listener is closed.
    package func serve(_ listener: any RequestListener) async throws {
        await withDiscardingTaskGroup { group in
            group.addTask { try? await self.tick() }
            while true {
                let events = await listener.receive()
                guard !events.isEmpty else { break }
                for event in events {
                    if let registration = await self.handle(event) {
                        group.addTask { await self.register(registration.message, request: registration.request) }
                    }
                }
            }
            group.cancelAll()
        }
    }

    /// Serves one event at once, but for a registration, which waits for the store.
    private func handle(_ event: ListenerEvent) async -> (message: Register, request: any IncomingRequest)? {
        switch event {
        case .peerLost(let peer):
            self.authenticator?.forget(peer)
        case .request(let request):
            switch decode(request, frame: request.frame, &self.authenticator, &self.refusals) {
            case .register(let register): return (register, request)
            case .fetch(let fetch): await self.queue(fetch.key, for: request)?.fetch(fetch, request: request)
            case .report(let report): await self.queue(report.key, for: request)?.report(report, request: request)
            case .control(let control): await self.queue(control.key, for: request)?.control(control, request: request)
            case .acquire(let acquire): await self.queue(acquire.key, for: request)?.acquire(acquire, request: request)
            case .authenticate, .ping, .openSession, .submit, .listJobs, .showJob, .listQueues, .listNodes, .changeDead,
                .awaitJob, .admin, .group:
                self.refuse(request, .invalidRequest, "this address serves nodes; clients have another one")
            case nil: break
            }
        }
        return nil
    }

    func queue(_ key: UInt64, for request: any IncomingRequest) -> NodeQueue? {
        if let queue = self.queues[NodeKey(rawValue: key)] { return queue }
        self.refuse(request, .unknownNode, "register (again): this session is not known here")
        return nil
    }

    private func refuse(_ request: any IncomingRequest, _ code: ErrorReply.Code, _ message: String) {
        self.refusals.add(code)
        request.refuse(code, message)
    }

    // MARK: Registration

    private func register(_ message: Register, request: any IncomingRequest) async {
        if let problem = self.problem(with: message) { return self.refuse(request, problem.code, problem.text) }
        self.registering.insert(message.name)
        defer { self.registering.remove(message.name) }
        let id = NodeID(name: message.name, incarnation: message.incarnation)
        let queues = message.queues.map(\.text)
        let times = self.settings.times(serving: queues)
        let record = NodeRecord(id: id, leaseDuration: times.leaseDuration)
        // Not saved: the coordinator is on its way out, and nobody may be answered.
        guard await self.save(record) else { return }
        let earlier = await self.replaceEarlier(message)
        let queue = self.makeQueue(message, times: times)
        await self.dispatcher.nodeJoined(
            queue.key, queue: queue, service: NodeService(queues: queues, types: message.types.map(\.text)),
            slots: Int(message.slots))
        if let earlier { await queue.adopt(earlier) }
        let verdicts = await self.judge(message, queue: queue)
        await self.settleAwaited(message.name)
        self.log(
            .info, "node registered",
            [.node: message.name, .incarnation: message.incarnation, .count: message.inventory.count])
        request.answer(
            Registered(
                key: queue.key.rawValue, epoch: self.epoch, heartbeatInterval: times.heartbeatInterval,
                leaseDuration: times.leaseDuration, verdicts: verdicts, features: self.settings.features,
                time: self.loop.now))
        await self.dispatcher.turn()
    }

    private func problem(with message: Register) -> (code: ErrorReply.Code, text: String)? {
        if self.registering.contains(message.name) {
            return (.unavailable, "a registration of this name is under way; retry")
        }
        if let key = self.keysByName[message.name], let live = self.queues[key] {
            if live.registration.incarnation == message.incarnation {
                // Its inventory is older than what the node has been sent since.
                guard message.number > live.registration.number else {
                    return (.unavailable, "a later registration of this worker took its place")
                }
                return nil
            }
            if message.supersedes(live.registration.incarnation) { return nil }
            return (.nodeNameTaken, "a live node is called \(message.name); choose another name")
        }
        if let awaited = self.awaited[message.name], awaited.record.id.incarnation != message.incarnation,
            !message.supersedes(awaited.record.id.incarnation)
        {
            return (
                .nodeNameTaken, "a node called \(message.name) may still be alive; retry later or choose another name"
            )
        }
        if self.queues.count + self.registering.count >= self.settings.nodesMax {
            return (.tooManyNodes, "the limit of \(self.settings.nodesMax) nodes is reached")
        }
        return nil
    }

    /// Ends what is registered under the name. Returns its state if it is the same process.
    private func replaceEarlier(_ message: Register) async -> NodeQueueCore? {
        guard let key = self.keysByName[message.name], let live = self.queues[key] else { return nil }
        if live.registration.incarnation == message.incarnation {
            let core = await live.handOver()
            self.queues[key] = nil
            self.keysByName[message.name] = nil
            await self.dispatcher.nodeLeft(key)
            return core
        }
        await live.die()
        return nil
    }

    private func makeQueue(_ message: Register, times: SessionTimes) -> NodeQueue {
        self.lastKey += 1
        // The epoch keeps keys of an earlier coordinator from meaning anything here.
        let key = NodeKey(rawValue: self.epoch.rawValue << 32 | self.lastKey)
        let core = NodeQueueCore(
            key: key, id: NodeID(name: message.name, incarnation: message.incarnation), slots: Int(message.slots),
            epoch: self.epoch, times: times, givesBack: message.givesBack, lastDelivery: message.lastDelivery,
            at: self.loop.now)
        let context = NodeQueue.Context(
            loop: self.loop, dispatcher: self.dispatcher, commitLog: self.commitLog, sequences: self.sequences,
            log: self.log, lanes: self.lanes, payloadMax: self.settings.payloadMax, metrics: self.metrics,
            ended: { [weak self] in await self?.ended($0) })
        let queue = NodeQueue(registration: message, core: core, context: context)
        self.queues[key] = queue
        self.keysByName[message.name] = key
        return queue
    }

    /// Makes the registration durable, so that a later epoch knows whose leases may still run. A full disk does not
    /// keep a node from coming back: its results are what frees space.
    private func save(_ record: NodeRecord) async -> Bool {
        guard self.saved[record.id.name] != record else { return true }
        guard case .success = await self.commitLog.commit([.saveNode(record)], kind: .essential) else { return false }
        self.saved[record.id.name] = record
        return true
    }

    // MARK: Time and endings

    private func tick() async throws {
        let interval = self.settings.times.heartbeatInterval / 2
        while true {
            await self.finishRecoveryIfDue()
            let before = self.loop.now
            try await self.loop.sleep(for: interval)
            // Time in which this process stood still says nothing about the nodes: their signs of life are waiting.
            let stoodStill = self.loop.now - before - interval
            for key in self.queues.keys.sorted() {
                if stoodStill > interval { await self.queues[key]?.excuse(stoodStill) }
                await self.queues[key]?.tick()
            }
            await self.dispatcher.turn()
        }
    }

    private func settleAwaited(_ name: String) async {
        guard self.awaited.removeValue(forKey: name) != nil else { return }
        await self.finishRecoveryIfDue()
    }

    /// Recovered jobs run once every known node has shown what it holds, or can hold nothing any more.
    private func finishRecoveryIfDue() async {
        guard await self.dispatcher.isRecovering else { return }
        let overdue = self.awaited.values.filter { $0.until <= self.loop.now }.map(\.record.id.name).sorted()
        for name in overdue where !self.registering.contains(name) {
            self.awaited[name] = nil
            await self.forget(name)
            self.log(.warning, "node did not come back; its leases have ended", [.node: name])
        }
        guard self.awaited.isEmpty, await self.dispatcher.isRecovering else { return }
        self.claims = [:]
        await self.dispatcher.finishRecovery()
        self.log(.info, "recovered jobs are released", [.epoch: self.epoch.rawValue])
    }

    func ended(_ key: NodeKey) async {
        guard let queue = self.queues.removeValue(forKey: key) else { return }
        let name = queue.registration.name
        await self.dispatcher.nodeLeft(key)
        guard self.keysByName[name] == key else { return }
        self.keysByName[name] = nil
        self.log(.info, "node left", [.node: name])
        if !self.registering.contains(name) { await self.forget(name) }
    }

    private func forget(_ name: String) async {
        self.saved[name] = nil
        await self.commitLog.append([.forgetNode(name: name)], kind: .essential, jobs: 0) { _ in }
    }

    // MARK: Seeing inside

    package func views() async -> [NodeView] {
        var views: [NodeView] = []
        for key in self.queues.keys.sorted() {
            if let queue = self.queues[key] { views.append(await queue.view()) }
        }
        for name in self.awaited.keys.sorted() where self.keysByName[name] == nil {
            views.append(
                NodeView(
                    name: name, incarnation: self.awaited[name]!.record.id.incarnation, status: .awaited, slots: 0,
                    queues: [], types: [], leased: 0, sinceHeard: .zero, succeededTotal: 0, failedTotal: 0))
        }
        return views
    }

    /// How many jobs each node holds that it had not started when it said so last, by the node's name.
    package func unstartedCounts() async -> [(node: String, count: Int)] {
        var counts: [(node: String, count: Int)] = []
        for key in self.queues.keys.sorted() {
            guard let queue = self.queues[key] else { continue }
            counts.append((queue.registration.name, await queue.unstartedCount))
        }
        return counts
    }

    /// Jobs held by nodes, by lane.
    package func heldByLane() async -> [LaneID: Int] {
        var held: [LaneID: Int] = [:]
        for key in self.queues.keys.sorted() {
            for (lane, count) in await self.queues[key]?.heldByLane() ?? [] { held[lane, default: 0] += count }
        }
        return held
    }

    /// How far a running job has got, if its handler says.
    package func progress(of id: JobID) async -> Report.Progress? {
        for key in self.queues.keys.sorted() {
            if let progress = await self.queues[key]?.progress[id] { return progress }
        }
        return nil
    }

    /// Which node holds which job.
    package func holders() async -> [JobID: String] {
        var holders: [JobID: String] = [:]
        for key in self.queues.keys.sorted() {
            guard let queue = self.queues[key] else { continue }
            for id in await queue.heldJobs() { holders[id] = queue.registration.name }
        }
        return holders
    }

    /// What a job does on the node of that name, which holds it.
    package func place(of id: JobID, on name: String) async -> HeldPlace {
        guard let queue = self.keysByName[name].flatMap({ self.queues[$0] }) else { return .running }
        return await queue.place(of: id)
    }

    package func services() -> [NodeService] {
        self.queues.keys.sorted().compactMap { self.queues[$0]?.registration }.map {
            NodeService(queues: $0.queues.map(\.text), types: $0.types.map(\.text))
        }
    }

    package var nodeCount: Int { self.queues.count }

    package func checkInvariants() async {
        var holder: [JobID: NodeKey] = [:]
        for key in self.queues.keys.sorted() {
            guard let queue = self.queues[key] else { continue }
            await queue.checkInvariants()
            for id in await queue.heldJobs() {
                precondition(holder.updateValue(key, forKey: id) == nil, "a job has one valid lease")
            }
        }
    }
}
