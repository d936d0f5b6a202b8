/// What many jobs have in common, resolved once: one object per template of a submit, shared by its jobs.
package final class JobTraits: Sendable {
    package let lane: LaneID
    package let key: LaneKey
    /// As submitted; nil fields were left to the settings.
    package let options: JobOptions
    package let timeout: Duration
    package let retry: RetryPolicy
    /// It stays visible for a while once it has succeeded.
    package let isRetained: Bool
    /// What sets the job apart within its lane.
    package let share: LaneShare?
    /// Whether the dispatcher may count it against a limit, so that it must hear when a lease on it ends.
    package let isCounted: Bool

    /// - Parameter isCapped: whether its queue or type has a limit.
    package init(
        lane: LaneID, key: LaneKey, options: JobOptions, timeout: Duration, retry: RetryPolicy,
        isRetained: Bool = false, isCapped: Bool = false
    ) {
        self.share = options.share
        self.isCounted = isCapped || !(options.share?.key.isEmpty ?? true)
        self.lane = lane
        self.key = key
        self.options = options
        self.timeout = timeout
        self.retry = retry
        self.isRetained = isRetained
    }
}

/// What is needed to run a job; kept in memory only while the byte budget allows, and read back from the store.
package struct JobBody: Sendable {
    package let traits: JobTraits
    package let payload: Bytes
    package var history: JobHistory

    package init(traits: JobTraits, payload: Bytes, history: JobHistory = JobHistory()) {
        self.traits = traits
        self.payload = payload
        self.history = history
    }
}

/// A job on its way to a node.
package struct QueuedJob: Sendable {
    package let id: JobID
    package var body: JobBody

    package init(id: JobID, body: JobBody) {
        self.id = id
        self.body = body
    }

    package var lane: LaneID { self.body.traits.lane }
    package var share: LaneShare? { self.body.traits.share }
    package var attempt: UInt16 { self.body.history.failures &+ 1 }
}
