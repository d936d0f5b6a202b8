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
        /// The queue's session is over and nothing is leased under it any more.
        let ended: @Sendable (NodeKey) async -> Void
    }

    /// What a report leads to.
    private struct Settled {
        let settlement: NodeQueueCore.Settlement
        /// Saved in the same commit; their leases go on.
        let checkpoints: [Checkpoint]
    }

    package nonisolated let registration: Register
    package nonisolated let key: NodeKey
    private let context: Context
    private var core: NodeQueueCore
    /// Parked requests by the number that the core knows them by.
    private var parked: [UInt64: any IncomingRequest] = [:]
    private var lastExchange: UInt64 = 0
    /// What running handlers say of themselves.
    private(set) var progress: [JobID: Report.Progress] = [:]
    /// Number of the last report taken, with its answer once that is durable.
    private var lastReport: (number: UInt64, reply: Bytes?) = (0, nil)
    private var reportRequest: (any IncomingRequest)?

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
        self.lastReport = (report.number, nil)
        self.core.credit(total: report.creditTotal)
        self.core.running(report.running, at: self.context.loop.now)
        self.note(report)
        let settled = self.settle(report)
        let settlement = settled.settlement
        var actions: [NodeQueueCore.Action] = []
        if report.isDraining, !self.core.isDraining { self.core.drain(into: &actions) }
        await self.tellSettled(settlement.succeeded)
        await self.tellSettled(settlement.completed.map(\.job))
        await self.tellSettled(settlement.failed.map(\.job))
        await self.commit(settled, of: report)
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

    // MARK: Results

    private func settle(_ report: Report) -> Settled {
        var settlement = NodeQueueCore.Settlement()
        settlement.verdicts.reserveCapacity(report.items.count)
        var checkpoints: [Checkpoint] = []
        let loop = self.context.loop
        for item in report.items {
            let result: NodeQueueCore.Result
            switch item.result {
            case .succeeded: result = .succeeded
            case .completed(let completion):
                let problem = FollowUps.problem(
                    with: completion, lanes: self.context.lanes, payloadMax: self.context.payloadMax)
                result =
                    problem.map { .failed(JobFailure(kind: "completion", message: $0), isRetryable: true) }
                    ?? .completed(completion)
            case .failed(let failure, let isRetryable, let output):
                result = .failed(failure, isRetryable: isRetryable, output: output)
            case .returned: result = .returned
            case .checkpoint(let value):
                let job = self.core.checkpoint(item.id, under: item.token)
                settlement.verdicts.append(job == nil ? .refused : .accepted)
                if let job {
                    checkpoints.append(
                        Checkpoint(id: job.id, lane: job.lane, revision: job.body.revision, value: value))
                }
                continue
            }
            self.core.settle(
                item.id, under: item.token, result: result, random: loop.randomUnit, into: &settlement)
        }
        let refused = settlement.verdicts.count { $0 != .accepted }
        if refused > 0 {
            self.context.log(
                .warning, "results refused: their leases had ended", [.node: self.registration.name, .count: refused])
        }
        return Settled(settlement: settlement, checkpoints: checkpoints)
    }

    private func commit(_ settled: Settled, of report: Report) async {
        let settlement = settled.settlement
        var changes: [Change] = []
        if !settled.checkpoints.isEmpty { changes.append(.checkpoint(settled.checkpoints)) }
        if !settlement.succeeded.isEmpty {
            changes.append(
                .succeed(
                    settlement.succeeded.map {
                        SucceededJob(
                            id: $0.id, lane: $0.lane, keptFor: $0.body.traits.keptFor, revision: $0.body.revision)
                    }))
        }
        if !settlement.completed.isEmpty { changes.append(.succeed(settlement.completed.map(self.completed))) }
        let dueTimes = self.dueTimes(of: settlement.failed)
        if !settlement.failed.isEmpty { changes.append(.update(self.updates(settlement.failed, due: dueTimes))) }
        guard !changes.isEmpty else { return self.answer(report.number, settlement.verdicts, missing: [], in: report) }
        await self.context.commitLog.append(changes, kind: .essential, jobs: report.items.count) { result in
            guard case .success(let outcomes) = result else { return }
            let missing = Self.missing(outcomes)
            await self.tellEnded(settlement.succeeded + settlement.completed.map(\.job))
            await self.carryOn(settlement.failed, due: dueTimes, missing: missing)
            await self.answer(report.number, settlement.verdicts, missing: missing, in: report)
            if report.isLast { await self.leave() }
        }
    }

    private func completed(_ job: QueuedJob, _ completion: Completion) -> SucceededJob {
        let now = self.context.loop.wallTime
        let followUps = FollowUps.jobs(of: completion, lanes: self.context.lanes, at: now)
        return SucceededJob(
            id: job.id, lane: job.lane, keptFor: job.body.traits.keptFor, revision: job.body.revision,
            details: SucceededJob.Details(result: completion.result, followUps: followUps))
    }

    private func answer(
        _ number: UInt64, _ verdicts: [NodeQueueCore.Verdict], missing: Set<JobID>, in report: Report
    ) {
        let told = verdicts.enumerated().map { place, verdict -> ReportReply.Verdict in
            switch verdict {
            case .accepted: missing.contains(report.items[place].id) ? .refused : .accepted
            case .refused: .refused
            case .unknown: .unknown
            }
        }
        let reply = ReportReply(number: number, verdicts: told).encoded()
        guard self.lastReport.number == number else { return }
        self.lastReport.reply = reply
        self.reportRequest?.reply(reply)
        self.reportRequest = nil
    }

    /// When each failed job is due again; nil for those that are not scheduled.
    private func dueTimes(of failed: [FailedAttempt]) -> [WallTime?] {
        let now = self.context.loop.wallTime
        return failed.map { attempt in
            if case .retry(let wait) = attempt.next { now + wait } else { nil }
        }
    }

    private func updates(_ failed: [FailedAttempt], due: [WallTime?]) -> [JobUpdate] {
        let now = self.context.loop.wallTime
        return zip(failed, due).map { attempt, due in
            let state: JobState =
                switch attempt.next {
                case .retry: .scheduled
                case .again: .ready
                case .dead: .dead
                }
            let number = UInt32(attempt.history.failures) + UInt32(attempt.history.nodeDeaths)
            let record = AttemptRecord(
                number: number, endedAt: now, node: self.registration.name, failure: attempt.failure,
                output: attempt.output)
            return JobUpdate(
                id: attempt.job.id, lane: attempt.job.lane, revision: attempt.job.body.revision, state: state, due: due,
                history: attempt.history, failure: attempt.failure, attempt: record,
                keptFor: attempt.job.body.traits.retention.dead)
        }
    }

    /// What a commit did not find: it had ended, or was cancelled, meanwhile.
    private static func missing(_ outcomes: [ChangeOutcome]) -> Set<JobID> {
        var missing: Set<JobID> = []
        for case .applied(let ids) in outcomes { missing.formUnion(ids) }
        return missing
    }

    /// What follows once the end of these attempts is durable.
    private func carryOn(_ failed: [FailedAttempt], due: [WallTime?], missing: Set<JobID>) async {
        for (attempt, due) in zip(failed, due) {
            guard !missing.contains(attempt.job.id) else {
                await self.tellEnded([attempt.job])
                continue
            }
            switch attempt.next {
            case .retry:
                await self.context.dispatcher.schedule(
                    ScheduledJob(
                        due: due!, id: attempt.job.id, lane: attempt.job.lane, share: attempt.job.share))
            case .again:
                var job = attempt.job
                job.body.history = attempt.history
                await self.context.dispatcher.giveBack([job])
            case .dead:
                await self.tellEnded([attempt.job])
                self.context.log(
                    .warning, "job is dead",
                    [.job: attempt.job.id, .type: attempt.job.body.traits.key.type, .cause: attempt.failure.kind])
            }
        }
    }

    // MARK: Dispatch

    package func assign(_ jobs: [QueuedJob]) async {
        var actions: [NodeQueueCore.Action] = []
        self.context.sequences.withValue { self.core.assign(jobs, sequences: &$0, into: &actions) }
        await self.perform(actions)
        if self.core.isPaused { await self.tellDispatcher() }
    }

    private func tellDispatcher() async {
        await self.context.dispatcher.nodeChanged(
            self.key, creditTotal: self.core.dispatchCreditTotal, settledTotal: self.core.settledTotal,
            isPaused: self.core.isPaused)
    }

    /// Leases on these jobs have ended: their places under a limit are free.
    private func tellSettled(_ jobs: [QueuedJob]) async {
        let counted = jobs.filter(\.body.traits.isCounted)
        if !counted.isEmpty { await self.context.dispatcher.settled(counted.map(\.id)) }
    }

    /// These jobs are over, and that is durable: those of their key that wait for it may run.
    private func tellEnded(_ jobs: [QueuedJob]) async {
        let ordered = jobs.filter { $0.share?.isOrdered ?? false }
        if !ordered.isEmpty {
            await self.context.dispatcher.ended(ordered.map { ReadyJob(id: $0.id, lane: $0.lane, share: $0.share) })
        }
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

    private func leave() async {
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

    private func perform(_ actions: [NodeQueueCore.Action]) async {
        for action in actions {
            switch action {
            case .deliver(let exchange, let number, let leases):
                self.take(exchange)?.reply(self.delivery(number, leases).encoded())
            case .supersedeFetch(let exchange):
                let empty = Delivery(number: 0, epoch: self.core.epoch, templates: [], jobs: [])
                self.take(exchange)?.reply(empty.encoded())
            case .supersedeControl(let exchange):
                self.take(exchange)?.reply(Order(number: 0).encoded())
            case .order(let exchange, let number, let drain, let ended):
                self.take(exchange)?.reply(Order(number: number, drain: drain, ended: ended).encoded())
            case .giveBack(let jobs):
                await self.context.dispatcher.giveBack(jobs)
            case .fail(let failed):
                await self.commitFailed(failed)
            case .died:
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

    private func delivery(_ number: UInt64, _ leases: [(sequence: UInt64, job: QueuedJob)]) -> Delivery {
        var templates: [Delivery.Template] = []
        var known: [JobTraits] = []
        var jobs: [Delivery.Job] = []
        jobs.reserveCapacity(leases.count)
        for (sequence, job) in leases {
            let traits = job.body.traits
            var place = known.count - 1
            while place >= 0, known[place] !== traits { place -= 1 }
            if place < 0 {
                place = known.count
                known.append(traits)
                templates.append(
                    Delivery.Template(
                        type: traits.key.type, queue: traits.key.queue, timeout: traits.timeout,
                        tags: traits.options.tags, metadata: traits.options.metadata))
            }
            jobs.append(
                Delivery.Job(
                    id: job.id, leaseSequence: sequence, attempt: job.attempt, template: UInt16(place),
                    payload: job.body.payload,
                    extras: job.body.extras.flatMap { Delivery.Extras($0, at: self.context.loop.wallTime) }))
        }
        return Delivery(number: number, epoch: self.core.epoch, templates: templates, jobs: jobs)
    }

    // MARK: Seeing inside

    package func view() -> NodeView {
        let status: NodeView.Status = self.core.isDraining ? .draining : self.core.isSilent ? .silent : .live
        return NodeView(
            name: self.registration.name, incarnation: self.registration.incarnation, status: status,
            slots: self.registration.slots, queues: self.registration.queues, types: self.registration.types,
            leased: UInt32(clamping: self.core.heldCount), sinceHeard: self.context.loop.now - self.core.lastHeard,
            succeededTotal: self.core.succeededTotal, failedTotal: self.core.failedTotal)
    }

    /// How many jobs it holds of each lane.
    package func heldByLane() -> [(lane: LaneID, count: Int)] {
        var counts: [LaneID: Int] = [:]
        for (_, job) in self.core.leases { counts[job.lane, default: 0] += 1 }
        for job in self.core.unsentJobs { counts[job.lane, default: 0] += 1 }
        return counts.sorted { $0.key < $1.key }.map { (lane: $0.key, count: $0.value) }
    }

    package func held(_ ids: Set<JobID>) -> Set<JobID> { ids.intersection(self.heldJobs()) }
    package func heldJobs() -> [JobID] { self.core.leases.map(\.job.id) + self.core.unsentJobs.map(\.id) }

    package func checkInvariants() { self.core.checkInvariants() }
}

extension Delivery.Extras {
    /// What the node is to know of it; nil for nothing.
    fileprivate init?(_ extras: JobExtras, at now: WallTime) {
        guard extras.expires != nil || extras.checkpoint != nil || !extras.parents.isEmpty else { return nil }
        self.init(
            expiresIn: extras.expires.map { $0 - now }, checkpoint: extras.checkpoint, parents: extras.parents)
    }
}
