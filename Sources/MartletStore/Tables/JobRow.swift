package import MartletCore

/// A job as a store keeps it, but for its payload.
package struct JobRow: Hashable, Sendable {
    package let id: JobID
    package var lane: LaneID
    package var state: JobState
    /// When it is due, if scheduled; when it was or will be, if blocked.
    package var due: WallTime?
    package var history: JobHistory
    package var options: JobOptions
    package let createdAt: WallTime
    package var finishedAt: WallTime?
    package var failure: JobFailure?
    package var flags: JobFlags
    /// Of a pending job: ends as `expired` unless it has started by then. Of one that is over: removed then.
    package var expires: WallTime?
    package var workflow: WorkflowID?
    /// How many jobs it still waits for; more than none if and only if it is blocked, but for callbacks of a batch.
    package var waits: UInt32
    /// Grows each time that a later submit replaces its payload.
    package var revision: UInt32

    package init(
        id: JobID, lane: LaneID, state: JobState, due: WallTime? = nil, history: JobHistory = JobHistory(),
        options: JobOptions, createdAt: WallTime, finishedAt: WallTime? = nil, failure: JobFailure? = nil,
        flags: JobFlags = [], expires: WallTime? = nil, workflow: WorkflowID? = nil, waits: UInt32 = 0,
        revision: UInt32 = 0
    ) {
        self.id = id
        self.lane = lane
        self.state = state
        self.due = due
        self.history = history
        self.options = options
        self.createdAt = createdAt
        self.finishedAt = finishedAt
        self.failure = failure
        self.flags = flags
        self.expires = expires
        self.workflow = workflow
        self.waits = waits
        self.revision = revision
    }

    /// Not over: blocked, scheduled, ready or running.
    package var isPending: Bool { !self.state.isTerminal }
    /// May run now or later, without waiting for others.
    package var isWaiting: Bool { self.state == .ready || self.state == .scheduled }
}

/// What a job has beside its row. Jobs without any take the short way through a store.
package struct JobFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// It holds, or held, a unique key.
    package static let unique = JobFlags(rawValue: 1 << 0)
    /// Other jobs wait for it.
    package static let parent = JobFlags(rawValue: 1 << 1)
    /// It waits, or waited, for others.
    package static let child = JobFlags(rawValue: 1 << 2)
    /// It is a member of the batch in its options.
    package static let batchMember = JobFlags(rawValue: 1 << 3)
    package static let workflowMember = JobFlags(rawValue: 1 << 4)
    /// Some of its attempts are kept.
    package static let attempts = JobFlags(rawValue: 1 << 5)
    package static let checkpoint = JobFlags(rawValue: 1 << 6)
    /// It is released by the end of a batch.
    package static let callback = JobFlags(rawValue: 1 << 7)
    /// Jobs of its key run one after the other: recovery looks for those that are scheduled.
    package static let ordered = JobFlags(rawValue: 1 << 9)
    /// It expires unless it starts in time.
    package static let expiring = JobFlags(rawValue: 1 << 10)
    /// A result is kept.
    package static let result = JobFlags(rawValue: 1 << 8)
    /// It is dead and stays until somebody sees to it, and its workflow with it.
    package static let pinned = JobFlags(rawValue: 1 << 11)
}

/// Names a workflow: the id of its first job.
package typealias WorkflowID = JobID

/// What a group's changes led to beyond their outcomes. The owner carries it on once the group is durable.
package struct Consequences: Hashable, Sendable {
    /// A job that may run now, or later if it has a due time.
    package struct Waiting: Hashable, Sendable {
        package let id: JobID
        package let lane: LaneID
        package let share: LaneShare?
        /// Nil: at once.
        package let due: WallTime?

        package init(id: JobID, lane: LaneID, share: LaneShare?, due: WallTime?) {
            self.id = id
            self.lane = lane
            self.share = share
            self.due = due
        }
    }

    /// A job that the owner may know already, in this lane, and that is now as ``after`` says.
    package struct Moved: Hashable, Sendable {
        package let before: LaneID
        /// Nil: it was ready.
        package let dueBefore: WallTime?
        package let after: Waiting

        package init(before: LaneID, dueBefore: WallTime? = nil, after: Waiting) {
            self.before = before
            self.dueBefore = dueBefore
            self.after = after
        }
    }

    /// New to the owner, or back from a node: follow-ups, released dependents.
    package var waiting: [Waiting] = []
    /// Another payload, due time or lane.
    package var moved: [Moved] = []
    /// Jobs that ended other than by an outcome of their own: cancelled with a parent, or not needed any more.
    package var ended: [JobID] = []
    /// More dependents are to be released: commit ``Change/release(limit:)`` until there are none.
    package var hasReleases = false

    package init() {}
}
