package import MartletCore
import MartletWire

extension WorkerCore {
    /// Jobs worth holding beyond those that run: enough to hide a round trip, none where jobs take long.
    ///
    /// Where all slots have been busy with the same jobs for longer than jobs take here, these are long ones, and those
    /// behind them may be: what was true of the jobs before says nothing of them.
    package func prefetch(at now: Instant) -> Int {
        guard var mean = self.meanNanoseconds else { return 0 }
        let target = self.profile.prefetchTarget.wholeNanoseconds
        if self.occupiedCount >= self.profile.slots, now > self.turnedAt {
            mean = max(mean, (now - self.turnedAt).wholeNanoseconds)
        }
        guard mean < target else { return 0 }
        return min(self.profile.prefetchMax, Int(Int64(self.profile.slots) * target / max(mean, 1)))
    }

    /// Jobs that it is willing to have received in all under this registration.
    func creditTotal(at now: Instant) -> UInt64 {
        let reported = self.outstanding?.items.count ?? 0
        guard !self.isDraining, self.results.count + reported < Self.resultsMax else { return self.receivedTotal }
        let room =
            self.profile.slots - self.abandonedCount + self.freedCount + self.prefetch(at: now) + self.batchRoom
            - self.queue.count
            - self.linedCount - self.runningCount
        return self.receivedTotal + UInt64(max(min(room, self.admission ?? room), 0))
    }

    /// Accepts so many more jobs and no more, nil for as many as there is room for.
    package mutating func admit(_ count: Int?, at now: Instant, into actions: inout [Action]) {
        self.admission = count
        // The coordinator hears of the new credit with the next report.
        self.heartbeatDue = now
        actions.append(.wakeReporter)
    }

    /// Whether anything is held under a lease; an unanswered heartbeat alone is nothing.
    var holdsLeases: Bool {
        !self.queue.isEmpty || self.linedCount > 0 || self.runningCount > 0 || !self.results.isEmpty
            || !(self.outstanding?.items.isEmpty ?? true)
    }

    /// Neither jobs nor results, nor a report without answer.
    package var holdsNothing: Bool {
        self.queue.isEmpty && self.linedCount == 0 && self.runningCount == 0 && self.results.isEmpty
            && self.outstanding == nil
    }
}
