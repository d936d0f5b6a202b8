/// What many jobs have in common, resolved once: one object per template of a submit, shared by its jobs. A job that
/// brings something of its own with it has one to itself.
package final class JobTraits: Sendable {
    package let lane: LaneID
    package let key: LaneKey
    /// As submitted; nil fields were left to the settings.
    package let options: JobOptions
    package let timeout: Duration
    package let retry: RetryPolicy
    /// How long it stays visible once it is over.
    package let retention: Retention
    /// How long it stays visible once it has succeeded.
    package var keptFor: Duration? { self.options.retention ?? self.retention.succeeded }
    /// What sets the job apart within its lane.
    package let share: LaneShare?
    /// Whether the dispatcher may count it against a limit, so that it must hear when a lease on it ends.
    package let isCounted: Bool
    /// Nil for most; here so that a queued job has no more than two references to count.
    fileprivate let extras: JobExtras?
    private let base: JobTraits?

    /// - Parameter isCapped: whether its queue or type has a limit, or it uses services.
    package init(
        lane: LaneID, key: LaneKey, options: JobOptions, timeout: Duration, retry: RetryPolicy,
        retention: Retention = .standard, isCapped: Bool = false
    ) {
        self.share = options.share
        self.isCounted = isCapped || !(options.share?.key.isEmpty ?? true)
        self.lane = lane
        self.key = key
        self.options = options
        self.timeout = timeout
        self.retry = retry
        self.retention = retention
        self.extras = nil
        self.base = nil
    }

    fileprivate init(_ base: JobTraits, extras: JobExtras) {
        self.share = base.share
        self.isCounted = base.isCounted
        self.lane = base.lane
        self.key = base.key
        self.options = base.options
        self.timeout = base.timeout
        self.retry = base.retry
        self.retention = base.retention
        self.extras = extras
        self.base = base
    }

    /// What the job has in common with others.
    package var shared: JobTraits { self.base ?? self }
}

/// What is needed to run a job; kept in memory only while the byte budget allows, and read back from the store.
package struct JobBody: Sendable {
    package private(set) var traits: JobTraits
    package let payload: Bytes
    package var history: JobHistory
    /// The store has more of it by now, a checkpoint: to be read anew before it runs again.
    package var isOutdated = false
    /// A node gave it back for others to run.
    package var wasGivenBack = false

    package init(
        traits: JobTraits, payload: Bytes, history: JobHistory = JobHistory(), extras: JobExtras? = nil
    ) {
        self.traits = extras.map { JobTraits(traits.shared, extras: $0) } ?? traits
        self.payload = payload
        self.history = history
    }

    /// Nil for most.
    package var extras: JobExtras? { self.traits.extras }
    package var revision: UInt32 { self.extras?.revision ?? 0 }

    /// The body of a job that a node has from an earlier epoch. If its payload was ever replaced, nobody knows which
    /// one the node has: the job runs again after that.
    package var claimed: JobBody {
        guard self.revision > 0 else { return self }
        var body = self
        body.traits = JobTraits(
            self.traits.shared, extras: JobExtras(expires: self.extras?.expires, revision: .max))
        body.isOutdated = true
        return body
    }
}

/// What few jobs bring with them when they run.
package final class JobExtras: Sendable {
    /// Not started by then, it ends as expired.
    package let expires: WallTime?
    /// Counts how often a later submit has replaced the payload.
    package let revision: UInt32
    /// Where an earlier attempt has got to.
    package let checkpoint: Bytes?
    /// The jobs that it waited for.
    package let parents: [ParentResult]

    package init(
        expires: WallTime? = nil, revision: UInt32 = 0, checkpoint: Bytes? = nil, parents: [ParentResult] = []
    ) {
        self.expires = expires
        self.revision = revision
        self.checkpoint = checkpoint
        self.parents = parents
    }
}

/// How a job ended that another one waited for.
package struct ParentResult: Hashable, Sendable {
    package let id: JobID
    /// Its name in the workflow; may be empty.
    package let name: String
    package let state: JobState
    package let result: Bytes?

    package init(id: JobID, name: String, state: JobState, result: Bytes?) {
        self.id = id
        self.name = name
        self.state = state
        self.result = result
    }
}

/// A job on its way to a node.
package struct QueuedJob: Sendable {
    package let id: JobID
    package var body: JobBody
    /// Was let through by the services that it uses, for a handler that starts before then on the coordinator's clock.
    package var startBy = Instant.distantFuture

    package init(id: JobID, body: JobBody) {
        self.id = id
        self.body = body
    }

    package var lane: LaneID { self.body.traits.lane }
    package var share: LaneShare? { self.body.traits.share }
    package var attempt: UInt16 { self.body.history.failures &+ 1 }
}
