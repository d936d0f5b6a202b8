package import MartletCore

/// Keeps the jobs of one shard. One process owns it at a time; one suite checks every implementation.
///
/// Calls are made one at a time, but for those that are for people: they may overlap a commit and see a state at most
/// one commit old.
package protocol JobStore: Sendable {
    /// Takes the exclusive lock, recovers what the last owner left, makes it durable, and begins a new epoch.
    ///
    /// - Throws: `.locked`, `.newerVersion`, `.corrupt`, `.diskFull`, `.failed`.
    func open() async throws(StoreError) -> StoreOpening

    /// Applies one commit group atomically and makes it durable before it returns.
    ///
    /// - Throws: `.diskFull` or `.rolledBack` if certainly nothing was applied; `.outcomeUnknown` if COMMIT or
    ///   fsync failed, after which the process must exit and recover; `.fenced` if another owner took over.
    func commit(_ group: CommitGroup) async throws(StoreError) -> CommitResult

    /// Ready jobs in id order, for recovery.
    func readyJobs(after: JobID?, limit: Int) async throws(StoreError) -> [ReadyJob]

    /// Scheduled jobs due at or before `due`, after the place `after` in (due, id) order.
    func scheduledJobs(after: ScheduledJob?, dueBy due: WallTime, limit: Int) async throws(StoreError) -> [ScheduledJob]

    /// Scheduled jobs that keep others of their key waiting, after the place `after` in (due, id) order.
    func orderedJobs(after: ScheduledJob, limit: Int) async throws(StoreError) -> [ScheduledJob]
    /// Pending jobs that expired by `now` unless they have started, after the place `after` in (expires, id) order.
    func expiredJobs(by now: WallTime, after: ExpiringJob?, limit: Int) async throws(StoreError) -> [ExpiringJob]
    /// The named jobs with payload, in the order of `ids`, which is ascending. Jobs that are gone or terminal are
    /// left out. Stops, after at least one job, once the payloads reach `bytesMax`: ids beyond the last job
    /// returned were then not looked at; `isComplete` tells.
    func load(_ ids: [JobID], bytesMax: Int) async throws(StoreError) -> (jobs: [StoredJob], isComplete: Bool)

    /// For people: jobs that match, in id order, without payload.
    func jobs(matching filter: JobFilter, after: JobID?, limit: Int) async throws(StoreError) -> [JobRecord]

    /// For people: one job with its payload, or nil if there is none (any more).
    func job(_ id: JobID) async throws(StoreError) -> (record: JobRecord, payload: Bytes)?
    /// For people: the attempts of a job that failed, the last ones, in order.
    func attempts(of id: JobID) async throws(StoreError) -> [AttemptRecord]
    /// The result of a job that succeeded and is kept; nil if there is none.
    func result(of id: JobID) async throws(StoreError) -> Bytes?

    /// For people: a workflow, or nil if there is none (any more).
    func workflow(_ id: WorkflowID) async throws(StoreError) -> WorkflowRow?
    /// For people: workflows, the latest first.
    func workflows(before: WorkflowID?, limit: Int) async throws(StoreError) -> [WorkflowRow]
    /// For people: the jobs of a workflow in id order, without payload.
    func members(of id: WorkflowID, after: JobID?, limit: Int) async throws(StoreError) -> [WorkflowMember]
    /// For people: a batch, or nil if there is none (any more).
    func batch(_ id: BatchID) async throws(StoreError) -> BatchRow?
    /// For people: batches, the latest first.
    func batches(before: BatchID?, limit: Int) async throws(StoreError) -> [BatchRow]

    /// For people: a schedule, or nil if there is none (any more).
    func schedule(_ name: String) async throws(StoreError) -> ScheduleRow?
    /// For people: the runs of a schedule that are remembered, the latest instant first.
    func runs(of schedule: String, before: WallTime?, limit: Int) async throws(StoreError) -> [ScheduleRun]

    /// For people: what each lane holds and what passed through it since the store was made.
    func laneTotals() async throws(StoreError) -> [LaneTotals]

    /// For people: how long COMMIT took since the store was opened; nil if nothing waits for a disk.
    func syncTimes() async -> Histogram?

    /// Checkpoints and lets go of the lock. The store cannot be used after it.
    func close() async
}

extension JobStore {
    package func syncTimes() async -> Histogram? { nil }
}

/// What a new owner finds.
package struct StoreOpening: Sendable {
    /// Higher than every epoch before.
    package let epoch: Epoch
    /// Every lane ever used; index = raw value of its id.
    package let lanes: [LaneKey]
    /// Nodes that were registered with the last owner, in name order.
    package let nodes: [NodeRecord]
    /// How long ready-job recovery can expect to take; for people.
    package let pendingCount: Int
    /// In the order of what they stop.
    package let pauses: [Pause]
    /// Operations on many jobs, finished or not, in order.
    package let bulks: [BulkRecord]
    /// Dependents are still to be released: commit ``Change/release(limit:)`` until there are none.
    package let hasReleases: Bool
    /// In the order of their names.
    package let schedules: [ScheduleRow]
    /// What people have set for services, in the order of their names.
    package let services: [ServiceRecord]
    /// Who set what, in the order in which they did.
    package let serviceChanges: [ServiceChange]
    /// Services that asked to be left alone, in the order of their names; it may be over.
    package let serviceClosings: [ServiceClosing]

    package init(
        epoch: Epoch, lanes: [LaneKey], nodes: [NodeRecord], pendingCount: Int, pauses: [Pause] = [],
        bulks: [BulkRecord] = [], hasReleases: Bool = false, schedules: [ScheduleRow] = [],
        services: [ServiceRecord] = [], serviceChanges: [ServiceChange] = [],
        serviceClosings: [ServiceClosing] = []
    ) {
        self.services = services
        self.serviceChanges = serviceChanges
        self.serviceClosings = serviceClosings
        self.schedules = schedules
        self.pauses = pauses
        self.bulks = bulks
        self.hasReleases = hasReleases
        self.epoch = epoch
        self.lanes = lanes
        self.nodes = nodes
        self.pendingCount = pendingCount
    }
}

/// A registered node, so that a new owner knows whose leases may still run.
package struct NodeRecord: Hashable, Sendable {
    package let id: NodeID
    /// The longest time for which a lease of this node may outlive the coordinator that granted it.
    package let leaseDuration: Duration

    package init(id: NodeID, leaseDuration: Duration) {
        self.id = id
        self.leaseDuration = leaseDuration
    }
}

/// A job with what is needed to run it.
package struct StoredJob: Hashable, Sendable {
    package let id: JobID
    package let lane: LaneID
    package let history: JobHistory
    package let options: JobOptions
    package let payload: Bytes
    /// When it is or was due, if it was scheduled.
    package let due: WallTime?
    /// When it expires unless it has started.
    package let expires: WallTime?
    package let revision: UInt32
    /// From where an earlier attempt would go on.
    package let checkpoint: Bytes?
    /// The jobs that it waited for, ascending: the first ``parentsMax`` of them.
    package let parents: [ParentResult]

    /// Parents that a job is told of.
    package static let parentsMax = 1000
    /// Results of parents that a job gets, in bytes; what comes after is told of without its result.
    package static let parentResultsMax = 1 << 20

    package init(
        id: JobID, lane: LaneID, history: JobHistory, options: JobOptions, payload: Bytes, due: WallTime? = nil,
        expires: WallTime? = nil, revision: UInt32 = 0, checkpoint: Bytes? = nil, parents: [ParentResult] = []
    ) {
        self.parents = parents
        self.due = due
        self.expires = expires
        self.revision = revision
        self.checkpoint = checkpoint
        self.id = id
        self.lane = lane
        self.history = history
        self.options = options
        self.payload = payload
    }
}

extension StoredJob {
    /// What it brings with it beyond its payload, if anything.
    package var extras: JobExtras? {
        guard self.expires != nil || self.revision > 0 || self.checkpoint != nil || !self.parents.isEmpty else {
            return nil
        }
        return JobExtras(
            expires: self.expires, revision: self.revision, checkpoint: self.checkpoint, parents: self.parents)
    }
}

/// A job as people see it.
package struct JobRecord: Hashable, Sendable {
    package let id: JobID
    package let lane: LaneKey
    package let state: JobState
    package let history: JobHistory
    package let options: JobOptions
    package let createdAt: WallTime
    /// When it is due, if scheduled.
    package let due: WallTime?
    /// When it became terminal.
    package let finishedAt: WallTime?
    package let lastFailure: JobFailure?
    package let payloadCount: Int
    /// When a pending job expires, or one that is over is removed.
    package let expires: WallTime?
    package let workflow: WorkflowID?
    /// How many jobs it waits for.
    package let waits: Int
    package let flags: JobFlags

    package init(
        id: JobID, lane: LaneKey, state: JobState, history: JobHistory, options: JobOptions, createdAt: WallTime,
        due: WallTime?, finishedAt: WallTime?, lastFailure: JobFailure?, payloadCount: Int, expires: WallTime? = nil,
        workflow: WorkflowID? = nil, waits: Int = 0, flags: JobFlags = []
    ) {
        self.expires = expires
        self.workflow = workflow
        self.waits = waits
        self.flags = flags
        self.id = id
        self.lane = lane
        self.state = state
        self.history = history
        self.options = options
        self.createdAt = createdAt
        self.due = due
        self.finishedAt = finishedAt
        self.lastFailure = lastFailure
        self.payloadCount = payloadCount
    }
}

/// Which jobs to list. A nil field matches all.
package struct JobFilter: Hashable, Sendable {
    package var state: JobState?
    package var queue: String?
    package var type: String?
    package var tag: String?
    /// Created before then.
    package var createdBefore: WallTime?
    package var batch: BatchID?
    package var workflow: WorkflowID?
    package var group: String?

    package init(
        state: JobState? = nil, queue: String? = nil, type: String? = nil, tag: String? = nil,
        createdBefore: WallTime? = nil, batch: BatchID? = nil, workflow: WorkflowID? = nil, group: String? = nil
    ) {
        self.group = group
        self.state = state
        self.queue = queue
        self.type = type
        self.tag = tag
        self.createdBefore = createdBefore
        self.batch = batch
        self.workflow = workflow
    }

    /// Whether a job of that lane may match at all.
    package func matches(_ lane: LaneKey) -> Bool {
        (self.queue ?? lane.queue) == lane.queue && (self.type ?? lane.type) == lane.type
    }

    package func matches(_ record: JobRecord) -> Bool {
        (self.state ?? record.state) == record.state && self.matches(record.lane)
            && (self.tag.map { record.options.tags.contains($0) } ?? true)
            && (self.createdBefore.map { record.createdAt < $0 } ?? true)
            && (self.batch == nil || self.batch == record.options.batch)
            && (self.workflow == nil || self.workflow == record.workflow)
            && (self.group == nil || self.group == record.options.group)
    }
}

/// A pending job that is to have started by then. Ordered by that time, then id.
package struct ExpiringJob: Hashable, Comparable, Sendable {
    package let expires: WallTime
    package let id: JobID
    package let lane: LaneID
    package let share: LaneShare?

    package init(expires: WallTime, id: JobID, lane: LaneID, share: LaneShare? = nil) {
        self.share = share
        self.expires = expires
        self.id = id
        self.lane = lane
    }

    package static func < (a: Self, b: Self) -> Bool { (a.expires, a.id) < (b.expires, b.id) }
}

/// Counts of one lane. The `…Total` fields only grow and are written in the commit that causes them, so that
/// `submittedTotal = blocked + ready + scheduled + dead + succeededTotal + cancelledTotal + expiredTotal + deletedTotal`
/// holds after any crash, `ready` counting running jobs too.
package struct LaneTotals: Hashable, Sendable {
    package var lane: LaneKey
    /// Waiting for other jobs to end.
    package var blocked: UInt64 = 0
    package var ready: UInt64 = 0
    package var scheduled: UInt64 = 0
    package var dead: UInt64 = 0
    package var submittedTotal: UInt64 = 0
    package var succeededTotal: UInt64 = 0
    /// Failed attempts that were followed by a retry: updates to ready or scheduled that add to the failures.
    package var retriedTotal: UInt64 = 0
    package var cancelledTotal: UInt64 = 0
    package var expiredTotal: UInt64 = 0
    /// Dead jobs that were removed, by people or because their time or room was up.
    package var deletedTotal: UInt64 = 0
    /// What jobs take that stay though they are over, see ``KeptJob``.
    package var keptBytes: UInt64 = 0

    package init(lane: LaneKey) {
        self.lane = lane
    }
}

/// Why a store call failed. Match on ``code``.
package struct StoreError: Error, Sendable, CustomStringConvertible {
    package enum Code: Hashable, Sendable {
        /// Another process has the store open.
        case locked
        /// Written by a later version of Martlet.
        case newerVersion
        case corrupt
        /// No space; nothing of the group was applied.
        case diskFull
        /// A statement failed before COMMIT; nothing of the group was applied.
        case rolledBack
        /// COMMIT or fsync failed: applied or not, nobody knows. Exit, recover, answer nobody.
        case outcomeUnknown
        /// Another owner has taken over with a higher epoch.
        case fenced
        case failed
    }

    package let code: Code
    package let message: String
    /// SQLite's extended result code, if one caused this.
    package let nativeCode: Int32?

    package init(_ code: Code, _ message: String, nativeCode: Int32? = nil) {
        self.code = code
        self.message = message
        self.nativeCode = nativeCode
    }

    package var description: String { self.message }
}
