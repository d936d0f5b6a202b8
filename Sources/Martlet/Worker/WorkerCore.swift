package import MartletCore
import MartletWire

/// Decides what a worker does: which job a slot runs, what it reports and asks for, when a job is no longer its own.
///
/// A pure value, shared by the slots and the session behind one lock. Every job that the node holds is in exactly one
/// of five places: `queue`, one of the `lines`, a slot, `results`, or the report under way.
package struct WorkerCore: Sendable {
    /// A job as it was delivered.
    package struct Job: Sendable {
        package let id: JobID
        package internal(set) var token: LeaseToken
        package let attempt: UInt16
        package let payload: Bytes
        package let kind: JobKind
        /// Nil for most.
        package let extras: DeliveredExtras?

        /// Whether it must not be started any more, as what it takes of services was let through for sooner, or because it
        /// has expired.
        func isOverdue(at now: Instant, _ clock: CoordinatorClock) -> Bool {
            guard let extras = self.extras else { return false }
            if let expiresAt = extras.expiresAt, expiresAt <= now { return true }
            return extras.startBy.map { clock.mayHaveReached($0, at: now) } ?? false
        }

        package init(
            id: JobID, token: LeaseToken, attempt: UInt16, payload: Bytes, kind: JobKind,
            extras: DeliveredExtras? = nil
        ) {
            self.extras = extras
            self.id = id
            self.token = token
            self.attempt = attempt
            self.payload = payload
            self.kind = kind
        }
    }

    /// How a handler ended.
    package enum Outcome: Sendable {
        case succeeded
        /// Succeeded, and leaves something.
        case completed(Completion)
        /// `output` is what the handler's program printed last.
        case failed(JobFailure, isRetryable: Bool, output: Bytes = .empty)
        /// A service is unavailable: the job goes back and loses no attempt. The failure is what an older coordinator
        /// is told.
        case unavailable(service: String?, retryAfter: Duration?, JobFailure)
        /// One for each job of the batch, in order.
        indirect case batch([Outcome])
    }

    /// What a slot does next.
    package enum Next: Sendable {
        case run(Job, deadline: Instant)
        case runBatch(BatchHandler, [Job], deadline: Instant)
        /// Nothing to do until it is woken.
        case wait
        /// Its task ends: it was cancelled, or the worker is over.
        case leave
    }

    /// Where the session stands.
    enum Phase: Equatable, Sendable {
        case unregistered
        /// Asked at `sentAt`, with this inventory.
        case registering(sentAt: Instant, inventory: [Register.Item])
        case registered
        /// Nothing is held, nothing will be said any more.
        case left
    }

    /// What is the same for the whole life of the worker.
    package struct Profile: Sendable {
        package var name: String
        package var incarnation: UInt64
        package var slots: Int
        package var prefetchMax: Int
        package var queues: [String]
        package var types: [String]
        /// Of the types whose jobs are handled many at once; each has its line.
        package var batches: [BatchShape]
        package var holdsNameLock: Bool
        package var drainTimeout: Duration
        /// How long a cancelled handler may take to end at shutdown.
        package var cancelGrace: Duration
        /// A handler that was told to stop so long ago is stuck.
        package var stuckAfter: Duration
        /// Stuck handlers whose slots other jobs may have.
        package var stuckHandlersMax: Int
        /// Enough jobs are fetched ahead for the slots to be busy so long.
        package var prefetchTarget: Duration

        package static let prefetchTarget = Duration.milliseconds(20)

        package init(
            name: String, incarnation: UInt64, slots: Int, prefetchMax: Int, queues: [String], types: [String],
            batches: [BatchShape] = [], holdsNameLock: Bool, drainTimeout: Duration, cancelGrace: Duration,
            stuckAfter: Duration = .seconds(5), stuckHandlersMax: Int = 0,
            prefetchTarget: Duration = Self.prefetchTarget
        ) {
            self.prefetchTarget = prefetchTarget
            self.stuckAfter = stuckAfter
            self.stuckHandlersMax = stuckHandlersMax
            self.name = name
            self.incarnation = incarnation
            self.slots = slots
            self.prefetchMax = prefetchMax
            self.queues = queues
            self.types = types
            self.batches = batches
            self.holdsNameLock = holdsNameLock
            self.drainTimeout = drainTimeout
            self.cancelGrace = cancelGrace
        }
    }

    /// Results that wait. Over it, nothing more is asked for.
    static let resultsMax = 4 * Report.itemsMax
    /// Bytes of results in one report.
    static let reportBytesMax = 1 << 20
    /// The most jobs that are asked for so that batches can fill.
    static let batchRoomMax = 4096

    package let profile: Profile
    var phase = Phase.unregistered
    /// Counts registrations. What was asked under an earlier one is void.
    package internal(set) var generation: UInt64 = 0
    var key: UInt64 = 0
    var heartbeatInterval = Duration.seconds(1)
    var leaseDuration = Duration.seconds(15) { didSet { self.planLeases() } }
    /// When the request was sent whose answer renewed the leases last.
    var renewedAt = Instant(nanoseconds: 0) { didSet { self.planLeases() } }
    /// When the leases end on this clock, unless they are renewed.
    private(set) var leasesEndAt = Instant(nanoseconds: 0)
    /// When handlers are cancelled so that they have stopped before their leases end.
    private(set) var cancelAt = Instant(nanoseconds: 0)

    var queue = Deque<Job>()
    /// Jobs that wait for their batch to fill.
    var lines: [BatchLine]
    /// Jobs in `lines`.
    var linedCount = 0
    /// The last that was started was a batch: a single job goes first.
    private var isSingleNext = false
    /// Jobs worth having in `lines`.
    let batchRoom: Int
    var slots: ContiguousArray<WorkerSlot>
    /// Slots to wake, the one that fell idle last on top. May name a slot that is no longer idle.
    var idleSlots: ContiguousArray<Int> = []
    /// Slots whose handler runs and whose job is still this node's.
    var runningCount = 0
    /// Slots whose handler runs although the job is no longer this node's.
    var abandonedCount = 0
    /// Of those, and of those told to stop whose job is still this node's: who does not.
    package internal(set) var stuckCount = 0
    /// Stuck handlers beside which another may run in their stead.
    var freedCount = 0

    var results: [Report.Item] = []
    /// Of the texts in `results`.
    var resultsTextBytes = 0
    /// Checkpoints that wait to be reported.
    var checkpoints: [PendingCheckpoint] = []
    var outstanding: OutstandingReport?
    /// What the coordinator can do.
    var features: PeerFeatures = []
    var clock = CoordinatorClock()
    /// When the first job that waits and must start in time is to be looked at.
    var startsDueAt = Instant.distantFuture
    var reportNumber: UInt64 = 0
    var heartbeatDue = Instant(nanoseconds: 0)
    var lastDelivery: UInt64 = 0
    var receivedTotal: UInt64 = 0
    var lastOrder: UInt64 = 0
    /// Jobs that may still come, whatever room there is; nil for no such limit.
    var admission: Int?

    /// The last order's wish for jobs back, and the last that was answered.
    var lastAsk: UInt64 = 0
    var answeredAsk: UInt64 = 0

    var isDraining = false
    var drainDeadline = Instant.distantFuture
    var graceDeadline = Instant.distantFuture
    /// When the ticker looks again. Moved forward only by a tick, so that jobs that come and go cost it no wakes.
    var plannedTick = Instant.distantFuture
    /// How long a handler takes, as a moving average over about 16 of them.
    var meanNanoseconds: Int64?
    /// When a handler began or ended last.
    var turnedAt = Instant(nanoseconds: 0)
    package internal(set) var counts = WorkerCounts()

    package init(_ profile: Profile) {
        precondition(profile.slots > 0, "a node needs at least one slot")
        self.profile = profile
        self.slots = ContiguousArray(repeating: WorkerSlot(), count: profile.slotsMax)
        self.lines = profile.batches.map { BatchLine($0) }
        // A slot itself asks for the first job of a batch.
        self.batchRoom = min(Self.batchRoomMax, profile.batches.reduce(0) { $0 + $1.jobsMax - 1 })
        self.planLeases()
    }

    private mutating func planLeases() {
        self.leasesEndAt = self.renewedAt + self.leaseDuration
        self.cancelAt = self.renewedAt + self.leaseDuration * 4 / 5
    }

    package var isRegistered: Bool { self.phase == .registered }
    package var isOver: Bool { self.phase == .left }
    /// Handlers that run, whether or not their jobs are still this node's.
    package var occupiedCount: Int { self.runningCount + self.abandonedCount }
    /// Whether nothing is about to happen but for handlers and the clock: every slot either runs one or waits to be
    /// woken, and all results are answered.
    package var isSettled: Bool {
        guard self.results.isEmpty, self.outstanding == nil else { return false }
        return self.slots.allSatisfy { slot in
            switch slot.state {
            case .idle: slot.isWaiting
            case .running, .cancelled, .abandoned: true
            case .vacant: false
            }
        }
    }

    // MARK: Slots

    /// A slot's handler has ended with `outcome`, or nothing ran; what now?
    package mutating func next(
        for slot: Int, after outcome: Outcome?, at now: Instant, into actions: inout [Action]
    ) -> Next {
        switch self.slots[slot].state {
        case .running:
            guard let outcome else { preconditionFailure("a running slot has an outcome") }
            self.measure(slot, until: now)
            self.turnedAt = now
            self.finish(slot, outcome, into: &actions)
            self.slots[slot].state = .idle
        case .cancelled:
            self.unstick(slot, into: &actions)
            // Stopped through no fault of its own: if it did not finish, it loses no attempt.
            self.finishCancelled(slot, outcome, into: &actions)
            self.vacate(slot, into: &actions)
            return .leave
        case .abandoned:
            self.unstick(slot, into: &actions)
            self.abandonedCount -= 1
            self.vacate(slot, into: &actions)
            return .leave
        case .idle: break
        case .vacant: preconditionFailure("the task of this slot has ended")
        }
        if self.isOver {
            self.slots[slot].state = .vacant
            return .leave
        }
        guard now < self.cancelAt, self.hasFreeSlot, let next = self.start(in: slot, at: now, into: &actions) else {
            self.slots[slot].isWaiting = true
            self.idleSlots.append(slot)
            // The last report of a drain may be due now.
            if self.isDraining, self.holdsNothing { actions.append(.wakeReporter) }
            return .wait
        }
        return next
    }

    /// Starts what is to be started next, if there is anything.
    private mutating func start(in slot: Int, at now: Instant, into actions: inout [Action]) -> Next? {
        if self.linedCount > 0, !self.isSingleNext || self.queue.isEmpty,
            let batch = self.startBatch(in: slot, at: now, into: &actions)
        {
            return batch
        }
        self.returnOverdue(at: now, into: &actions)
        guard let job = self.queue.popFirst() else { return nil }
        self.isSingleNext = false
        let deadline = now.advanced(by: job.kind.timeoutNanoseconds)
        self.slots[slot].start(at: now, deadline: deadline)
        self.slots[slot].hold(job)
        self.started(deadline, at: now, into: &actions)
        return .run(job, deadline: deadline)
    }

    private mutating func startBatch(in slot: Int, at now: Instant, into actions: inout [Action]) -> Next? {
        while let line = self.lines.firstIndex(where: { $0.isRipe(at: now) }) {
            let (jobs, overdue) = self.lines[line].take(at: now, self.clock)
            self.linedCount -= jobs.count + overdue.count
            for job in overdue { self.returnOverdue(job, into: &actions) }
            guard !jobs.isEmpty else { continue }
            self.isSingleNext = true
            let deadline = now + jobs.reduce(jobs[0].kind.timeout) { min($0, $1.kind.timeout) }
            self.slots[slot].start(at: now, deadline: deadline)
            for job in jobs { self.slots[slot].hold(job) }
            self.started(deadline, at: now, into: &actions)
            return .runBatch(jobs[0].kind.batch!, jobs, deadline: deadline)
        }
        return nil
    }

    /// What should have started by now goes back: the coordinator ends it as expired, or lets it through again.
    private mutating func returnOverdue(at now: Instant, into actions: inout [Action]) {
        while !self.queue.isEmpty, self.queue[0].isOverdue(at: now, self.clock), let job = self.queue.popFirst() {
            self.returnOverdue(job, into: &actions)
        }
    }

    private mutating func started(_ deadline: Instant, at now: Instant, into actions: inout [Action]) {
        self.runningCount += 1
        self.turnedAt = now
        self.planTick(at: deadline, into: &actions)
    }

    /// Of all jobs that its handler has, also of those that are no longer this node's.
    package func heldIDs(in slot: Int) -> [JobID] { self.slots[slot].held.map(\.id) }

    package func state(of slot: Int) -> WorkerSlot.State { self.slots[slot].state }

    /// Whether the task of this slot is to end, or has.
    package func mustEnd(_ slot: Int) -> Bool {
        switch self.slots[slot].state {
        case .idle: self.isOver
        case .running: false
        case .cancelled, .abandoned, .vacant: true
        }
    }

    /// A new task serves this slot. False if none is to.
    package mutating func restart(_ slot: Int) -> Bool {
        precondition(self.slots[slot].state == .vacant || self.slots[slot].state == .idle, "a slot has one task")
        guard !self.isOver else { return false }
        self.slots[slot].state = .idle
        return true
    }
}
