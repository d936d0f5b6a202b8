extension NodeQueueCore {
    /// What a node says of one lease.
    package enum Result: Hashable, Sendable {
        case succeeded
        /// With what it leaves.
        case completed(Completion)
        case failed(JobFailure, isRetryable: Bool, output: Bytes = .empty)
        /// Given back unstarted.
        case returned
        /// Given back, to be tried again later. No attempt is lost.
        case postponed(JobFailure, after: Duration)

        package var isReturned: Bool { if case .returned = self { true } else { false } }
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
        package var completed: [(job: QueuedJob, completion: Completion)] = []
        package var failed: [FailedAttempt] = []
        package var returned: [QueuedJob] = []

        package init() {}
    }

    /// Judges one item of a report and ends its lease if it stands.
    ///
    /// - Returns: the lane of the job whose lease has ended.
    @discardableResult
    package mutating func settle(
        _ id: JobID, under token: LeaseToken, result: Result, random: () -> Double, into settlement: inout Settlement
    ) -> LaneID? {
        guard token.epoch == self.epoch else {
            settlement.verdicts.append(.unknown)
            return nil
        }
        guard let leased = self.window.remove(token.sequence, of: id) else {
            settlement.verdicts.append(.refused)
            return nil
        }
        self.settledTotal += 1
        settlement.verdicts.append(.accepted)
        switch result {
        case .succeeded:
            self.succeededTotal += 1
            settlement.succeeded.append(leased)
        case .completed(let completion):
            self.succeededTotal += 1
            settlement.completed.append((leased, completion))
        case .failed(let failure, let isRetryable, let output):
            self.failedTotal += 1
            settlement.failed.append(
                FailedAttempt(failure, isRetryable: isRetryable, output: output, of: leased, random: random()))
        case .returned:
            settlement.returned.append(self.markedIfAsked(leased, sequence: token.sequence))
        case .postponed(let failure, let wait):
            settlement.failed.append(
                FailedAttempt(
                    job: leased, history: leased.body.history, next: .retry(after: wait), failure: failure))
        }
        return leased.lane
    }

    /// The sequences that were sent with this lease, and when.
    package func grant(of token: LeaseToken) -> (sequences: Range<UInt64>, since: Instant)? {
        token.epoch == self.epoch ? self.window.grant(of: token.sequence) : nil
    }

    /// The job under a lease that has not ended.
    package func leased(_ id: JobID, under token: LeaseToken) -> QueuedJob? {
        guard token.epoch == self.epoch, let job = self.window.job(at: token.sequence), job.id == id else { return nil }
        return job
    }

    /// The job under a lease that goes on, which is about to have a checkpoint; nil if the lease has ended.
    package mutating func checkpoint(_ id: JobID, under token: LeaseToken) -> QueuedJob? {
        guard token.epoch == self.epoch, let job = self.window.job(at: token.sequence), job.id == id else { return nil }
        self.window.outdate(token.sequence)
        return job
    }

    /// Takes up leases that a node proved to hold from an earlier epoch.
    ///
    /// - Parameter proofs: the tokens that the node named, one a job.
    /// - Returns: the new tokens, one a job.
    package mutating func claim(
        _ jobs: [QueuedJob], proofs: [LeaseToken], sequences: inout LeaseSequence
    ) -> [LeaseToken] {
        precondition(jobs.count == proofs.count, "each claim has its proof")
        guard !jobs.isEmpty else { return [] }
        let first = sequences.take(jobs.count)
        self.window.add(jobs, first: first)
        self.claimedTotal += UInt64(jobs.count)
        for (offset, proof) in proofs.enumerated() { self.claims[proof] = first + UInt64(offset) }
        return jobs.indices.map { LeaseToken(epoch: self.epoch, sequence: first + UInt64($0)) }
    }

    /// Takes over the leases of this node's registration before, as far as the node still holds them.
    ///
    /// - Parameter inventory: the tokens that the node named; those of an earlier epoch stand for the claims made
    ///   with them, whose answer the node may have missed.
    /// - Returns: jobs that it was sent but does not hold: free again.
    package mutating func adopt(_ earlier: NodeQueueCore, inventory: Set<LeaseToken>) -> [QueuedJob] {
        self.claims = earlier.claims
        let held = Set(inventory.compactMap { self.sequence(named: $0) })
        var free = earlier.unsentJobs
        for (sequence, job) in earlier.window.all {
            if held.contains(sequence) {
                self.window.add([job], first: sequence)
                self.claimedTotal += 1
            } else {
                free.append(job)
            }
        }
        self.running = earlier.running
        self.isDraining = earlier.isDraining
        self.isDrainWanted = earlier.isDrainWanted || earlier.lastOrder.drain
        self.succeededTotal = earlier.succeededTotal
        self.failedTotal = earlier.failedTotal
        self.steals = earlier.steals
        return free
    }

    private func sequence(named token: LeaseToken) -> UInt64? {
        token.epoch == self.epoch ? token.sequence : self.claims[token]
    }

    /// The token under which the node holds a job of which it named `token`; nil if it does not hold it.
    package func lease(of id: JobID, named token: LeaseToken) -> LeaseToken? {
        guard let sequence = self.sequence(named: token), self.window.job(at: sequence)?.id == id else { return nil }
        return LeaseToken(epoch: self.epoch, sequence: sequence)
    }

    /// The job among those held that must run alone, if there is one.
    package var suspect: JobID? {
        self.window.all.first { $0.job.body.history.nodeDeaths >= DispatchCore.deathsMax }?.job.id
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
