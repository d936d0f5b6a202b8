package import MartletCore

/// Which jobs are meant. A nil field matches all.
package struct JobSelection: Hashable, Sendable {
    package var state: JobState?
    package var queue: String?
    package var type: String?
    package var tag: String?
    /// Submitted before then.
    package var createdBefore: WallTime?
    package var batch: BatchID?
    /// By its first job.
    package var workflow: JobID?
    package var group: String?

    package init(
        state: JobState? = nil, queue: String? = nil, type: String? = nil, tag: String? = nil,
        createdBefore: WallTime? = nil, batch: BatchID? = nil, workflow: JobID? = nil, group: String? = nil
    ) {
        self.state = state
        self.queue = queue
        self.type = type
        self.tag = tag
        self.createdBefore = createdBefore
        self.batch = batch
        self.workflow = workflow
        self.group = group
    }
}

/// Changes the named jobs, or all that match if none is named.
package struct ChangeJobs: Message {
    package static let kind = FrameKind.changeJobs

    package typealias Action = BulkOperation

    package var action: Action
    /// Changes nothing: counts what matches, up to ``countMax`` jobs a request.
    package var isDryRun: Bool
    /// At most ``idsMax``.
    package var ids: RecordList<JobID>
    package var selection: JobSelection
    /// Where a dry run goes on.
    package var after: JobID?

    package init(
        _ action: Action, ids: [JobID] = [], matching selection: JobSelection = JobSelection(), isDryRun: Bool = false,
        after: JobID? = nil
    ) {
        self.action = action
        self.isDryRun = isDryRun
        self.ids = RecordList(ids)
        self.selection = selection
        self.after = after
    }

    package static let idsMax = 1000
    package static let countMax = 100_000
}

package struct JobsChanged: Message {
    package static let kind = FrameKind.jobsChanged

    /// Jobs changed so far; of a dry run, those that match.
    package var count: UInt64
    /// Named jobs that were not there, or not as they must be.
    package var missing: [JobID]
    /// The operation that goes on, or was recorded at least; nil if jobs were named, or of a dry run.
    package var bulk: UInt64?
    package var isFinished: Bool
    /// Where a dry run goes on, if there may be more.
    package var next: JobID?

    package init(
        count: UInt64, missing: [JobID] = [], bulk: UInt64? = nil, isFinished: Bool = true, next: JobID? = nil
    ) {
        self.count = count
        self.missing = missing
        self.bulk = bulk
        self.isFinished = isFinished
        self.next = next
    }
}

/// Asks for operations on many jobs.
package struct ListBulk: Message {
    package static let kind = FrameKind.listBulk

    /// Nil for all that are remembered.
    package var id: UInt64?

    package init(id: UInt64? = nil) {
        self.id = id
    }
}

/// An operation on many jobs.
package struct BulkView: Hashable, Sendable {
    package var id: UInt64
    package var action: ChangeJobs.Action
    package var selection: JobSelection
    package var startedAt: WallTime
    package var finishedAt: WallTime?
    package var changed: UInt64
    /// Jobs that matched and were not as they must be any more when their turn came.
    package var missed: UInt64
    /// The last job that it has done with.
    package var cursor: JobID?
    /// The last job that it is for.
    package var through: JobID?

    package init(
        id: UInt64, action: ChangeJobs.Action, selection: JobSelection, startedAt: WallTime, finishedAt: WallTime?,
        changed: UInt64, missed: UInt64, cursor: JobID?, through: JobID?
    ) {
        self.id = id
        self.action = action
        self.selection = selection
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.changed = changed
        self.missed = missed
        self.cursor = cursor
        self.through = through
    }
}

package struct BulkList: Message {
    package static let kind = FrameKind.bulkList

    package var operations: [BulkView]

    package init(operations: [BulkView]) {
        self.operations = operations
    }
}

/// Stops the starting of a queue's or job type's jobs, or lets it go on.
package struct SetPause: Message {
    package static let kind = FrameKind.setPause

    package enum Target: UInt8, Sendable, CaseIterable {
        case queue = 1
        case type = 2
    }

    package var target: Target
    package var name: String
    package var isPaused: Bool

    package init(_ target: Target, name: String, isPaused: Bool) {
        self.target = target
        self.name = name
        self.isPaused = isPaused
    }
}

/// The pause is durable, or its end is.
package struct PauseSet: Message {
    package static let kind = FrameKind.pauseSet

    /// Since when it is paused; nil if it is not.
    package var since: WallTime?
    /// Whether the request changed anything.
    package var isChanged: Bool

    package init(since: WallTime?, isChanged: Bool) {
        self.since = since
        self.isChanged = isChanged
    }
}

/// Asks what is paused.
package struct ListPauses: Message {
    package static let kind = FrameKind.listPauses

    package init() {}
}

package struct PauseView: Hashable, Sendable {
    package var target: SetPause.Target
    package var name: String
    package var since: WallTime

    package init(_ target: SetPause.Target, name: String, since: WallTime) {
        self.target = target
        self.name = name
        self.since = since
    }
}

package struct PauseList: Message {
    package static let kind = FrameKind.pauseList

    /// Queues first, in the order of their names.
    package var pauses: [PauseView]

    package init(pauses: [PauseView]) {
        self.pauses = pauses
    }
}
