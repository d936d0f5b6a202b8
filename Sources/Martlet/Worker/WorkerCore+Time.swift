package import MartletCore
import MartletWire

extension WorkerCore {
    /// Time passes: timeouts, leases, the end of a drain.
    ///
    /// - Returns: when to look again.
    package mutating func tick(at now: Instant, into actions: inout [Action]) -> Instant {
        guard !self.isOver else { return .distantFuture }
        guard now >= self.plannedTick else { return self.plannedTick }
        self.endTimedOut(at: now, into: &actions)
        self.endUnrenewed(at: now, into: &actions)
        self.pressDrain(at: now, into: &actions)
        self.findStuck(at: now, into: &actions)
        self.returnLate(at: now, into: &actions)
        if self.linedCount > 0, self.lines.contains(where: { $0.isRipe(at: now) }) {
            self.wakeSlots(at: now, into: &actions)
        }
        let needsRegistration = !self.isRegistered && self.isDraining && self.holdsNothing
        // Nobody to take leave of: nothing is held, and no coordinator knows this session.
        if needsRegistration { self.end(into: &actions) }
        self.plannedTick = self.nextDeadline(after: now)
        return self.plannedTick
    }

    /// Begins to leave: nothing more is started, what has not been started goes back.
    package mutating func drain(at now: Instant, into actions: inout [Action]) {
        guard !self.isDraining, !self.isOver else { return }
        self.isDraining = true
        self.drainDeadline = now + self.profile.drainTimeout
        self.graceDeadline = self.drainDeadline + self.profile.cancelGrace
        self.giveBack(into: &actions) { _ in true }
        actions.append(.note(.drainStarted(running: self.runningCount)))
        // The coordinator is to hear of it even if there is nothing to report.
        self.heartbeatDue = now
        self.plannedTick = now
        actions.append(contentsOf: [.wakeReporter, .wakeTicker])
    }

    /// The worker is over.
    mutating func end(into actions: inout [Action]) {
        self.phase = .left
        self.generation += 1
        for slot in self.slots.indices {
            if self.slots[slot].holdsJob { self.abandon(slot, into: &actions) }
            actions.append(.wakeSlot(slot))
            actions.append(.cancelSlot(slot))
        }
        actions.append(contentsOf: [.wakeTicker, .interruptSession])
    }

    /// Ends everything at once: the session failed for good.
    package mutating func stop(into actions: inout [Action]) {
        if !self.isOver { self.end(into: &actions) }
    }

    /// The slot's job is no longer this node's; its handler is told to stop.
    mutating func abandon(_ slot: Int, into actions: inout [Action]) {
        precondition(self.slots[slot].holdsJob, "a slot loses the job that it has")
        self.slots[slot].state = .abandoned
        self.runningCount -= 1
        self.abandonedCount += 1
        self.dropCheckpoints(of: slot, into: &actions)
        actions.append(.cancelSlot(slot))
        self.watch(slot, into: &actions)
    }

    mutating func planTick(at instant: Instant, into actions: inout [Action]) {
        guard instant < self.plannedTick else { return }
        self.plannedTick = instant
        actions.append(.wakeTicker)
    }

    private mutating func endTimedOut(at now: Instant, into actions: inout [Action]) {
        guard self.runningCount > 0 else { return }
        for slot in self.slots.indices where self.slots[slot].holdsJob && self.slots[slot].deadline <= now {
            let timeout = self.slots[slot].deadline - self.slots[slot].startedAt
            let failure = JobFailure(kind: "timeout", message: "ran longer than its timeout of \(timeout)")
            for job in self.slots[slot].ours {
                self.counts.timedOut += 1
                actions.append(.note(.timedOut(job.id)))
                self.record(job.item(.failed(failure, isRetryable: true)), into: &actions)
            }
            // The lease is not claimed any longer than the attempt may last, whatever the handler does.
            self.abandon(slot, into: &actions)
        }
    }

    private mutating func endUnrenewed(at now: Instant, into actions: inout [Action]) {
        guard now >= self.cancelAt, !self.holdsNothing || self.isDraining else { return }
        if now >= self.leasesEndAt { return self.loseLeases(into: &actions) }
        let cancelled = self.cancelRunning(into: &actions)
        if cancelled > 0 { actions.append(.note(.leasesEnding(count: cancelled))) }
    }

    private mutating func loseLeases(into actions: inout [Action]) {
        // A checkpoint is of a job that runs, and is no lease of its own.
        let reported = self.outstanding.map { $0.items.count - $0.checkpoints.count } ?? 0
        let running = self.slots.reduce(0) { $0 + $1.ours.count }
        let count = self.queue.count + self.linedCount + running + self.results.count + reported
        self.queue.removeAll()
        for line in self.lines.indices { _ = self.lines[line].takeAll() }
        self.linedCount = 0
        for slot in self.slots.indices where self.slots[slot].holdsJob { self.abandon(slot, into: &actions) }
        self.results = []
        self.resultsTextBytes = 0
        for checkpoint in self.outstanding?.checkpoints ?? [] {
            actions.append(.checkpointJudged(checkpoint.slot, use: checkpoint.use, isSaved: false))
        }
        self.outstanding = nil
        if count > 0 {
            self.counts.leasesLost += UInt64(count)
            actions.append(.note(.leasesLost(count: count)))
        }
        // What is asked or answered under this registration speaks of leases that have ended.
        self.phase = .unregistered
        self.generation += 1
        actions.append(.interruptSession)
    }

    private mutating func pressDrain(at now: Instant, into actions: inout [Action]) {
        guard self.isDraining, self.runningCount > 0, now >= self.drainDeadline else { return }
        let cancelled = self.cancelRunning(into: &actions)
        if cancelled > 0 { actions.append(.note(.drainTimedOut(running: cancelled))) }
        guard now >= self.graceDeadline else { return }
        for slot in self.slots.indices where self.slots[slot].holdsJob {
            // It does not stop. The process is about to end, and the job may as well begin elsewhere.
            for job in self.slots[slot].ours { self.record(job.item(.returned), into: &actions) }
            self.abandon(slot, into: &actions)
        }
        actions.append(.wakeReporter)
    }

    private mutating func cancelRunning(into actions: inout [Action]) -> Int {
        var count = 0
        for slot in self.slots.indices where self.slots[slot].state == .running {
            self.slots[slot].state = .cancelled
            actions.append(.cancelSlot(slot))
            self.watch(slot, into: &actions)
            count += 1
        }
        return count
    }

    /// The earliest time at which something ends.
    private func nextDeadline(after now: Instant) -> Instant {
        var next = Instant.distantFuture
        if self.runningCount > 0 {
            for slot in self.slots where slot.holdsJob { next = min(next, slot.deadline) }
            if self.isDraining { next = min(next, now < self.drainDeadline ? self.drainDeadline : self.graceDeadline) }
        }
        for line in self.lines {
            // A batch that is ripe waits for a slot, not for the clock.
            if let ripeAt = line.ripeAt, ripeAt > now { next = min(next, ripeAt) }
        }
        next = min(next, self.nextStuck, self.startsDueAt)
        if !self.holdsNothing || self.isDraining {
            next = min(next, now < self.cancelAt ? self.cancelAt : self.leasesEndAt)
        }
        return next
    }

    /// Traps if the worker contradicts itself. For tests and simulation: it looks at everything.
    package func checkInvariants() {
        // Not by the job: one that was given back may return before the verdict on the giving back.
        var seen: Set<LeaseToken> = []
        func hold(_ token: LeaseToken) { precondition(seen.insert(token).inserted, "a lease is held once") }
        for place in 0..<self.queue.count { hold(self.queue[place].token) }
        for line in self.lines {
            line.checkInvariants()
            for place in 0..<line.count { hold(line.jobs[place].token) }
        }
        precondition(self.linedCount == self.lines.reduce(0) { $0 + $1.count }, "jobs that wait for others are counted")
        for slot in self.slots where slot.holdsJob {
            precondition(slot.held.contains { $0.isOurs }, "a slot whose jobs are all gone is abandoned")
            for job in slot.ours { hold(job.token) }
        }
        for item in self.results { hold(item.token) }
        // A checkpoint is under the lease of a handler that runs.
        for item in (self.outstanding?.items ?? []).dropFirst(self.outstanding?.checkpoints.count ?? 0) {
            hold(item.token)
        }
        precondition(self.runningCount == self.slots.count { $0.holdsJob }, "running handlers are counted")
        precondition(
            self.abandonedCount == self.slots.count { $0.state == .abandoned }, "abandoned handlers are counted")
        self.checkStuck()
        precondition(
            self.resultsTextBytes == self.results.reduce(0) { $0 + $1.textBytes }, "the texts of results are counted")
        precondition(
            self.creditTotal(at: self.turnedAt) >= self.receivedTotal, "credit never falls below what was received")
        precondition(
            !self.isDraining || self.queue.isEmpty && self.linedCount == 0, "a draining worker keeps nothing unstarted")
        precondition(!self.isOver || self.runningCount == 0, "a worker that has left runs nothing of the cluster's")
        let waiting = self.slots.count { $0.isWaiting && $0.state == .idle }
        precondition(
            self.queue.isEmpty && self.linedCount == 0 || waiting == 0 || self.plannedTick != .distantFuture,
            "jobs wait beside idle slots only while their leases are in doubt")
    }
}
