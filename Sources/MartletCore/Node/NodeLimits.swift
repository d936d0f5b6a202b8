/// The times that a node session lives by.
package struct SessionTimes: Hashable, Sendable {
    package let heartbeatInterval: Duration
    /// Silent for longer than this, a node gets no work.
    package let silentAfter: Duration
    /// From the last sign of life on, a lease lasts this long.
    package let leaseDuration: Duration

    /// - Precondition: `0 < heartbeatInterval < silentAfter < leaseDuration`.
    package init(
        heartbeatInterval: Duration = .seconds(1), silentAfter: Duration = .seconds(5),
        leaseDuration: Duration = .seconds(15)
    ) {
        precondition(
            .zero < heartbeatInterval && heartbeatInterval < silentAfter && silentAfter < leaseDuration,
            "a node must miss several heartbeats before it is silent, and be silent before its leases end")
        self.heartbeatInterval = heartbeatInterval
        self.silentAfter = silentAfter
        self.leaseDuration = leaseDuration
    }
}

/// How an attempt ended, other than well.
package struct FailedAttempt: Sendable {
    package enum Next: Hashable, Sendable {
        case retry(after: Duration)
        /// Back to its lane at once: its node died under it.
        case again
        case dead
    }

    package let job: QueuedJob
    /// What the job has been through now.
    package let history: JobHistory
    package let next: Next
    package let failure: JobFailure
    /// What the handler's program printed last.
    package let output: Bytes

    package init(job: QueuedJob, history: JobHistory, next: Next, failure: JobFailure, output: Bytes = .empty) {
        self.output = output
        self.job = job
        self.history = history
        self.next = next
        self.failure = failure
    }

    /// A failure that counts as an attempt.
    package init(
        _ failure: JobFailure, isRetryable: Bool, output: Bytes = .empty, of job: QueuedJob, random: Double
    ) {
        var history = job.body.history
        history.failures = history.failures == .max ? .max : history.failures + 1
        let backoff = job.body.traits.retry.backoff(afterFailures: Int(history.failures), random: random)
        let next: Next = if isRetryable, let backoff { .retry(after: backoff) } else { .dead }
        self.init(job: job, history: history, next: next, failure: failure, output: output)
    }

    /// The node died under the job. Counted apart from failures; a death alone is final.
    package init(nodeDied node: String, with job: QueuedJob) {
        var history = job.body.history
        let ranAlone = history.nodeDeaths >= DispatchCore.deathsMax
        history.nodeDeaths = history.nodeDeaths == .max ? .max : history.nodeDeaths + 1
        let text =
            ranAlone
            ? "quarantined: node \(node) died running this job alone, after \(history.nodeDeaths - 1) deaths"
            : "node \(node) died, or fell silent, while it held this job"
        self.init(
            job: job, history: history, next: ranAlone ? .dead : .again,
            failure: JobFailure(kind: ranAlone ? "quarantined" : "node lost", message: text))
    }
}
