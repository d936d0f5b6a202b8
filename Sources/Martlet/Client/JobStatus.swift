import MartletCore
package import MartletWire

/// Where a job stands, as the coordinator knows it.
public struct JobStatus: Hashable, Sendable {
    public let id: JobID
    public let type: String
    public let queue: String
    public let state: JobState
    public let options: JobOptions
    /// Attempts that failed.
    public let failures: Int
    /// Times that a node died with the job on it.
    public let nodeDeaths: Int
    public let createdAt: WallTime
    /// When it may run next, while it is scheduled.
    public let due: WallTime?
    public let finishedAt: WallTime?
    public let lastFailure: JobFailure?
    /// The worker that holds it, while it is running.
    public let node: String?
    /// When it expires unless it has started, or is removed if it has ended.
    public let expires: WallTime?
    /// How many jobs it waits for.
    public let waits: Int
    /// How far its handler says it has got, 0 to 1, while it is running.
    public let progress: Double?
    public let progressMessage: String?

    package init(_ view: JobView) {
        self.id = view.id
        self.type = view.template.type
        self.queue = view.template.queue
        self.state = view.state
        self.options = view.template.options
        self.failures = Int(view.failures)
        self.nodeDeaths = Int(view.nodeDeaths)
        self.createdAt = view.createdAt
        self.due = view.due
        self.finishedAt = view.finishedAt
        self.lastFailure = view.lastFailure
        self.node = view.node
        self.expires = view.expires
        self.waits = Int(view.waits)
        self.progress = view.progress?.fraction
        self.progressMessage = view.progress?.message
    }
}
