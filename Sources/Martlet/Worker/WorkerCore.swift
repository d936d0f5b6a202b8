package import MartletCore
import MartletWire

/// Decides what a worker does: which job a slot runs, what it reports and asks for, when a job is no longer its own.
///
/// A pure value, shared by the slots and the session behind one lock. Every job that the node holds is in exactly one
/// of four places: `queue`, a slot, `results`, or the report under way.
package struct WorkerCore: Sendable {
    /// A job as it was delivered.
    package struct Job: Sendable {
        package let id: JobID
        package internal(set) var token: LeaseToken
        package let attempt: UInt16
        package let payload: Bytes
        package let kind: JobKind

        package init(id: JobID, token: LeaseToken, attempt: UInt16, payload: Bytes, kind: JobKind) {
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
        case failed(JobFailure, isRetryable: Bool)
    }

    /// What a slot does next.
    package enum Next: Sendable {
        case run(Job, deadline: Instant)
        /// Nothing to do until it is woken.
        case wait
        /// Its task ends: it was cancelled, or the worker is over.
        case leave
    }

    package enum Action: Equatable, Sendable {
        /// A slot that waits may find a job.
        case wakeSlot(Int)
        /// Cancel the task of this slot; another takes its place when it has ended.
        case cancelSlot(Int)
        case wakeReporter
        case wakeTicker
        /// The registration has ended, or the worker is over: look again.
        case interruptSession
        /// To be logged.
        case note(Note)
    }

    package enum Note: Equatable, Sendable {
        case timedOut(JobID)
        /// A result came too late: the lease had ended.
        case refused(JobID)
        /// The coordinator took jobs away.
        case ended(count: Int)
        /// The coordinator was out of reach for so long that this many leases ended.
        case leasesLost(count: Int)
        /// The coordinator is out of reach, and the leases end soon: so many handlers were cancelled.
        case leasesEnding(count: Int)
        case drainStarted(running: Int)
        case drainTimedOut(running: Int)
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
        package var holdsNameLock: Bool
        package var drainTimeout: Duration
        /// How long a cancelled handler may take to end at shutdown.
        package var cancelGrace: Duration

        package init(
            name: String, incarnation: UInt64, slots: Int, prefetchMax: Int, queues: [String], types: [String],
            holdsNameLock: Bool, drainTimeout: Duration, cancelGrace: Duration
        ) {
            self.name = name
            self.incarnation = incarnation
            self.slots = slots
            self.prefetchMax = prefetchMax
            self.queues = queues
            self.types = types
            self.holdsNameLock = holdsNameLock
            self.drainTimeout = drainTimeout
            self.cancelGrace = cancelGrace
        }
    }

    /// Results that wait. Over it, nothing more is asked for.
    static let resultsMax = 4 * Report.itemsMax
    /// Bytes of results in one report.
    static let reportBytesMax = 1 << 20
    /// Enough jobs are fetched ahead for the slots to be busy so long.
    static let prefetchTarget = Duration.milliseconds(20)

    package let profile: Profile
    var phase = Phase.unregistered
    /// Counts registrations. What was asked under an earlier one is void.
    package internal(set) var generation: UInt64 = 0
    var key: UInt64 = 0
    var heartbeatInterval = Duration.seconds(1)
    var leaseDuration = Duration.seconds(15)
    /// When the request was sent whose answer renewed the leases last.
    var renewedAt = Instant(nanoseconds: 0)

    var queue = Deque<Job>()
    var slots: ContiguousArray<WorkerSlot>
    /// Slots to wake, the one that fell idle last on top. May name a slot that is no longer idle.
    var idleSlots: ContiguousArray<Int> = []
    /// Slots whose handler runs and whose job is still this node's.
    var runningCount = 0
    /// Slots whose handler runs although the job is no longer this node's.
    var abandonedCount = 0

    var results: [Report.Item] = []
    /// Of the texts in `results`.
    var resultsTextBytes = 0
    var outstanding: OutstandingReport?
    var reportNumber: UInt64 = 0
    var heartbeatDue = Instant(nanoseconds: 0)
    var lastDelivery: UInt64 = 0
    var receivedTotal: UInt64 = 0
    var lastOrder: UInt64 = 0
    /// Jobs that may still come, whatever room there is; nil for no such limit.
    var admission: Int?

    var isDraining = false
    var drainDeadline = Instant.distantFuture
    var graceDeadline = Instant.distantFuture
    /// When the ticker looks again. Moved forward only by a tick, so that jobs that come and go cost it no wakes.
    var plannedTick = Instant.distantFuture
    /// How long a handler takes, as a moving average over about 16 of them.
    var meanNanoseconds: Int64?
    package internal(set) var counts = WorkerCounts()

    package init(_ profile: Profile) {
        precondition(profile.slots > 0, "a node needs at least one slot")
        self.profile = profile
        self.slots = ContiguousArray(repeating: WorkerSlot(), count: profile.slots)
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
            self.measure(now - self.slots[slot].startedAt)
            self.finish(slot, outcome, into: &actions)
            self.slots[slot].state = .idle
        case .cancelled:
            // Stopped through no fault of its own: if it did not finish, it loses no attempt.
            if case .succeeded = outcome {
                self.finish(slot, .succeeded, into: &actions)
            } else {
                self.runningCount -= 1
                self.record(self.slots[slot].item(.returned), into: &actions)
            }
            self.vacate(slot, into: &actions)
            return .leave
        case .abandoned:
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
        guard now < self.cancelAt, let job = self.queue.popFirst() else {
            self.slots[slot].isWaiting = true
            self.idleSlots.append(slot)
            // The last report of a drain may be due now.
            if self.isDraining, self.holdsNothing { actions.append(.wakeReporter) }
            return .wait
        }
        return self.start(job, in: slot, at: now, into: &actions)
    }

    private mutating func start(_ job: Job, in slot: Int, at now: Instant, into actions: inout [Action]) -> Next {
        let deadline = now + job.kind.timeout
        self.slots[slot].start(job, at: now, deadline: deadline)
        self.runningCount += 1
        if deadline < self.plannedTick {
            self.plannedTick = deadline
            actions.append(.wakeTicker)
        }
        return .run(job, deadline: deadline)
    }

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

    private mutating func finish(_ slot: Int, _ outcome: Outcome, into actions: inout [Action]) {
        self.runningCount -= 1
        switch outcome {
        case .succeeded:
            self.counts.succeeded += 1
            self.record(self.slots[slot].item(.succeeded), into: &actions)
        case .failed(let failure, let isRetryable):
            self.counts.failed += 1
            self.record(self.slots[slot].item(.failed(failure, isRetryable: isRetryable)), into: &actions)
        }
    }

    private mutating func vacate(_ slot: Int, into actions: inout [Action]) {
        self.slots[slot].state = .vacant
        if self.isDraining { actions.append(.wakeReporter) }
    }

    mutating func record(_ item: Report.Item, into actions: inout [Action]) {
        switch item.result {
        case .succeeded: break
        case .returned: self.counts.returned += 1
        case .failed(let failure, _): self.resultsTextBytes += failure.kind.utf8.count + failure.message.utf8.count
        }
        if self.results.isEmpty { actions.append(.wakeReporter) }
        self.results.append(item)
    }

    private mutating func measure(_ duration: Duration) {
        let sample = duration.wholeNanoseconds
        self.meanNanoseconds = self.meanNanoseconds.map { $0 + (sample - $0) / 16 } ?? sample
    }

    // MARK: Room

    /// Jobs worth holding beyond those that run: enough to hide a round trip, none where jobs take long.
    package var prefetch: Int {
        guard let mean = self.meanNanoseconds else { return 0 }
        let target = Self.prefetchTarget.wholeNanoseconds
        guard mean < target else { return 0 }
        return min(self.profile.prefetchMax, Int(Int64(self.profile.slots) * target / max(mean, 1)))
    }

    /// Jobs that it is willing to have received in all under this registration.
    var creditTotal: UInt64 {
        let reported = self.outstanding?.items.count ?? 0
        guard !self.isDraining, self.results.count + reported < Self.resultsMax else { return self.receivedTotal }
        let room = self.profile.slots - self.abandonedCount + self.prefetch - self.queue.count - self.runningCount
        return self.receivedTotal + UInt64(max(min(room, self.admission ?? room), 0))
    }

    /// Accepts so many more jobs and no more, nil for as many as there is room for.
    package mutating func admit(_ count: Int?, at now: Instant, into actions: inout [Action]) {
        self.admission = count
        // The coordinator hears of the new credit with the next report.
        self.heartbeatDue = now
        actions.append(.wakeReporter)
    }

    /// When the leases end on this clock, unless they are renewed.
    var leasesEndAt: Instant { self.renewedAt + self.leaseDuration }

    /// When handlers are cancelled so that they have stopped before their leases end.
    var cancelAt: Instant { self.renewedAt + self.leaseDuration * 4 / 5 }

    /// Whether anything is held under a lease; an unanswered heartbeat alone is nothing.
    var holdsLeases: Bool {
        !self.queue.isEmpty || self.runningCount > 0 || !self.results.isEmpty
            || !(self.outstanding?.items.isEmpty ?? true)
    }

    /// Neither jobs nor results, nor a report without answer.
    package var holdsNothing: Bool {
        self.queue.isEmpty && self.runningCount == 0 && self.results.isEmpty && self.outstanding == nil
    }
}

/// The right to run one handler, and the job that uses it.
package struct WorkerSlot: Sendable {
    package enum State: Sendable {
        /// Its task waits for a job, or is about to ask for one.
        case idle
        case running
        /// Its handler was told to stop; how it ends still counts.
        case cancelled
        /// Its handler was told to stop; the job is no longer this node's.
        case abandoned
        /// Its task has ended.
        case vacant
    }

    var state = State.idle
    var isWaiting = false
    private(set) var id = JobID(rawValue: 0)
    var token = LeaseToken(epoch: Epoch(rawValue: 0), sequence: 0)
    private(set) var startedAt = Instant(nanoseconds: 0)
    private(set) var deadline = Instant.distantFuture

    /// Its job is still this node's.
    var holdsJob: Bool { self.state == .running || self.state == .cancelled }

    mutating func start(_ job: WorkerCore.Job, at now: Instant, deadline: Instant) {
        self.state = .running
        self.isWaiting = false
        self.id = job.id
        self.token = job.token
        self.startedAt = now
        self.deadline = deadline
    }

    func item(_ result: Report.Item.Result) -> Report.Item {
        Report.Item(id: self.id, token: self.token, result: result)
    }
}

/// A report that has not been answered.
struct OutstandingReport: Sendable {
    let number: UInt64
    let items: [Report.Item]
    let isLast: Bool
    /// The same at each try.
    let frame: Bytes
}
