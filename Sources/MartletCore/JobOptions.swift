/// What may differ from job to job. A nil field takes the job type's setting in `cluster.json`, else the default.
public struct JobOptions: Hashable, Sendable {
    public var priority: Priority
    /// How long one attempt may run; 30 minutes unless set. After it the handler is cancelled and the attempt failed.
    public var timeout: Duration?
    public var retry: RetryPolicy?

    public init(priority: Priority = .normal, timeout: Duration? = nil, retry: RetryPolicy? = nil) {
        self.priority = priority
        self.timeout = timeout
        self.retry = retry
    }

    public static let standard = JobOptions()
    public static let defaultTimeout: Duration = .seconds(30 * 60)
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
