/// What may differ from job to job. A nil field takes the job type's setting in `cluster.json`, else the default.
public struct JobOptions: Hashable, Sendable {
    public var priority: Priority
    /// All else; nil if it is as usual, so that most jobs pay for one pointer.
    private var own: Boxed<Own>?

    public init(priority: Priority = .normal, timeout: Duration? = nil, retry: RetryPolicy? = nil) {
        self.priority = priority
        self.set(timeout: timeout, retry: retry, rare: nil)
    }

    package init(priority: Priority, timeout: Duration?, retry: RetryPolicy?, rare: Rare?) {
        self.priority = priority
        self.set(timeout: timeout, retry: retry, rare: rare)
    }

    public static let standard = JobOptions()
    public static let defaultTimeout: Duration = .seconds(30 * 60)

    /// The options that few jobs have.
    package struct Rare: Hashable, Sendable {
        package var expiry: Duration?
        package var unique: UniqueKey?
        package var group: String?
        package var key: String?
        package var isOrdered = false
        package var retention: Duration?
        package var tags: [String] = []
        package var metadata: [String: String] = [:]
        package var batch: BatchID?
        package var services: Boxed<[ServiceUse]>?

        package init() {}

        package static let none = Rare()
    }

    private struct Own: Hashable, Sendable {
        var timeout: Duration?
        var retry: RetryPolicy?
        var rare: Boxed<Rare>?
    }

    /// All rare options at once; nil if none is set.
    package var rareOptions: Rare? {
        get { self.own?.value.rare?.value }
        set { self.set(timeout: self.timeout, retry: self.retry, rare: newValue) }
    }

    /// Nothing is set but the priority.
    package var isBare: Bool { self.own == nil }

    private mutating func set(timeout: Duration?, retry: RetryPolicy?, rare: Rare?) {
        let rare = rare.flatMap { $0 == .none ? nil : Boxed($0) }
        let isBare = timeout == nil && retry == nil && rare == nil
        self.own = isBare ? nil : Boxed(Own(timeout: timeout, retry: retry, rare: rare))
    }

    private mutating func change(_ change: (inout Rare) -> Void) {
        var value = self.rareOptions ?? .none
        change(&value)
        self.rareOptions = value
    }
}

extension JobOptions {
    /// How long one attempt may run; 30 minutes unless set. After it the handler is cancelled and the attempt failed.
    public var timeout: Duration? {
        get { self.own?.value.timeout }
        set { self.set(timeout: newValue, retry: self.retry, rare: self.rareOptions) }
    }
    public var retry: RetryPolicy? {
        get { self.own?.value.retry }
        set { self.set(timeout: self.timeout, retry: newValue, rare: self.rareOptions) }
    }
    /// A job that no handler has started so long after it became due ends as `expired`. Nil: it waits for ever.
    public var expiry: Duration? {
        get { self.own?.value.rare?.value.expiry }
        set { self.change { $0.expiry = newValue } }
    }
    /// Keeps a second job with the same key from being created.
    public var unique: UniqueKey? {
        get { self.own?.value.rare?.value.unique }
        set { self.change { $0.unique = newValue } }
    }
    /// Whose job it is, a tenant's or a customer's: the groups of a queue share its nodes by weight, so that one
    /// group's million jobs do not delay another's one. Up to 128 bytes.
    public var group: String? {
        get { self.own?.value.rare?.value.group }
        set { self.change { $0.group = newValue } }
    }
    /// What it works on, an account say: jobs of a queue with the same key run at most as many at once as the queue's
    /// `keyConcurrency` says. Up to 128 bytes.
    public var key: String? {
        get { self.own?.value.rare?.value.key }
        set { self.change { $0.key = newValue } }
    }
    /// Jobs with the same ``key`` run one after the other in the order of their submit; a failed one is tried again
    /// before the next begins.
    public var isOrdered: Bool {
        get { self.own?.value.rare?.value.isOrdered ?? false }
        set { self.change { $0.isOrdered = newValue } }
    }
    /// The external services whose limits each run counts against, at most four; those of the job type in
    /// `cluster.json` unless set, none if it is empty. A run begins only when all of them have a place and the tokens
    /// for it.
    public var services: [ServiceUse]? {
        get { self.own?.value.rare?.value.services?.value }
        set { self.change { $0.services = newValue.map { Boxed($0) } } }
    }
    /// How long the job and its result stay visible after it succeeded; the queue's setting unless set.
    public var retention: Duration? {
        get { self.own?.value.rare?.value.retention }
        set { self.change { $0.retention = newValue } }
    }
    /// To find jobs by: at most 16 names of up to 64 bytes.
    public var tags: [String] {
        get { self.own?.value.rare?.value.tags ?? [] }
        set { self.change { $0.tags = newValue } }
    }
    /// Handed to the handler beside the payload: at most 16 entries, 4 KiB in all.
    public var metadata: [String: String] {
        get { self.own?.value.rare?.value.metadata ?? [:] }
        set { self.change { $0.metadata = newValue } }
    }
    /// The batch that the job joins. A handler that is a member of it may add others as its follow-ups also when it is
    /// closed, as long as it has not ended.
    public var batch: BatchID? {
        get { self.own?.value.rare?.value.batch }
        set { self.change { $0.batch = newValue } }
    }

    /// Whether a job's body may be kept in memory from its submit on: nothing but what is submitted belongs to it, and
    /// nobody changes that.
    package var allowsCaching: Bool {
        guard let rare = self.own?.value.rare?.value else { return true }
        return rare.unique == nil && rare.expiry == nil
    }

    /// What sets the job apart within its lane.
    package var share: LaneShare? {
        guard let rare = self.own?.value.rare?.value, rare.group != nil || rare.key != nil || rare.services != nil
        else {
            return nil
        }
        return LaneShare(
            group: rare.group ?? "", key: rare.key ?? "", isOrdered: rare.isOrdered, services: rare.services)
    }
}

/// Names what a set of jobs have in common: sent once for many jobs, stored once a lane.
package struct JobTemplate: Hashable, Sendable {
    package var type: String
    package var queue: String
    package var options: JobOptions

    package init(type: String, queue: String, options: JobOptions = .standard) {
        self.type = type
        self.queue = queue
        self.options = options
    }

    package var lane: LaneKey { LaneKey(queue: self.queue, type: self.type, priority: self.options.priority) }
}
