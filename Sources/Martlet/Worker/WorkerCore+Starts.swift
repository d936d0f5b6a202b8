import MartletCore
import MartletWire

/// Jobs that use services were let through for a start within a tenth of a second: what comes too late goes back, and what
/// it took stays spent, so that the service sees no burst of what was held up on the way.
extension WorkerCore {
    /// Has a job that must start by then, on the coordinator's clock, looked at in time if it still waits.
    mutating func watchStart(of startBy: Instant, at now: Instant, into actions: inout [Action]) {
        let latest = self.clock.latest(at: now) ?? startBy
        self.startsDueAt = min(self.startsDueAt, startBy > latest ? now + (startBy - latest) : now)
        self.planTick(at: self.startsDueAt, into: &actions)
    }

    mutating func returnOverdue(_ job: Job, into actions: inout [Action]) {
        if job.extras?.startBy != nil {
            self.counts.late += 1
            actions.append(.note(.late(count: 1)))
        }
        self.record(Report.Item(returning: job), into: &actions)
    }

    /// Gives back what waits and is too late, and looks when the next will be.
    mutating func returnLate(at now: Instant, into actions: inout [Action]) {
        guard now >= self.startsDueAt else { return }
        self.startsDueAt = .distantFuture
        var kept = Deque<Job>()
        while let job = self.queue.popFirst() {
            if job.isOverdue(at: now, self.clock) {
                self.returnOverdue(job, into: &actions)
                continue
            }
            if let startBy = job.extras?.startBy { self.watchStart(of: startBy, at: now, into: &actions) }
            kept.append(job)
        }
        self.queue = kept
    }
}
