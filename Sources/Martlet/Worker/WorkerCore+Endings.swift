import MartletCore
import MartletWire

/// How handlers end, and what is to be reported of it.
extension WorkerCore {
    mutating func finish(_ slot: Int, _ outcome: Outcome, into actions: inout [Action]) {
        self.runningCount -= 1
        if case .succeeded = outcome {
            for job in self.slots[slot].held where job.isOurs { self.succeed(job, into: &actions) }
            return
        }
        for place in self.slots[slot].held.indices where self.slots[slot].held[place].isOurs {
            self.finish(self.slots[slot].held[place], outcome.of(place), into: &actions)
        }
    }

    private mutating func succeed(_ job: HeldJob, into actions: inout [Action]) {
        self.counts.succeeded += 1
        self.record(job.item(.succeeded), into: &actions)
    }

    private mutating func finish(_ job: HeldJob, _ outcome: Outcome, into actions: inout [Action]) {
        switch outcome {
        case .succeeded:
            self.succeed(job, into: &actions)
        case .completed(let completion):
            if let problem = self.problem(with: completion) {
                return self.finish(job, .failed(problem, isRetryable: true), into: &actions)
            }
            self.counts.succeeded += 1
            let result: Report.Item.Result = self.features.contains(.completions) ? .completed(completion) : .succeeded
            self.record(job.item(result), into: &actions)
        case .failed(let failure, let isRetryable, let output):
            self.counts.failed += 1
            let output = self.features.contains(.completions) ? output : .empty
            self.record(job.item(.failed(failure, isRetryable: isRetryable, output: output)), into: &actions)
        case .unavailable(let service, let retryAfter, let failure):
            guard self.features.contains(.services) else {
                return self.finish(job, .failed(failure, isRetryable: true), into: &actions)
            }
            self.counts.unavailable += 1
            self.record(job.item(.unavailable(service: service, retryAfter: retryAfter)), into: &actions)
        case .batch: preconditionFailure("the outcome of one job is not that of many")
        }
    }

    /// An older coordinator would drop the follow-ups: better that the attempt fails.
    private func problem(with completion: Completion) -> JobFailure? {
        guard !completion.followUps.isEmpty, !self.features.contains(.completions) else { return nil }
        return JobFailure(kind: "follow-ups", message: "the coordinator is of version 0.1.0, which knows no follow-ups")
    }

    /// A handler that was told to stop has ended: what it did not finish goes back.
    mutating func finishCancelled(_ slot: Int, _ outcome: Outcome?, into actions: inout [Action]) {
        self.runningCount -= 1
        for place in self.slots[slot].held.indices where self.slots[slot].held[place].isOurs {
            let job = self.slots[slot].held[place]
            switch outcome?.of(place) {
            case .some(.succeeded), .some(.completed), .some(.unavailable):
                self.finish(job, outcome!.of(place), into: &actions)
            default: self.record(job.item(.returned), into: &actions)
            }
        }
    }

    mutating func vacate(_ slot: Int, into actions: inout [Action]) {
        self.slots[slot].state = .vacant
        if self.isDraining { actions.append(.wakeReporter) }
    }

    mutating func record(_ item: Report.Item, into actions: inout [Action]) {
        if case .returned = item.result { self.counts.returned += 1 }
        self.resultsTextBytes += item.textBytes
        if self.results.isEmpty { actions.append(.wakeReporter) }
        self.results.append(item)
    }

    /// How long the handler in `slot` took, for each job.
    mutating func measure(_ slot: Int, until now: Instant) {
        let duration = max(now, self.slots[slot].startedAt).nanoseconds - self.slots[slot].startedAt.nanoseconds
        let sample = Int64(clamping: duration / UInt64(self.slots[slot].held.count))
        self.meanNanoseconds = self.meanNanoseconds.map { $0 + (sample - $0) / 16 } ?? sample
    }
}
