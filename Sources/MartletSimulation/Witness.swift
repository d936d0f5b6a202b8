package import MartletCore
package import MartletStore

/// Sees everything that happens in a simulated cluster and says when a promise is broken.
package final class Witness: @unchecked Sendable {
    /// The kinds of fault and of rare event, counted to show that they were met.
    package enum Event: String, CaseIterable, Sendable {
        case coordinatorCrash, nodeCrash, nodeFrozen, partition, connectionCut, messageDropped, messageDelayed
        case requestDuplicated, rolledBack, diskFull, outcomeUnknown, wallClockStep, handlerFailed, handlerHung
        case batchHandled, jobCancelled, jobRescheduled, priorityChanged, paused, bulkOperation, jobExpired
        case resultRefused, submitRepeated, poisonKilledNode, jobDead, ranInOrder
        case scheduleFired, queuedInstantRan, instantsMissed, backfilled
        case childRan, cancelledWithParent, callbackReleased
        case grantSeen, limitedStart, turnedAway, serviceClosed, tokensAcquired, limitsSet, limitsReset, servicePaused
        case duplicateMet, payloadReplaced, ranAgain, followUpCreated, endAwaited, checkpointSaved, checkpointSeen
        case jobRevived, jobDeleted, jobPurged, duplicateRefused, keyWindowMet, parentResultSeen, resultSeen
        case batchStreamed, batchCancelled, followUpJoined, ranAtItsTime, labelsSeen, keptTrimmed, keptPurged
        case jobsAskedBack, jobGivenBack, jobWandered, stealOvertaken
    }

    /// A run of a handler that has begun and not ended.
    private struct Run: Hashable {
        let job: JobID
        let process: Int
    }

    /// What must not run beside a job.
    package struct Limits: Sendable {
        /// How many jobs may run at once that have this in common.
        package var most: [String: Int] = [:]
        /// Those with the same run one after the other, by id.
        package var order: String?
        /// Names its unique key, with what the key is unique in.
        package var unique: String?
        /// What each run takes of services.
        package var services: [ServiceUse] = []
        /// How long its unique key stays its own after it has succeeded.
        var window: Duration?
        /// It is to be refused where its unique key is taken.
        var isRefused = false
        /// Nobody may start it before then.
        var notBefore: WallTime?
        /// How long it stays after it has succeeded.
        var keptFor: Duration?
        var group: String?
        var tags: [String] = []
        var metadata: [String: String] = [:]
        package var queue = ""
        package var type = ""

        package init() {}
    }

    package private(set) var events: [Event: Int] = [:]
    /// The first promise that was found broken.
    package private(set) var violation: String?
    /// Ids that a client was told of, with the number in the payload.
    private var acknowledged: [JobID: UInt64] = [:]
    /// The payload number of each job that the store ever accepted.
    private(set) var stored: [JobID: UInt64] = [:]
    private(set) var jobOfNumber: [UInt64: JobID] = [:]
    var terminal: [JobID: JobState] = [:]
    var groups = GroupWitness()
    var schedules = ScheduleWitness()
    var leaving = LeavingWitness()
    var steals = StealWitness()
    var services = ServiceWitness()
    var control = ControlWitness()
    /// When the group of changes was committed that is looked at.
    private(set) var now = WallTime(microseconds: 0)
    /// The clock of the world.
    var clock: () -> Instant = { Instant(nanoseconds: 0) }
    var failures: [JobID: UInt16] = [:]
    private var running: [JobID: Set<Int>] = [:]
    /// By the number in the payload.
    private(set) var limits: [UInt64: Limits] = [:]
    /// Jobs that nodes have ever been given.
    var everDelivered: Set<JobID> = []
    /// What is paused, with the jobs that may begin all the same.
    var pauses: [Pause.Target: Set<JobID>] = [:]
    /// How often a client has begun to resume something.
    var resumed = 0
    private var runningTogether: [String: Set<JobID>] = [:]
    /// Ordered jobs that have not ended.
    private var inOrder: [String: Set<JobID>] = [:]

    package init() {}

    package func count(_ event: Event) { self.events[event, default: 0] += 1 }

    package func fail(_ text: String) {
        if self.violation == nil { self.violation = text }
    }

    package var acknowledgedCount: Int { self.acknowledged.count }
    package var storedCount: Int { self.stored.count }
    package var terminalCount: Int { self.terminal.count }
    package var unfinished: [JobID] { self.stored.keys.filter { self.terminal[$0] == nil }.sorted() }

    /// A client is about to submit a job with this number.
    package func announce(_ number: UInt64, _ limits: Limits) { self.limits[number] = limits }

    // MARK: What clients are told

    package func acknowledge(_ ids: [JobID], numbers: [UInt64]) {
        guard ids.count == numbers.count else { return self.fail("a submit of \(numbers.count) got \(ids.count) ids") }
        for (id, number) in zip(ids, numbers) {
            guard let known = self.stored[id] else { return self.fail("job \(id) was acknowledged but is not stored") }
            if !self.isOf(id, number) { self.fail("job \(id) was acknowledged for another payload") }
            self.acknowledged[id] = known
        }
    }

    // MARK: What the disk applies

    /// - Parameter contents: gives what is stored after the group.
    package func applied(_ group: CommitGroup, _ result: CommitResult, in contents: () -> StoreState) {
        self.now = group.now
        var succeeded: [SucceededJob] = []
        let waiting = result.consequences.waiting.map(\.id)
        let again = Set(waiting)
        for (change, outcome) in zip(group.changes, result.outcomes) {
            switch (change, outcome) {
            case (.submit(let submission), .submitted(let result)): self.submitted(submission, result)
            case (.succeed(let jobs), .applied(let missing)):
                let gone = Set(missing)
                let accepted = jobs.filter { !gone.contains($0.id) }
                self.completed(accepted, again: again)
                succeeded += accepted
            case (.update(let updates), .applied(let missing)): self.updated(updates, but: missing)
            case (.bulk(let step), .applied(let missing)):
                if case .update(let updates) = step.work { self.updated(updates, but: missing) }
                self.stepped(step, but: missing, in: contents)
            case (.beginBulk, .began(let record)): self.began(record, in: contents)
            case (.delete(let ids), .applied(let missing)):
                self.deleted(ids.filter { !missing.contains($0) }, in: contents)
            case (.reschedule(let changes), .applied): self.rescheduled(changes)
            case (.schedule(let change), _): self.changed(change, outcome)
            case (.setService(let record, _), _): self.stored(record.limits, of: record.name)
            case (.closeBatch(let id), .applied(missing: [])): self.groups.closed.insert(id)
            default: break
            }
        }
        self.followed(succeeded, waiting, in: contents)
        for id in result.consequences.ended {
            self.end(id, .cancelled)
            self.count(.cancelledWithParent)
        }
        for job in result.consequences.waiting { self.released(job.id) }
        // What others do after it in the same group may fill the room that it made.
        if result.consequences.ended.isEmpty {
            self.removed(by: group.changes.last, result.outcomes.last, in: contents)
        }
    }

    private func submitted(_ submission: Submission, _ outcome: SubmitOutcome) {
        switch outcome {
        case .accepted(let first, _, let exceptions):
            let gone = Set(exceptions.map(\.place))
            self.groups.submitted(submission, first, but: gone)
            let firstJob = first.advanced(by: submission.idCount - submission.jobs.count)
            for offset in submission.jobs.indices where !gone.contains(offset) {
                let id = firstJob.advanced(by: offset)
                let number = Self.number(submission.jobs[offset].payload)
                self.store(id, number)
                if let other = self.jobOfNumber.updateValue(id, forKey: number) {
                    self.fail(
                        "payload \(number) was submitted once and became jobs \(other) and \(id), "
                            + "the latter as sequence \(submission.sequence) of session \(submission.session.low)")
                }
            }
            for exception in exceptions {
                self.excepted(Self.number(submission.jobs[exception.place].payload), exception)
            }
        case .repeated: self.count(.submitRepeated)
        case .duplicate(let place, let existing): self.refused(submission, place, existing)
        case .batchRefused, .sessionExpired: break
        }
    }

    /// A job has come into being.
    func store(_ id: JobID, _ number: UInt64) {
        if self.stored.updateValue(number, forKey: id) != nil { self.fail("id \(id) was given twice") }
        if let order = self.limits[number]?.order { self.inOrder[order, default: []].insert(id) }
        self.control.created[id] = self.now
        self.checkRefused(number)
        self.holdsKey(id, number)
    }

    private func updated(_ updates: [JobUpdate], but missing: [JobID]) {
        let gone = Set(missing)
        for update in updates where !gone.contains(update.id) { self.updated(update) }
    }

    private func updated(_ update: JobUpdate) {
        if update.expected == .dead {
            self.revived(update.id)
        } else if self.terminal[update.id] != nil {
            self.fail("job \(update.id) changed after it had ended")
        }
        if let history = update.history {
            if update.expected == .pending, history.failures < self.failures[update.id] ?? 0 {
                self.fail("job \(update.id) has fewer failures than before")
            }
            self.failures[update.id] = history.failures
            self.checkFailures(Int(history.failures), of: update.id, update.failure)
        }
        if update.state.isTerminal {
            if update.state == .dead { self.checkLastPayload(of: update.id) }
            self.end(update.id, update.state)
            if update.state == .dead { self.count(.jobDead) }
            if update.state == .expired { self.count(.jobExpired) }
        }
    }

    func end(_ id: JobID, _ state: JobState) {
        guard let number = self.stored[id] else { return self.fail("job \(id) ended but was never stored") }
        if let order = self.limits[number]?.order { self.inOrder[order]?.remove(id) }
        self.releasesKey(id, number, state)
        self.keeps(id, number, state)
        if let before = self.terminal.updateValue(state, forKey: id) {
            self.fail("job \(id) ended twice: \(before) and \(state)")
        }
        // Its handler may take a moment to hear of it, and counts no more.
        if state == .cancelled || state == .expired {
            for name in (self.limits[number]?.most ?? [:]).keys { self.runningTogether[name]?.remove(id) }
            self.running[id] = nil
        }
    }

    /// The number that a test payload begins with.
    package static func number(_ payload: Bytes) -> UInt64 {
        payload.withUnsafeBytes { $0.count >= 8 ? UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) : 0 }
    }

    /// A node heard that its success was accepted: it must be durable by then.
    package func wasToldAccepted(_ id: JobID) {
        if self.terminal[id] != .succeeded, !self.leaving.ranAgain.contains(id) {
            self.fail("the success of job \(id) was called accepted but is not stored")
        }
    }

    // MARK: What handlers do

    /// A handler begins. Two nodes that run the same job at once both believe in their lease: one of them is wrong.
    package func began(_ id: JobID, on process: Int) {
        if let others = self.running[id], !others.isEmpty {
            self.fail("job \(id) runs under two leases, on processes \(others.sorted()) and \(process)")
        }
        self.running[id, default: []].insert(process)
        self.steals.wanderings[id] = nil
        // The handler of a job that was cancelled on its way here is told to stop.
        guard self.terminal[id] == nil else { return self.checkGone(id) }
        self.checkLimits(id)
        self.checkParents(of: id)
        self.checkPauses(id)
    }

    private func checkLimits(_ id: JobID) {
        guard let limits = self.stored[id].flatMap({ self.limits[$0] }) else { return }
        for name in limits.most.keys.sorted() {
            self.runningTogether[name, default: []].insert(id)
            let together = self.runningTogether[name]!
            if together.count > limits.most[name]! { self.fail("\(name): \(together.sorted()) run at once") }
        }
        if let order = limits.order, let first = self.inOrder[order]?.min(), first < id {
            self.fail("\(order): job \(id) began before job \(first) had ended")
        }
        if limits.order != nil { self.count(.ranInOrder) }
    }

    package func ended(_ id: JobID, on process: Int) {
        self.running[id]?.remove(process)
        guard self.running[id]?.isEmpty ?? true else { return }
        self.running[id] = nil
        guard let limits = self.stored[id].flatMap({ self.limits[$0] }) else { return }
        for name in limits.most.keys { self.runningTogether[name]?.remove(id) }
    }

    /// A process is gone, and its handlers with it.
    package func crashed(_ process: Int) {
        for id in self.running.keys.sorted() { self.ended(id, on: process) }
    }

    // MARK: In the end

    /// To be called when the cluster has had time to finish without faults.
    package func checkEverythingEnded(in state: StoreState) {
        state.checkInvariants()
        self.checkBatches(in: state)
        self.checkOrigins(in: state)
        self.checkSchedules(in: state)
        self.checkServices()
        self.checkKept(in: state)
        for id in self.acknowledged.keys.sorted() where self.terminal[id] == nil {
            return self.fail("job \(id) was acknowledged and never ended: \(Self.describe(id, in: state))")
        }
        if let stuck = self.unfinished.first { self.fail("job \(stuck) is stuck: \(Self.describe(stuck, in: state))") }
    }

    private static func describe(_ id: JobID, in state: StoreState) -> String {
        guard let (record, _) = state.job(id) else { return "it is not stored" }
        return "\(record.state), due \(record.due.map { "\($0.microseconds)" } ?? "at once"), \(record.history)"
    }
}
