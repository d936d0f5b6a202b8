package import MartletCore

/// Makes the jobs of a submission a workflow.
package struct NewWorkflow: Hashable, Sendable {
    package let name: String
    /// Of the submission's jobs, in order; without a ``WorkflowShape/problem``.
    package let shape: WorkflowShape
    /// How long its jobs stay after the last of them has ended.
    package let keptFor: Duration

    package init(name: String, shape: WorkflowShape, keptFor: Duration) {
        self.name = name
        self.shape = shape
        self.keptFor = keptFor
    }
}

/// Makes the jobs of a submission the callbacks of a batch that is opened with it.
///
/// The batch takes the first of the submission's ids, its callbacks those behind it.
package struct NewBatch: Hashable, Sendable {
    package let name: String
    /// The batch that it is a member of.
    package let parent: BatchID?
    /// What each of the submission's jobs waits for: each event at most once.
    package let callbacks: [BatchEvent]
    /// How long it stays visible after it has ended.
    package let keptFor: Duration

    package init(name: String, parent: BatchID? = nil, callbacks: [BatchEvent] = [], keptFor: Duration) {
        self.name = name
        self.parent = parent
        self.callbacks = callbacks
        self.keptFor = keptFor
    }

    /// Batches within batches.
    package static let depthMax = 16
}

/// Why a batch takes no more members.
package enum BatchRefusal: UInt8, Hashable, Sendable {
    /// It never was, or has ended and is forgotten.
    case unknown = 1
    case closed = 2
    /// There are too many batches within each other.
    case tooDeep = 3
}
