package import MartletCore
import MartletObservability
import MartletRuntime
import MartletStore
package import MartletTransport
package import MartletWire

/// One node's queue: carries out what its ``NodeQueueCore`` decides.
package actor NodeQueue {
    /// What all node queues of a coordinator share.
    package struct Context: Sendable {
        let loop: EventLoop
        let dispatcher: Dispatcher
        let commitLog: CommitLog
        let sequences: SharedLeaseSequence
        let log: Log
        let lanes: LaneDirectory
        let payloadMax: Int
        let metrics: ExecutionMetrics
        /// The queue's session is over and nothing is leased under it any more.
        let ended: @Sendable (NodeKey) async -> Void
    }

    /// What a report leads to.
    struct Settled {
        let settlement: NodeQueueCore.Settlement
        /// Saved in the same commit; their leases go on.
        let checkpoints: [Checkpoint]
        /// Services that turned handlers away, and for how long they want to be left alone.
        let unavailable: [Unavailable]

        struct Unavailable {
            let service: String
            let retryAfter: Duration?
            /// Whose handler was turned away.
            let job: JobID
        }

        /// What it weighs in a commit group beyond its items: jobs that come after, and the bytes that are left.
        var load: (jobs: Int, bytes: Int) {
            var jobs = 0
            var bytes = self.checkpoints.reduce(0) { $0 + $1.value.count }
            for (_, completion) in self.settlement.completed {
                jobs += completion.followUps.count
                bytes += completion.bytesCount
            }
            for attempt in self.settlement.failed { bytes += attempt.output.count }
            return (jobs, bytes)
        }
    }

    package nonisolated let registration: Register
    package nonisolated let key: NodeKey
    let context: Context
    var core: NodeQueueCore
    /// Handlers that do not stop, as the node said last.
    private var stuck: UInt32 = 0
    /// Parked requests by the number that the core knows them by.
    private var parked: [UInt64: any IncomingRequest] = [:]
    private var lastExchange: UInt64 = 0
    /// Number of the last delivery that was counted.
    private var lastCounted: UInt64 = 0
    /// What running handlers say of themselves.
    private(set) var progress: [JobID: Report.Progress] = [:]
    /// Number of the last report taken and when it came, with its answer once that is durable.
    var lastReport: (number: UInt64, heardAt: Instant, reply: Bytes?) = (0, Instant(nanoseconds: 0), nil)
    var reportRequest: (any IncomingRequest)?
    /// A parked request for tokens of services, and since when.
    var acquisition: (message: Acquire, request: any IncomingRequest, since: Instant)?

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.context.loop.asUnownedSerialExecutor() }

    package init(registration: Register, core: NodeQueueCore, context: Context) {
        self.registration = registration
        self.key = core.key
        self.core = core
        self.context = context
    }

    // MARK: Requests of the node

    package func fetch(_ fetch: Fetch, request: any IncomingRequest) async {
        guard !self.core.hasEnded else { return request.refuse(.unknownNode, "this registration has ended") }
        var actions: [NodeQueueCore.Action] = []
        self.context.sequences.withValue { sequences in
            self.core.fetch(
                self.park(request), lastDelivery: fetch.lastDelivery, creditTotal: fetch.creditTotal,
                sequences: &sequences, at: self.context.loop.now, into: &actions)
        }
        await self.perform(actions)
        await self.tellDispatcher()
        await self.context.dispatcher.turn()
    }

    package func control(_ control: Control, request: any IncomingRequest) async {
        guard !self.core.hasEnded else { return request.refuse(.unknownNode, "this registration has ended") }
        var actions: [NodeQueueCore.Action] = []
        let wasPaused = self.core.isPaused
        self.core.control(
            self.park(request), lastOrder: control.lastOrder, at: self.context.loop.now, into: &actions)
        await self.perform(actions)
        if wasPaused != self.core.isPaused { await self.tellDispatcher() }
    }

    package func report(_ report: Report, request: any IncomingRequest) async {
        guard !self.core.hasEnded else { return request.refuse(.unknownNode, "this registration has ended") }
        self.core.heard(at: self.context.loop.now)
        guard report.number > self.lastReport.number else { return self.repeatReply(to: report, request: request) }
        self.reportRequest?.refuse(.invalidRequest, "a later report took its place")
        self.reportRequest = request
        self.lastReport = (report.number, self.context.loop.now, nil)
        self.stuck = report.stuck
        self.core.credit(total: report.creditTotal)
        self.core.running(Array(report.running), at: self.context.loop.now)
        if let standing = report.standing { self.core.took(mean: standing.meanDuration) }
        self.note(report)
        let settled = self.settle(report)
        let settlement = settled.settlement
        var actions: [NodeQueueCore.Action] = []
        if report.isDraining, !self.core.isDraining { self.core.drain(into: &actions) }
        if let answered = report.standing?.answeredAsk { self.core.answered(answered, into: &actions) }
        let closings = await self.leaveAlone(settled.unavailable)
        await self.tellSettled(settlement.succeeded, haveSucceeded: true)
        await self.tellSettled(settlement.completed.map(\.job), haveSucceeded: true)
        await self.tellSettled(settlement.failed.map(\.job))
        await self.commit(settled, closings: closings, of: report)
        await self.context.dispatcher.giveBack(settlement.returned)
        await self.perform(actions)
        await self.tellDispatcher()
        await self.context.dispatcher.turn()
        // Else it leaves when its last results are durable and it has been told so.
        if report.isLast, self.lastReport.reply != nil { await self.leave() }
    }

    private func note(_ report: Report) {
        guard !self.progress.isEmpty || !report.progress.isEmpty else { return }
        let running = Set(report.running)
        for progress in report.progress where running.contains(progress.id) { self.progress[progress.id] = progress }
        self.progress = self.progress.filter { running.contains($0.key) }
    }

    private func park(_ request: any IncomingRequest) -> NodeQueueCore.ExchangeID {
        self.lastExchange += 1
        self.parked[self.lastExchange] = request
        return NodeQueueCore.ExchangeID(rawValue: self.lastExchange)
    }

    private func repeatReply(to report: Report, request: any IncomingRequest) {
        guard report.number == self.lastReport.number else {
            return request.refuse(
                .invalidRequest, "report \(report.number) came after report \(self.lastReport.number)")
        }
        if let reply = self.lastReport.reply {
            request.reply(reply)
        } else {
            self.reportRequest?.refuse(.invalidRequest, "the same report came again")
            self.reportRequest = request
        }
    }

    // MARK: Dispatch

    package func assign(_ jobs: [QueuedJob]) async {
        var actions: [NodeQueueCore.Action] = []
        self.context.sequences.withValue {
            self.core.assign(jobs, sequences: &$0, at: self.context.loop.now, into: &actions)
        }
        await self.perform(actions)
        if self.core.isPaused { await self.tellDispatcher() }
    }

    func tellDispatcher() async {
        await self.context.dispatcher.nodeChanged(self.key, self.core.standing)
    }

    /// Leases on these jobs have ended: their places under a limit are free.
    private func tellSettled(_ jobs: [QueuedJob], haveSucceeded: Bool = false) async {
        var counted: [JobID] = []
        for job in jobs where job.body.traits.isCounted { counted.append(job.id) }
        guard !counted.isEmpty else { return }
        await self.context.dispatcher.settled(counted, haveSucceeded: haveSucceeded)
    }

    /// These jobs are over, and that is durable: those of their key that wait for it may run.
    func tellEnded(_ jobs: [QueuedJob]) async {
        var ordered: [ReadyJob] = []
        for job in jobs where job.body.traits.isCounted {
            guard let share = job.share, share.isOrdered else { continue }
            ordered.append(ReadyJob(id: job.id, lane: job.lane, share: share))
        }
        if !ordered.isEmpty { await self.context.dispatcher.ended(ordered) }
    }

    // MARK: Beginning and end

    /// Leases jobs that the node proved, by a token each, to hold from an earlier epoch.
    package func claim(_ jobs: [QueuedJob], proofs: [LeaseToken]) async -> [LeaseToken] {
        let tokens = self.context.sequences.withValue { self.core.claim(jobs, proofs: proofs, sequences: &$0) }
        await self.context.dispatcher.nodeClaimed(self.key, count: jobs.count, suspect: self.core.suspect)
        await self.tellDispatcher()
        return tokens
    }

    /// Takes over from the same process's registration before; the dispatcher must know this one already.
    package func adopt(_ earlier: NodeQueueCore) async {
        let free = self.core.adopt(earlier, inventory: Set(self.registration.inventory.map(\.token)))
        await self.context.dispatcher.nodeClaimed(
            self.key, count: Int(self.core.claimedTotal), suspect: self.core.suspect)
        await self.tellDispatcher()
        await self.context.dispatcher.giveBack(free)
    }

    /// Ends this registration in favour of the next one of the same process, which gets its state.
    package func handOver() async -> NodeQueueCore {
        let core = self.core
        var actions: [NodeQueueCore.Action] = []
        self.core.retire(into: &actions)
        await self.perform(actions)
        return core
    }

    /// The lease under which the node holds this item of its inventory, if it does.
    package func lease(of item: Register.Item) -> LeaseToken? { self.core.lease(of: item.id, named: item.token) }

    /// Another node proved a later lease on this job. Returns whether this one had it still.
    package func revoke(_ id: JobID) async -> Bool {
        var actions: [NodeQueueCore.Action] = []
        guard self.core.revoke(id, into: &actions) else { return false }
        await self.perform(actions)
        await self.tellDispatcher()
        return true
    }

    /// These jobs, ids ascending, are nobody's any more, and that is durable. Returns those that it held.
    package func revoke(_ ids: [JobID]) async -> [JobID] {
        var actions: [NodeQueueCore.Action] = []
        let revoked = self.core.revoke(ids, into: &actions)
        guard !revoked.isEmpty else { return [] }
        await self.perform(actions)
        await self.tellSettled(revoked)
        await self.tellEnded(revoked)
        await self.tellDispatcher()
        return revoked.map(\.id)
    }

    /// Jobs assigned here were taken away before they came.
    package func forgo(_ count: Int) async {
        self.core.forgo(count)
        await self.tellDispatcher()
    }

    package func die() async {
        var actions: [NodeQueueCore.Action] = []
        self.core.die(into: &actions)
        await self.perform(actions)
    }

    func leave() async {
        var actions: [NodeQueueCore.Action] = []
        self.core.leave(into: &actions)
        await self.perform(actions)
    }

    package func requestDrain() async {
        var actions: [NodeQueueCore.Action] = []
        self.core.requestDrain(into: &actions)
        await self.perform(actions)
    }

    package func excuse(_ duration: Duration) { self.core.excuse(duration, at: self.context.loop.now) }

    package func tick() async {
        let wasPaused = self.core.isPaused
        var actions: [NodeQueueCore.Action] = []
        let loop = self.context.loop
        self.core.tick(at: loop.now, random: loop.randomUnit, into: &actions)
        if !wasPaused, self.core.isSilent {
            self.context.log(.warning, "node is silent", [.node: self.registration.name])
        }
        await self.perform(actions)
        if wasPaused != self.core.isPaused || !actions.isEmpty { await self.tellDispatcher() }
    }

    // MARK: Carrying out

    func perform(_ actions: [NodeQueueCore.Action]) async {
        for action in actions {
            switch action {
            case .deliver(let exchange, let number, let run):
                if number > self.lastCounted { self.context.metrics.started(run.places.count) }
                self.lastCounted = max(self.lastCounted, number)
                self.take(exchange)?.reply(self.delivery(number, run))
            case .supersedeFetch(let exchange):
                let empty = Delivery(number: 0, epoch: self.core.epoch, templates: [], jobs: [])
                self.take(exchange)?.reply(empty.encoded())
            case .supersedeControl(let exchange):
                self.take(exchange)?.reply(Order(number: 0).encoded())
            case .order(let exchange, let number, let drain, let ended, let ask):
                let wish = ask.map { self.wish($0) }
                self.take(exchange)?.reply(Order(number: number, drain: drain, ended: ended, ask: wish).encoded())
            case .askEnded(let number, let gaveBack):
                await self.context.dispatcher.askEnded(self.key, number: number, gaveBack: gaveBack)
            case .giveBack(let jobs):
                await self.context.dispatcher.giveBack(jobs)
            case .fail(let failed):
                await self.commitFailed(failed)
            case .died:
                self.acquisition?.request.refuse(.unknownNode, "this registration has ended")
                self.acquisition = nil
                await self.context.ended(self.key)
            }
        }
    }

    private func commitFailed(_ failed: [FailedAttempt]) async {
        let due = self.dueTimes(of: failed)
        let change = Change.update(self.updates(failed, due: due))
        await self.tellSettled(failed.map(\.job))
        await self.context.commitLog.append([change], kind: .essential, jobs: failed.count) { result in
            guard case .success(let outcomes) = result else { return }
            await self.carryOn(failed, due: due, missing: Self.missing(outcomes))
        }
    }

    private func take(_ exchange: NodeQueueCore.ExchangeID) -> (any IncomingRequest)? {
        self.parked.removeValue(forKey: exchange.rawValue)
    }

    // MARK: Seeing inside

    package func view() -> NodeView {
        let status: NodeView.Status = self.core.isDraining ? .draining : self.core.isSilent ? .silent : .live
        return NodeView(
            name: self.registration.name, incarnation: self.registration.incarnation, status: status,
            slots: self.registration.slots, queues: self.registration.queues.map(\.text),
            types: self.registration.types.map(\.text),
            leased: UInt32(clamping: self.core.heldCount), sinceHeard: self.context.loop.now - self.core.lastHeard,
            succeededTotal: self.core.succeededTotal, failedTotal: self.core.failedTotal, stuck: self.stuck,
            steals: self.core.steals)
    }

    /// Jobs that it holds and had not started when it said so last.
    package var unstartedCount: Int { max(0, self.core.heldCount - self.core.runningCount) }

    /// How many jobs it holds of each lane.
    package func heldByLane() -> [(lane: LaneID, count: Int)] {
        var counts: [LaneID: Int] = [:]
        for (_, job) in self.core.leases { counts[job.lane, default: 0] += 1 }
        for job in self.core.unsentJobs { counts[job.lane, default: 0] += 1 }
        return counts.sorted { $0.key < $1.key }.map { (lane: $0.key, count: $0.value) }
    }

    package func held(_ ids: Set<JobID>) -> [JobID] { self.core.held(ids) }
    package func heldJobs() -> [JobID] { self.core.leases.map(\.job.id) + self.core.unsentJobs.map(\.id) }

    package func checkInvariants() { self.core.checkInvariants() }
}
