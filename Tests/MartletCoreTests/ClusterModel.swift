import MartletCore
import MartletVirtualTime

/// The dispatcher's and the nodes' decisions together, with a store, nodes and a network that loses things.
///
/// Checks after each event that no job is lost, assigned twice or sent beyond a node's credit.
struct ClusterModel {
    struct StoredJob {
        let lane: Int
        var share: Int
        var history = JobHistory()
        var isOver = false
        /// Times that a result was accepted.
        var accepted = 0
    }

    /// A worker as it sees itself.
    struct Worker {
        var core: NodeQueueCore
        let slots: Int
        var received: UInt64 = 0
        var receivedJobs = 0
        var credit: UInt64
        var held: [(id: JobID, token: LeaseToken)] = []
        var isDraining = false
        var lastOrder: UInt64 = 0
        /// A report's results that have not been judged: the coordinator may have ended their leases since.
        var ended: [(id: JobID, token: LeaseToken)] = []
        /// Jobs that it was asked for and has not answered for.
        var ask: NodeQueueCore.LiveAsk?

        /// Takes out what it was asked for and has not started: it runs the first that it holds.
        mutating func takeAsked() -> [(id: JobID, token: LeaseToken)] {
            guard let ask = self.ask else { return [] }
            let unstarted = self.held.dropFirst(self.slots)
            let taken = unstarted.filter { ask.sequences.contains($0.token.sequence) }
            self.held = self.held.prefix(self.slots) + unstarted.filter { !ask.sequences.contains($0.token.sequence) }
            return taken
        }
    }

    static let keys = [
        LaneKey(queue: "a", type: "X"), LaneKey(queue: "a", type: "Y"), LaneKey(queue: "b", type: "X"),
        LaneKey(queue: "b", type: "X", priority: .highest), LaneKey(queue: "nobody", type: "Z"),
    ]
    static let services = [
        NodeService(queues: [], types: ["X", "Y"]), NodeService(queues: ["a"], types: ["X", "Y"]),
        NodeService(queues: ["b"], types: ["X"]),
    ]
    static let epoch = Epoch(rawValue: 3)
    /// None, then groups, keys, and keys whose jobs run in order.
    static let shares: [LaneShare?] = [
        nil, LaneShare(group: "g"), LaneShare(group: "h"), LaneShare(key: "k"), LaneShare(key: "l"),
        LaneShare(key: "o", isOrdered: true), LaneShare(group: "g", key: "p", isOrdered: true),
        LaneShare(services: Boxed(["s"])), LaneShare(group: "g", services: Boxed([ServiceUse("s", weight: 2)])),
        LaneShare(services: Boxed([ServiceUse("m", key: "t"), "s"])),
        LaneShare(key: "k", services: Boxed([ServiceUse("m", key: "t")])),
        LaneShare(group: "h", services: Boxed([ServiceUse("m", key: "u", weight: 3)])), LaneShare(services: Boxed([])),
    ]
    static let limits = DispatchLimits(
        queues: ["a": .init(concurrency: 9, keyConcurrency: 1, weights: ["g": 3]), "b": .init(keyConcurrency: 2)],
        types: ["Y": 3],
        services: [
            "s": ServiceLimits(rates: [RateLimit(tokens: 6, per: .seconds(1), burst: 4)], concurrency: 4),
            "m": ServiceLimits(
                rates: [RateLimit(tokens: 20, per: .seconds(1), burst: 9)],
                perKey: KeyedLimits(rates: [RateLimit(tokens: 5, per: .seconds(1), burst: 3)], concurrency: 3)),
        ])

    var random: SeededRandom
    var dispatch: DispatchCore
    var sequences = LeaseSequence()
    var workers: [NodeKey: Worker] = [:]
    var store: [JobID: StoredJob] = [:]
    /// Jobs with the dispatcher's view that they are with a node.
    var assigned: Set<JobID> = []
    /// Failed attempts that are due again later.
    var scheduled: [JobID] = []
    var loads: [(line: DispatchCore.LineID, ids: [JobID])] = []
    var now = Instant.seconds(0)
    var nextID: UInt64 = 1
    var nextKey: UInt64 = 1
    var nextExchange: UInt64 = 1
    /// By lane, then by share.
    let traits: [[JobTraits]]
    let limits: DispatchLimits
    var serviceOf: [NodeKey: Int] = [:]
    var paused: Set<DispatchCore.Pause> = []
    /// Jobs that die with their node each time they run.
    var poison: Set<JobID> = []
    /// What services let through, and when.
    var grants: [(time: Instant, use: ServiceUse)] = []
    /// Deaths of nodes with several jobs on them must never be final for one of them.
    var quarantined: [JobID] = []
    /// Jobs that came back because others were idle.
    var gaveBackTotal = 0

    init(seed: UInt64, isRecovering: Bool = false, limits: DispatchLimits = .none) {
        self.random = SeededRandom(seed: seed)
        self.limits = limits
        self.dispatch = DispatchCore(limits: limits, isRecovering: isRecovering, at: .seconds(0))
        self.traits = Self.keys.enumerated().map { lane, key in
            Self.shares.map {
                .sample(lane: lane, key: key, share: $0, timeout: .seconds(40), retry: RetryPolicy(maxAttempts: 4))
            }
        }
        self.dispatch.defineLanes(Self.keys, at: self.now)
    }

    // MARK: Events

    mutating func submit(_ count: Int, lane: Int, share: Int = 0, hasBodies: Bool) {
        let first = JobID(rawValue: self.nextID)
        for _ in 0..<count {
            self.store[JobID(rawValue: self.nextID)] = StoredJob(lane: lane, share: share)
            self.nextID += 1
        }
        let bodies = hasBodies ? ContiguousArray((0..<count).map { self.job(first.advanced(by: $0)).body }) : nil
        self.dispatch.enqueue(
            lane: LaneID(rawValue: UInt32(lane)), share: Self.shares[share], first: first, count: count,
            bodies: bodies, at: self.now)
    }

    @discardableResult
    mutating func join(service: Int? = nil) -> NodeKey {
        let key = NodeKey(rawValue: self.nextKey)
        self.nextKey += 1
        let slots = 1 + self.random.below(4)
        let core = NodeQueueCore(
            key: key, id: NodeID(name: "n\(key.rawValue)", incarnation: 1), slots: slots, epoch: Self.epoch,
            times: SessionTimes(), givesBack: key.rawValue % 4 > 0, lastDelivery: 0, at: self.now)
        self.workers[key] = Worker(core: core, slots: slots, credit: UInt64(slots + self.random.below(20)))
        let kind = service ?? self.random.below(3)
        self.serviceOf[key] = kind
        self.dispatch.nodeJoined(key, service: Self.services[kind], slots: slots, at: self.now)
        self.fetch(key)
        return key
    }

    mutating func fetch(_ key: NodeKey) {
        guard var worker = self.workers[key], !worker.core.hasEnded else { return }
        if !worker.isDraining {
            let free = max(0, worker.slots + 10 - worker.held.count)
            worker.credit = max(worker.credit, UInt64(worker.receivedJobs + self.random.below(free + 1)))
        }
        var actions: [NodeQueueCore.Action] = []
        worker.core.fetch(
            self.exchange(), lastDelivery: worker.received, creditTotal: worker.credit, sequences: &self.sequences,
            at: self.now, into: &actions)
        self.workers[key] = worker
        self.perform(actions, of: key)
        self.tell(key)
    }

    mutating func control(_ key: NodeKey) {
        guard var worker = self.workers[key], !worker.core.hasEnded else { return }
        var actions: [NodeQueueCore.Action] = []
        worker.core.control(self.exchange(), lastOrder: worker.lastOrder, at: self.now, into: &actions)
        self.workers[key] = worker
        self.perform(actions, of: key)
    }

    /// Reports on some jobs: most succeed, some fail or are given back; late results are refused.
    mutating func report(_ key: NodeKey, most: Int = 5) {
        guard var worker = self.workers[key], !worker.core.hasEnded else { return }
        var settlement = NodeQueueCore.Settlement()
        var items: [(id: JobID, token: LeaseToken, result: NodeQueueCore.Result)] = []
        items += worker.takeAsked().map { ($0.id, $0.token, .returned) }
        for _ in 0..<min(most, worker.held.count) where !self.poison.contains(worker.held[0].id) {
            let (id, token) = worker.held.removeFirst()
            let failure = JobFailure(kind: "test", message: "no")
            let result: NodeQueueCore.Result =
                switch self.random.below(10) {
                case 0: .returned
                case 1, 2: .failed(failure, isRetryable: self.random.below(4) > 0)
                default: .succeeded
                }
            items.append((id, token, result))
        }
        worker.core.heard(at: self.now)
        for (id, token, result) in items {
            let holds = worker.core.lease(of: id, named: token) == token
            worker.core.settle(id, under: token, result: result, random: { 0.5 }, into: &settlement)
            precondition(settlement.verdicts.last == (holds ? .accepted : .refused), "a lease that stands is accepted")
        }
        for job in settlement.succeeded { self.finish(job.id) }
        for attempt in settlement.failed { self.dispatch.settled(attempt.job.id, at: self.now) }
        worker.core.running(worker.held.prefix(worker.slots).map(\.id), at: self.now)
        worker.core.took(mean: .milliseconds(Int64(20 + key.rawValue % 5)))
        var answers: [NodeQueueCore.Action] = []
        if let ask = worker.ask { worker.core.answered(ask.number, into: &answers) }
        worker.ask = nil
        self.workers[key] = worker
        self.perform(answers, of: key)
        self.settle(settlement.failed)
        self.giveBack(settlement.returned)
        self.tell(key)
    }

    mutating func tick() {
        for key in self.workers.keys.sorted() {
            var actions: [NodeQueueCore.Action] = []
            self.workers[key]!.core.tick(at: self.now, random: { 0.5 }, into: &actions)
            self.perform(actions, of: key)
            self.tell(key)
        }
        self.dispatch.age(at: self.now)
    }

    mutating func die(_ key: NodeKey) {
        var actions: [NodeQueueCore.Action] = []
        self.workers[key]!.core.die(into: &actions)
        self.perform(actions, of: key)
    }

    mutating func leave(_ key: NodeKey) {
        var actions: [NodeQueueCore.Action] = []
        self.workers[key]!.core.leave(into: &actions)
        self.perform(actions, of: key)
    }

    mutating func drain(_ key: NodeKey) {
        var actions: [NodeQueueCore.Action] = []
        self.workers[key]!.isDraining = true
        self.workers[key]!.core.drain(into: &actions)
        self.perform(actions, of: key)
        self.tell(key)
    }

    /// The connection is lost; the same process registers again with what it holds.
    mutating func reconnect(_ key: NodeKey, service: Int? = nil) {
        let old = self.workers.removeValue(forKey: key)!
        guard !old.core.hasEnded else { return }
        var ending = old.core
        var ignored: [NodeQueueCore.Action] = []
        ending.retire(into: &ignored)
        self.dispatch.nodeLeft(key, at: self.now)
        let next = self.join(service: service)
        var worker = self.workers[next]!
        worker.core = NodeQueueCore(
            key: next, id: old.core.id, slots: old.slots, epoch: Self.epoch, times: SessionTimes(),
            givesBack: old.core.givesBack, lastDelivery: old.received, at: self.now)
        worker.received = old.received
        worker.held = old.held.filter { old.core.lease(of: $0.id, named: $0.token) != nil }
        worker.isDraining = old.isDraining
        worker.credit = 0
        let free = worker.core.adopt(old.core, inventory: Set(old.held.map(\.token)))
        self.dispatch.nodeClaimed(next, count: Int(worker.core.claimedTotal), suspect: worker.core.suspect)
        self.workers[next] = worker
        self.tell(next)
        self.giveBack(free)
    }

    /// Answers one load: all of it, a part, or not at all.
    mutating func answerLoad() {
        guard !self.loads.isEmpty else { return }
        let (line, ids) = self.loads.removeFirst()
        if self.random.once(in: 8) { return self.dispatch.loadFailed(line: line, at: self.now) }
        let looked = self.random.once(in: 3) ? ids.prefix(1 + self.random.below(ids.count)) : ids[...]
        self.dispatch.bodiesLoaded(looked.map { self.job($0) }, outOf: looked, line: line, at: self.now)
    }

    mutating func releaseDue(_ max: Int) {
        for _ in 0..<min(max, self.scheduled.count) {
            let id = self.scheduled.remove(at: self.random.below(self.scheduled.count))
            let job = self.ready(id)
            self.dispatch.enqueue(id, lane: job.lane, share: job.share, at: self.now)
        }
    }

    mutating func assign() {
        var actions: [DispatchCore.Action] = []
        self.dispatch.assign(at: self.now, into: &actions)
        let before = self.assigned
        for action in actions {
            switch action {
            case .load(let line, let ids): self.loads.append((line, ids))
            case .askBack(let key, let ask):
                var events: [NodeQueueCore.Action] = []
                self.workers[key]!.core.askBack(ask, into: &events)
                self.perform(events, of: key)
                self.tell(key)
            case .assign(let key, let jobs):
                precondition(!jobs.isEmpty && !(self.workers[key]?.core.hasEnded ?? true), "work goes to live nodes")
                for job in jobs {
                    precondition(self.assigned.insert(job.id).inserted, "job \(job.id) was assigned twice")
                    precondition(!self.store[job.id]!.isOver, "job \(job.id) is over")
                }
                self.checkSlots(of: key, jobs)
                for job in jobs { self.grant(job) }
                var events: [NodeQueueCore.Action] = []
                self.workers[key]!.core.assign(jobs, sequences: &self.sequences, into: &events)
                self.perform(events, of: key)
                self.tell(key)
            }
        }
        self.checkLimits(before: before)
    }
}
