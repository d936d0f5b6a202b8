import Martlet
import MartletCore
import MartletRuntime
import MartletSimulation
import MartletWire
import Testing

/// Plays slots, coordinator and clock around a `WorkerCore`.
final class CoreDriver {
    var core: WorkerCore
    var now = Instant(nanoseconds: 1_000_000_000_000)
    var actions: [WorkerCore.Action] = []
    private let world = SimulatedWorld(seed: 1)
    private let kinds: [JobKind]
    private var lastDelivery: UInt64 = 0
    private var lastJob: UInt64 = 0
    private var lastKey: UInt64 = 0
    private var lastOrder: UInt64 = 0
    private var lastAsk: UInt64 = 0
    /// Leases that have not been judged and have not ended.
    private var open: [LeaseToken: JobID] = [:]

    /// - Parameter batch: jobs are handled many at once; every fourth is not, unless there are no others.
    init(
        slots: Int, prefetchMax: Int = 0, timeout: Duration = .seconds(1800), batch: BatchShape? = nil,
        mixes: Bool = false, stuckHandlersMax: Int = 0
    ) {
        self.core = WorkerCore(
            WorkerCore.Profile(
                name: "w", incarnation: 7, slots: slots, prefetchMax: prefetchMax, queues: [], types: ["t"],
                batches: batch.map { [$0] } ?? [],
                holdsNameLock: true, drainTimeout: .seconds(10), cancelGrace: .seconds(2),
                stuckAfter: .seconds(3), stuckHandlersMax: stuckHandlersMax))
        let scope = JobScope(loop: self.world.makeProcess("w"), logHandler: { _ in })
        let single = JobKind(type: "t", queue: "q", timeout: timeout, scope: scope) { _, _ in }
        let many = batch.map { shape in
            let handler = BatchHandler(shape: shape, line: 0) { items in items.map { _ in nil } }
            return JobKind(type: "b", queue: "q", timeout: timeout, scope: scope, batch: handler) { _, _ in }
        }
        self.kinds = many.map { mixes ? [$0, $0, $0, single] : [$0] } ?? [single]
        for slot in 0..<slots + stuckHandlersMax { _ = self.core.restart(slot) }
    }

    static func token(epoch: UInt64, _ sequence: UInt64) -> LeaseToken {
        LeaseToken(epoch: Epoch(rawValue: epoch), sequence: sequence)
    }

    static func timeoutFailure(_ timeout: Duration) -> JobFailure {
        JobFailure(kind: "timeout", message: "ran longer than its timeout of \(timeout)")
    }

    var notes: [WorkerCore.Note] {
        self.actions.compactMap { if case .note(let note) = $0 { note } else { nil } }
    }

    var fetch: Fetch? { self.core.nextFetch(at: self.now) }

    /// Jobs that the worker would name in an inventory.
    var held: Int {
        var copy = self.core
        return copy.beginRegistration(at: self.now).inventory.count
    }

    func beginRegistration() -> Register { self.core.beginRegistration(at: self.now) }

    /// Registers; all that is held keeps its lease unless `verdicts` say otherwise, for a request already made.
    func register(verdicts: [Registered.Verdict]? = nil, features: PeerFeatures = [], time: Instant? = nil) {
        let given = verdicts ?? self.beginRegistration().inventory.map { .leased($0.token) }
        self.lastKey += 1
        let reply = Registered(
            key: self.lastKey, epoch: Epoch(rawValue: 1), heartbeatInterval: .seconds(1), leaseDuration: .seconds(15),
            verdicts: given, features: features, time: time)
        let isRegistered = self.core.register(reply, into: &self.actions)
        #expect(isRegistered)
        self.lastOrder = 0
    }

    func deliver(
        _ count: Int, number: UInt64? = nil, generation: UInt64? = nil, expiresIn: Duration? = nil,
        startBy: Instant? = nil
    ) {
        self.lastDelivery = number ?? self.lastDelivery + 1
        let jobs = (0..<count).map { _ in
            self.lastJob += 1
            let token = Self.token(epoch: 1, self.lastJob)
            self.open[token] = JobID(rawValue: self.lastJob)
            return WorkerCore.Job(
                id: JobID(rawValue: self.lastJob), token: token, attempt: 1, payload: .empty,
                kind: self.kinds[Int(self.lastJob) % self.kinds.count],
                extras: expiresIn == nil && startBy == nil
                    ? nil : DeliveredExtras(expiresAt: expiresIn.map { self.now + $0 }, startBy: startBy))
        }
        self.core.receive(
            jobs, number: self.lastDelivery, generation: generation ?? self.core.generation, at: self.now,
            into: &self.actions)
    }

    /// The coordinator sends a job again, under a new lease.
    func redeliver(_ id: UInt64) {
        self.lastDelivery += 1
        self.lastJob += 1
        let token = Self.token(epoch: 1, self.lastJob)
        self.open[token] = JobID(rawValue: id)
        let job = WorkerCore.Job(
            id: JobID(rawValue: id), token: token, attempt: 2, payload: .empty, kind: self.kinds[0])
        self.core.receive(
            [job], number: self.lastDelivery, generation: self.core.generation, at: self.now, into: &self.actions)
    }

    /// A slot asks for a job.
    @discardableResult
    func ask(_ slot: Int) -> WorkerCore.Next {
        self.core.next(for: slot, after: nil, at: self.now, into: &self.actions)
    }

    /// A slot's handler ends, and the slot asks for the next job.
    @discardableResult
    func finish(_ slot: Int, _ outcome: WorkerCore.Outcome) -> WorkerCore.Next {
        self.core.next(for: slot, after: outcome, at: self.now, into: &self.actions)
    }

    /// Time passes, and the ticker looks when it said it would.
    func pass(_ duration: Duration) {
        let end = self.now + duration
        var next = self.core.tick(at: self.now, into: &self.actions)
        while next <= end {
            self.now = max(self.now, next)
            let later = self.core.tick(at: self.now, into: &self.actions)
            if later <= next { break }
            next = later
        }
        self.now = end
    }

    func report() -> (frame: Bytes, number: UInt64)? {
        self.core.nextReport(at: self.now, into: &self.actions)
    }

    func answer(
        _ report: (frame: Bytes, number: UInt64), _ verdicts: [ReportReply.Verdict], sentAgo: Duration = .zero,
        time: Instant? = nil
    ) {
        let fits = self.core.reported(
            ReportReply(number: report.number, verdicts: verdicts, time: time), sentAt: self.now + (.zero - sentAgo),
            generation: self.core.generation, into: &self.actions)
        #expect(fits)
    }

    /// Whatever there is to report is reported and accepted.
    func heartbeat() {
        guard let report = self.report(), let items = try? Report.decode(report.frame).items else { return }
        self.answer(report, items.map { _ in .accepted })
    }

    func drain() { self.core.drain(at: self.now, into: &self.actions) }

    func obey(ended: [UInt64], ask: ((UInt64) -> Order.Ask)? = nil) {
        self.lastOrder += 1
        if ask != nil { self.lastAsk += 1 }
        self.core.obey(
            Order(
                number: self.lastOrder, ended: ended.map { Self.token(epoch: 1, $0) }, ask: ask.map { $0(self.lastAsk) }
            ),
            generation: self.core.generation, at: self.now, into: &self.actions)
    }

    // MARK: Random play

    /// One event at random. Every item of every report must be a lease that is still open.
    func doSomething(_ random: inout SeededRandom) throws {
        let slots = self.core.profile.slots
        let slot = random.below(slots)
        self.actions = []
        switch random.below(12) {
        case 0, 1:
            if let fetch, fetch.creditTotal > 0 { self.deliver(1 + random.below(3)) }
        case 2, 3, 4, 5:
            self.turn(slot, &random)
        case 6: self.pass(.milliseconds(random.below(1500)))
        case 7, 8, 9:
            guard let report = self.report() else { return }
            for item in try Report.decode(report.frame).items {
                #expect(self.open[item.token] == item.id, "a lease is reported while it is open, and not again")
            }
            guard random.below(4) > 0 else { return }
            let items = try Report.decode(report.frame).items
            for item in items { self.open[item.token] = nil }
            self.answer(report, items.map { _ in .accepted })
        case 10:
            let request = self.beginRegistration()
            guard random.below(3) > 0 else { return }
            #expect(
                Set(request.inventory.map(\.token)).isSubset(of: Set(self.open.keys)),
                "only what is still held is named")
            var kept: [LeaseToken: JobID] = [:]
            let verdicts: [Registered.Verdict] = request.inventory.map { item in
                guard random.below(4) > 0 else { return .ended }
                kept[item.token] = item.id
                return .leased(item.token)
            }
            self.open = kept
            self.register(verdicts: verdicts)
        default:
            guard let token = self.open.keys.sorted().first, self.core.isRegistered else { return }
            self.open[token] = nil
            self.obey(ended: [token.sequence])
            // It may be in a report that is under way, which has no right to be repeated as if nothing had happened.
            if let report = self.report() {
                let items = try Report.decode(report.frame).items
                for item in items { self.open[item.token] = nil }
                self.answer(report, items.map { $0.token == token ? .refused : .accepted })
            }
        }
        if !self.core.isRegistered, self.held == 0 { self.open = [:] }
    }

    private func turn(_ slot: Int, _ random: inout SeededRandom) {
        switch self.core.state(of: slot) {
        case .vacant: _ = self.core.restart(slot)
        case .idle: self.ask(slot)
        case .running, .cancelled, .abandoned:
            let failure = JobFailure(kind: "E", message: "m")
            let outcomes: [WorkerCore.Outcome] = self.core.heldIDs(in: slot).map { _ in
                random.below(2) == 0 ? .succeeded : .failed(failure, isRetryable: true)
            }
            self.finish(slot, outcomes.count == 1 ? outcomes[0] : .batch(outcomes))
        }
    }
}

extension WorkerCore.Next {
    var isRun: Bool { if case .run = self { true } else { false } }
    var isWait: Bool { if case .wait = self { true } else { false } }
    var isLeave: Bool { if case .leave = self { true } else { false } }
}
