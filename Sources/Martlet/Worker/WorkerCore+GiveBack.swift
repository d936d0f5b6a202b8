import MartletCore
import MartletWire

/// Jobs that were not started go back to the coordinator, which gives them to others: all of them when the worker leaves,
/// some when other workers have nothing to do.
extension WorkerCore {
    /// The coordinator wants jobs back. Those that have been started meanwhile, or are not here any more, stay what they are.
    mutating func answer(_ ask: Order.Ask, at now: Instant, into actions: inout [Action]) {
        self.lastAsk = ask.number
        // It has given up on the answer, and may have asked for others since.
        if !self.clock.mayHaveReached(ask.until, at: now) {
            let wanted = Set(ask.wanted)
            self.giveBack(into: &actions) { wanted.contains($0.token) }
        }
        // It waits to hear what came of it, even if that is nothing.
        self.heartbeatDue = now
        actions.append(.wakeReporter)
    }

    /// Gives back those jobs that wait to be started and are wanted.
    mutating func giveBack(into actions: inout [Action], _ isWanted: (Job) -> Bool) {
        var kept = Deque<Job>()
        while let job = self.queue.popFirst() {
            if isWanted(job) { self.record(Report.Item(returning: job), into: &actions) } else { kept.append(job) }
        }
        self.queue = kept
        for line in self.lines.indices {
            let removed = self.lines[line].remove(where: isWanted)
            self.linedCount -= removed.count
            for job in removed { self.record(Report.Item(returning: job), into: &actions) }
        }
    }
}
