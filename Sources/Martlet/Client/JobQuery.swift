public import MartletCore
import MartletWire

/// Which jobs are meant. What is nil matches all.
///
/// ```swift
/// try await client.cancel(where: JobQuery(queue: "mail", tag: "campaign-7"))
/// ```
public struct JobQuery: Hashable, Sendable {
    public var state: JobState?
    public var queue: String?
    public var type: String?
    public var tag: String?
    /// Submitted longer ago than this.
    public var olderThan: Duration?
    public var group: String?
    public var batch: BatchID?

    public init(
        state: JobState? = nil, queue: String? = nil, type: String? = nil, tag: String? = nil,
        olderThan: Duration? = nil, group: String? = nil, batch: BatchID? = nil
    ) {
        self.state = state
        self.queue = queue
        self.type = type
        self.tag = tag
        self.olderThan = olderThan
        self.group = group
        self.batch = batch
    }

    /// As the coordinator is asked, by the clock of this process.
    func selection(at now: WallTime) -> JobSelection {
        JobSelection(
            state: self.state, queue: self.queue, type: self.type, tag: self.tag,
            createdBefore: self.olderThan.map { now - $0 }, batch: self.batch, group: self.group)
    }
}

/// What came of an operation on all jobs that match.
public struct BulkChange: Hashable, Sendable {
    /// Names the operation, for `martlet bulk show`.
    public let id: UInt64
    /// Jobs changed so far.
    public let count: Int
    /// False: the coordinator goes on with it, also after a restart.
    public let isFinished: Bool
}
