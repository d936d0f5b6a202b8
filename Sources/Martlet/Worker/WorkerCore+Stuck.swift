import MartletCore

/// Handlers that were told to stop and do not. Nobody can end a handler by force: it keeps its slot, or, where the
/// policy says so, another runs in its stead, up to a bound.
extension WorkerCore {
    /// Whether one more handler may run: the slots beyond the profile's are for stuck handlers' successors.
    var hasFreeSlot: Bool {
        self.runningCount + self.abandonedCount - self.freedCount < self.profile.slots
    }

    /// Looks after a handler that has just been told to stop.
    mutating func watch(_ slot: Int, into actions: inout [Action]) {
        // The next look at the clock sets its time.
        self.planTick(at: Instant(nanoseconds: 0), into: &actions)
    }

    /// Its handler has ended after all.
    mutating func unstick(_ slot: Int, into actions: inout [Action]) {
        if self.slots[slot].isStuck { self.stuckCount -= 1 }
        if self.slots[slot].isFreed { self.freedCount -= 1 }
        self.slots[slot].isStuck = false
        self.slots[slot].isFreed = false
        self.slots[slot].endsBy = nil
        // Its place may be for one that has been stuck for long.
        if self.stuckCount > self.freedCount { self.planTick(at: Instant(nanoseconds: 0), into: &actions) }
    }

    mutating func findStuck(at now: Instant, into actions: inout [Action]) {
        guard self.abandonedCount > 0 || self.runningCount > 0 else { return }
        var freed = 0
        for slot in self.slots.indices where self.slots[slot].isToldToStop {
            let endsBy = self.slots[slot].endsBy ?? now + self.profile.stuckAfter
            self.slots[slot].endsBy = endsBy
            guard endsBy <= now else { continue }
            let mayFree = self.freedCount < self.profile.stuckHandlersMax && self.slots[slot].state == .abandoned
            if mayFree, !self.slots[slot].isFreed {
                self.slots[slot].isFreed = true
                self.freedCount += 1
                freed += 1
            }
            guard !self.slots[slot].isStuck else { continue }
            self.slots[slot].isStuck = true
            self.stuckCount += 1
            self.counts.stuck += 1
            if let id = self.slots[slot].held.first?.id {
                actions.append(.note(.stuck(id, isSlotFree: self.slots[slot].isFreed)))
            }
        }
        guard freed > 0 else { return }
        self.wakeSlots(at: now, into: &actions)
        // The coordinator hears of the room with the next report.
        self.heartbeatDue = now
        actions.append(.wakeReporter)
    }

    /// When the next handler becomes stuck, if it does not stop.
    var nextStuck: Instant {
        var next = Instant.distantFuture
        guard self.abandonedCount > 0 || self.runningCount > 0 else { return next }
        for slot in self.slots where slot.isToldToStop && !slot.isStuck {
            if let endsBy = slot.endsBy { next = min(next, endsBy) }
        }
        return next
    }

    func checkStuck() {
        precondition(self.stuckCount == self.slots.count { $0.isStuck }, "stuck handlers are counted")
        precondition(self.freedCount == self.slots.count { $0.isFreed }, "freed slots are counted")
        precondition(self.freedCount <= self.profile.stuckHandlersMax, "no more slots are freed than may be")
        precondition(
            self.slots.allSatisfy { ($0.isToldToStop || !$0.isStuck) && ($0.state == .abandoned || !$0.isFreed) },
            "a handler is stuck that was told to stop, and its slot free if its job is gone")
        precondition(
            self.runningCount + self.abandonedCount - self.freedCount <= self.profile.slots,
            "handlers beyond the slots run only in the stead of stuck ones")
    }
}

extension WorkerSlot {
    var isToldToStop: Bool { self.state == .cancelled || self.state == .abandoned }
}

extension WorkerCore.Profile {
    /// Slots that may be needed at once.
    package var slotsMax: Int { self.slots + self.stuckHandlersMax }
}
