/// Everything about one registered node: its parked requests, credits, jobs, leases and frame numbers.
///
/// A pure value. Jobs that were assigned wait in `unsent` until a fetch takes them; a delivery leases them.
package struct NodeQueueCore: Sendable {
    /// A request of the node that waits for an answer; the actor knows which.
    package struct ExchangeID: Hashable, Sendable {
        package let rawValue: UInt64
        package init(rawValue: UInt64) { self.rawValue = rawValue }
    }

    package enum Action: Sendable {
        /// Answer a fetch with these leases.
        case deliver(ExchangeID, number: UInt64, LeaseRun)
        /// Answer a parked fetch with nothing: a later one took its place.
        case supersedeFetch(ExchangeID)
        case supersedeControl(ExchangeID)
        /// Tell the node that these leases have ended, and which jobs it is to give back.
        case order(ExchangeID, number: UInt64, drain: Bool, ended: [LeaseToken], ask: LiveAsk?)
        /// These jobs are free again, nothing happened to them.
        case giveBack([QueuedJob])
        /// What was asked for is here, or will not come.
        case askEnded(number: UInt64, gaveBack: Int)
        /// These attempts ended; to be made durable.
        case fail([FailedAttempt])
        /// The node is gone and its leases have ended.
        case died
    }

    /// A handler seen running under a lease.
    struct RunningHandler: Sendable {
        let id: JobID
        let sequence: UInt64
        let since: Instant
        let timeout: Duration
    }

    package let key: NodeKey
    package let id: NodeID
    package let slots: Int
    package let epoch: Epoch
    package let times: SessionTimes

    var unsent = Deque<QueuedJob>()
    var window = LeaseWindow()
    /// Of the last delivery sent, with the sequences it leased.
    var lastDelivery: (number: UInt64, sequences: Range<UInt64>)
    /// Whether the node is known to have received it.
    var isDelivered = true
    var parkedFetch: ExchangeID?
    var parkedControl: ExchangeID?
    /// Of the last order sent, with what it said, until the node is known to have received it.
    var lastOrder: (number: UInt64, drain: Bool, ended: [LeaseToken], ask: UInt64?) = (0, false, [], nil)
    /// Ended leases that the node has not been told of.
    var endedToTell: [LeaseToken] = []
    var isDrainWanted = false
    /// Jobs that the node is to give back, until it has answered; and whether it has not been told.
    package internal(set) var ask: LiveAsk?
    var isAskToTell = false
    /// Handlers that the node says are running.
    var running: [RunningHandler] = []
    /// Sequences under which leases of an earlier epoch go on.
    var claims: [LeaseToken: UInt64] = [:]

    package private(set) var lastHeard: Instant
    package private(set) var hasEnded = false
    package private(set) var isSilent = false
    package internal(set) var isDraining = false
    /// As the node last said, see ``Fetch`` in the wire protocol.
    package private(set) var creditTotal: UInt64 = 0
    package internal(set) var claimedTotal: UInt64 = 0
    /// Assigned jobs that went back before they were sent.
    package internal(set) var withdrawnTotal: UInt64 = 0
    /// Jobs that are over here: completed, given back, or lost.
    package internal(set) var settledTotal: UInt64 = 0
    package internal(set) var succeededTotal: UInt64 = 0
    package internal(set) var failedTotal: UInt64 = 0
    package internal(set) var steals = StealCounts()
    /// Whether it gives jobs back when it is asked to.
    package let givesBack: Bool
    /// How long jobs take there, as the node says; nil if it does not.
    package internal(set) var meanDuration: Duration?

    /// - Parameter lastDelivery: number of the last delivery that the node received before it registered.
    package init(
        key: NodeKey, id: NodeID, slots: Int, epoch: Epoch, times: SessionTimes, givesBack: Bool = false,
        lastDelivery: UInt64, at now: Instant
    ) {
        self.givesBack = givesBack
        self.key = key
        self.id = id
        self.slots = slots
        self.epoch = epoch
        self.times = times
        // Far from the end of the numbers, whatever the node says.
        self.lastDelivery = (min(lastDelivery, .max / 2), 0..<0)
        self.lastHeard = now
    }

    /// The credit that the dispatcher is to count with: it counts claims and withdrawn jobs as assigned.
    package var dispatchCreditTotal: UInt64 { self.creditTotal + self.claimedTotal + self.withdrawnTotal }
    package var isPaused: Bool { self.hasEnded || self.isSilent || self.isDraining }
    /// Handlers that ran when the node said so last.
    package var runningCount: Int { self.running.count }
    /// Jobs held, sent or not.
    package var heldCount: Int { self.unsent.count + self.window.count }
    package var leases: [(sequence: UInt64, job: QueuedJob)] { self.window.all }
    /// Those of `ids` that are held, sent or not.
    package func held(_ ids: Set<JobID>) -> [JobID] {
        self.window.held(ids) + (0..<self.unsent.count).map { self.unsent[$0].id }.filter(ids.contains)
    }
    package var unsentJobs: [QueuedJob] { (0..<self.unsent.count).map { self.unsent[$0] } }

    // MARK: Events

    /// Any sign of life.
    package mutating func heard(at now: Instant) {
        self.lastHeard = max(self.lastHeard, now)
        self.isSilent = false
    }

    /// This process could not listen for that long: the node's silence then does not count.
    package mutating func excuse(_ duration: Duration, at now: Instant) {
        self.lastHeard = max(self.lastHeard, min(now, self.lastHeard + duration))
    }

    /// The dispatcher gave it jobs.
    package mutating func assign(
        _ jobs: [QueuedJob], sequences: inout LeaseSequence, at now: Instant? = nil, into actions: inout [Action]
    ) {
        guard !self.isPaused else { return self.withdraw(jobs, into: &actions) }
        self.unsent.append(contentsOf: jobs)
        self.steals.tookOver += UInt64(jobs.count { $0.body.wasGivenBack })
        self.deliver(sequences: &sequences, at: now, into: &actions)
    }

    /// The node asks for jobs.
    package mutating func fetch(
        _ exchange: ExchangeID, lastDelivery received: UInt64, creditTotal: UInt64, sequences: inout LeaseSequence,
        at now: Instant, into actions: inout [Action]
    ) {
        self.heard(at: now)
        self.credit(total: creditTotal)
        if let parked = self.parkedFetch { actions.append(.supersedeFetch(parked)) }
        self.parkedFetch = exchange
        if received >= self.lastDelivery.number {
            self.isDelivered = true
        } else if !self.isDelivered {
            return self.redeliver(into: &actions)
        }
        self.deliver(sequences: &sequences, at: now, into: &actions)
    }

    /// What the node said last of its credit. A sum beyond all reason is cut, so that totals never overflow.
    package mutating func credit(total: UInt64) { self.creditTotal = min(total, .max / 4) }

    /// Which handlers run, from a heartbeat.
    package mutating func running(_ ids: [JobID], at now: Instant) {
        var known: [JobID: RunningHandler] = [:]
        for handler in self.running where self.window.job(at: handler.sequence)?.id == handler.id {
            known[handler.id] = handler
        }
        let new = Set(ids.filter { known[$0] == nil })
        if !new.isEmpty {
            for (sequence, job) in self.window.all where new.contains(job.id) {
                known[job.id] = RunningHandler(
                    id: job.id, sequence: sequence, since: now, timeout: job.body.traits.timeout)
            }
        }
        self.running = ids.compactMap { known.removeValue(forKey: $0) }
    }

    /// The node wants no more and gives back what it has not started.
    package mutating func drain(into actions: inout [Action]) {
        self.isDraining = true
        self.withdrawUnsent(into: &actions)
    }

    /// The coordinator wants the node to leave.
    package mutating func requestDrain(into actions: inout [Action]) {
        self.isDrainWanted = true
        self.tell(into: &actions)
    }

    /// Time passes: silence, the end of leases, handlers that hang.
    package mutating func tick(at now: Instant, random: () -> Double, into actions: inout [Action]) {
        guard !self.hasEnded else { return }
        let silence = now - self.lastHeard
        if silence >= self.times.leaseDuration { return self.die(into: &actions) }
        if silence >= self.times.silentAfter, !self.isSilent {
            self.isSilent = true
            self.withdrawUnsent(into: &actions)
        }
        self.endHungLeases(at: now, random: random, into: &actions)
    }

    /// The node process is known to be dead, or its leases have run out.
    package mutating func die(into actions: inout [Action]) {
        guard !self.hasEnded else { return }
        self.hasEnded = true
        self.withdrawUnsent(into: &actions)
        self.endAllLeases(into: &actions)
        self.releaseParked(into: &actions)
        actions.append(.died)
    }

    /// The node left in good order: what it held is given back.
    package mutating func leave(into actions: inout [Action]) {
        guard !self.hasEnded else { return }
        self.hasEnded = true
        self.withdrawUnsent(into: &actions)
        let held = self.window.all
        self.window = LeaseWindow()
        self.settledTotal += UInt64(held.count)
        if !held.isEmpty { actions.append(.giveBack(held.map(\.job.unmarked))) }
        self.releaseParked(into: &actions)
        actions.append(.died)
    }

    /// Ends the session without a word about its jobs: the next registration of the same process has them.
    /// What needs to be handed over must be copied before.
    package mutating func retire(into actions: inout [Action]) {
        self.hasEnded = true
        self.unsent.removeAll()
        self.window = LeaseWindow()
        self.releaseParked(into: &actions)
    }

    /// Ends the lease on one job; the node is told, the job is somebody else's.
    ///
    /// - Returns: whether there was such a lease.
    package mutating func revoke(_ id: JobID, into actions: inout [Action]) -> Bool {
        guard let lease = self.window.all.first(where: { $0.job.id == id }) else { return false }
        _ = self.window.remove(lease.sequence)
        self.settledTotal += 1
        self.tellEnded(lease.sequence)
        self.tell(into: &actions)
        return true
    }

    /// Gives up those of `ids`, ascending, that it holds: unsent jobs leave the queue, leases end and the node is told.
    ///
    /// - Returns: the jobs that it held.
    package mutating func revoke(_ ids: [JobID], into actions: inout [Action]) -> [QueuedJob] {
        var revoked: [QueuedJob] = []
        if self.unsentJobs.contains(where: { ids.holdsSorted($0.id) }) {
            var kept = Deque<QueuedJob>()
            while let job = self.unsent.popFirst() {
                if ids.holdsSorted(job.id) { revoked.append(job) } else { kept.append(job) }
            }
            self.unsent = kept
            self.withdrawnTotal += UInt64(revoked.count)
            self.settledTotal += UInt64(revoked.count)
        }
        for lease in self.window.all where ids.holdsSorted(lease.job.id) {
            _ = self.window.remove(lease.sequence)
            self.settledTotal += 1
            self.tellEnded(lease.sequence)
            revoked.append(lease.job)
        }
        self.tell(into: &actions)
        return revoked
    }

    /// Jobs that the dispatcher assigned here were taken away on the way.
    package mutating func forgo(_ count: Int) {
        self.withdrawnTotal += UInt64(count)
        self.settledTotal += UInt64(count)
    }

    // MARK: Deliveries

    mutating func deliver(sequences: inout LeaseSequence, at now: Instant?, into actions: inout [Action]) {
        guard let exchange = self.parkedFetch, self.isDelivered, !self.unsent.isEmpty, !self.hasEnded else { return }
        let count = self.deliverableCount
        var places = ContiguousArray<QueuedJob?>()
        places.reserveCapacity(count)
        for _ in 0..<count { places.append(self.unsent.popFirst()) }
        let run = LeaseRun(first: sequences.take(count), places: places)
        self.window.add(run, since: now)
        self.lastDelivery = (self.lastDelivery.number + 1, run.first..<run.first + UInt64(count))
        self.isDelivered = false
        self.parkedFetch = nil
        actions.append(.deliver(exchange, number: self.lastDelivery.number, run))
    }

    /// The last delivery was lost: the same one goes again.
    private mutating func redeliver(into actions: inout [Action]) {
        guard let exchange = self.parkedFetch else { return }
        self.parkedFetch = nil
        let run = self.window.run(of: self.lastDelivery.sequences)
        actions.append(.deliver(exchange, number: self.lastDelivery.number, run))
    }

    /// How many unsent jobs go into one delivery.
    private var deliverableCount: Int {
        var bytes = 0
        for offset in 0..<self.unsent.count {
            let more = self.unsent[offset].body.payload.count
            if offset > 0, bytes + more > Self.deliveryBytesMax { return offset }
            bytes += more + Self.jobOverhead
        }
        return self.unsent.count
    }

    /// Jobs go into one delivery until it holds this many bytes.
    package static let deliveryBytesMax = 256 * 1024
    private static let jobOverhead = 32

    // MARK: Endings

    private mutating func withdrawUnsent(into actions: inout [Action]) {
        let jobs = self.unsentJobs
        self.unsent.removeAll()
        self.withdraw(jobs, into: &actions)
    }

    mutating func withdraw(_ jobs: [QueuedJob], areAskedFor: Bool = false, into actions: inout [Action]) {
        guard !jobs.isEmpty else { return }
        self.withdrawnTotal += UInt64(jobs.count)
        self.settledTotal += UInt64(jobs.count)
        var jobs = jobs
        for place in jobs.indices { jobs[place].body.wasGivenBack = areAskedFor }
        actions.append(.giveBack(jobs))
    }

    private mutating func endAllLeases(into actions: inout [Action]) {
        let held = self.window.all
        let running = Set(self.running.map(\.sequence))
        var failed: [FailedAttempt] = []
        var free: [QueuedJob] = []
        for (place, lease) in held.enumerated() {
            // A node starts jobs in the order of delivery, so those that ran are among the first held.
            if place < self.slots || running.contains(lease.sequence) {
                failed.append(FailedAttempt(nodeDied: self.id.name, with: lease.job.unmarked))
            } else {
                free.append(lease.job.unmarked)
            }
        }
        self.window = LeaseWindow()
        self.settledTotal += UInt64(held.count)
        if !free.isEmpty { actions.append(.giveBack(free)) }
        if !failed.isEmpty { actions.append(.fail(failed)) }
    }

    private mutating func endHungLeases(at now: Instant, random: () -> Double, into actions: inout [Action]) {
        var failed: [FailedAttempt] = []
        for handler in self.running where now - handler.since > handler.timeout + self.times.leaseDuration {
            guard let job = self.window.remove(handler.sequence, of: handler.id) else { continue }
            self.settledTotal += 1
            self.tellEnded(handler.sequence)
            let failure = JobFailure(
                kind: "timeout", message: "ran past its timeout of \(handler.timeout) and did not stop")
            failed.append(FailedAttempt(failure, isRetryable: true, of: job, random: random()))
        }
        guard !failed.isEmpty else { return }
        self.failedTotal += UInt64(failed.count)
        actions.append(.fail(failed))
        self.tell(into: &actions)
    }

    private mutating func releaseParked(into actions: inout [Action]) {
        if let fetch = self.parkedFetch { actions.append(.supersedeFetch(fetch)) }
        if let control = self.parkedControl { actions.append(.supersedeControl(control)) }
        self.parkedFetch = nil
        self.parkedControl = nil
    }
}
