extension NodeQueueCore {
    /// What a node says of one lease.
    package enum Result: Hashable, Sendable {
        case succeeded
        case failed(JobFailure, isRetryable: Bool)
        /// Given back unstarted.
        case returned
    }

    package enum Verdict: Hashable, Sendable {
        case accepted
        /// The lease has ended.
        case refused
        /// The lease is of an earlier epoch and was not taken up.
        case unknown
    }

    /// What a report leads to. Accepted items are final for this queue; the caller makes them durable.
    package struct Settlement: Sendable {
        package var verdicts: [Verdict] = []
        package var succeeded: [QueuedJob] = []
        package var failed: [FailedAttempt] = []
        package var returned: [QueuedJob] = []

        package init() {}
    }

    /// Judges one item of a report and ends its lease if it stands.
    package mutating func settle(
        _ id: JobID, under token: LeaseToken, result: Result, random: () -> Double, into settlement: inout Settlement
    ) {
        guard token.epoch == self.epoch else { return settlement.verdicts.append(.unknown) }
        guard let leased = self.window.job(at: token.sequence), leased.id == id else {
            return settlement.verdicts.append(.refused)
        }
        _ = self.window.remove(token.sequence)
        self.settledTotal += 1
        settlement.verdicts.append(.accepted)
        switch result {
        case .succeeded:
            self.succeededTotal += 1
            settlement.succeeded.append(leased)
        case .failed(let failure, let isRetryable):
            self.failedTotal += 1
            settlement.failed.append(FailedAttempt(failure, isRetryable: isRetryable, of: leased, random: random()))
        case .returned:
            settlement.returned.append(leased)
        }
    }

    /// Takes up the leases that a node proved to hold from an earlier epoch; its jobs, ascending in token order.
    ///
    /// - Returns: the new tokens, one a job.
    package mutating func claim(_ jobs: [QueuedJob], sequences: inout LeaseSequence) -> [LeaseToken] {
        guard !jobs.isEmpty else { return [] }
        let first = sequences.take(jobs.count)
        self.window.add(jobs, first: first)
        self.claimedTotal += UInt64(jobs.count)
        return jobs.indices.map { LeaseToken(epoch: self.epoch, sequence: first + UInt64($0)) }
    }

    /// Takes over the leases of this node's registration before, as far as the node still holds them.
    ///
    /// - Parameter inventory: the tokens that the node named.
    /// - Returns: jobs that it was sent but does not hold: free again.
    package mutating func adopt(_ earlier: NodeQueueCore, inventory: Set<LeaseToken>) -> [QueuedJob] {
        var free = earlier.unsentJobs
        for (sequence, job) in earlier.window.all {
            if inventory.contains(LeaseToken(epoch: self.epoch, sequence: sequence)) {
                self.window.add([job], first: sequence)
                self.claimedTotal += 1
            } else {
                free.append(job)
            }
        }
        self.runningSince = earlier.runningSince
        self.succeededTotal = earlier.succeededTotal
        self.failedTotal = earlier.failedTotal
        return free
    }

    package func holds(_ token: LeaseToken, for id: JobID) -> Bool {
        token.epoch == self.epoch && self.window.job(at: token.sequence)?.id == id
    }

    package func checkInvariants() {
        self.window.checkInvariants()
        precondition(!self.hasEnded || self.heldCount == 0, "an ended session holds nothing")
        precondition(self.parkedFetch == nil || !self.hasEnded, "an ended session parks nothing")
        var seen: Set<JobID> = []
        for (_, job) in self.window.all {
            precondition(seen.insert(job.id).inserted, "a job is leased once")
        }
        for job in self.unsentJobs { precondition(seen.insert(job.id).inserted, "an unsent job is not leased") }
    }
}
