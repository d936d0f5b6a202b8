package import MartletCore

/// Numbers an operation on many jobs: 1, 2, 3 ... in the order of their beginnings.
package struct BulkID: Hashable, Comparable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// An operation on all jobs that match, carried out in groups: what it is, and how far it has got.
package struct BulkRecord: Hashable, Sendable {
    package let id: BulkID
    package let operation: BulkOperation
    package let filter: JobFilter
    package let startedAt: WallTime
    package var finishedAt: WallTime?
    /// The last job that was there when it began: later ones are not its business.
    package var through: JobID?
    /// It has done with this job and all before it.
    package var cursor: JobID?
    package var changed: UInt64 = 0
    /// Jobs that matched and were not as they must be any more when their turn came.
    package var missed: UInt64 = 0

    package init(id: BulkID, operation: BulkOperation, filter: JobFilter, startedAt: WallTime) {
        self.id = id
        self.operation = operation
        self.filter = filter
        self.startedAt = startedAt
    }

    /// Finished operations that are remembered; those begun first are forgotten first.
    package static let finishedMax = 200
    /// Operations that may be under way at once.
    package static let activeMax = 64
    /// Jobs changed in one commit.
    package static let groupMax = 500

    /// Counts a group of which some jobs were missing.
    package mutating func count(_ work: BulkStep.Work, missing: Int) {
        self.changed += UInt64(work.count - missing)
        self.missed += UInt64(missing)
    }
}

/// One group of an operation on many jobs.
package struct BulkStep: Sendable {
    package enum Work: Sendable {
        case update([JobUpdate])
        case delete([JobID])
        case move([LaneChange])
        case reschedule([Rescheduling])

        package var count: Int {
            switch self {
            case .update(let updates): updates.count
            case .delete(let ids): ids.count
            case .move(let changes): changes.count
            case .reschedule(let changes): changes.count
            }
        }
    }

    /// As it is after the group, but for the counts, to which the group is added.
    package let record: BulkRecord
    package let work: Work

    package init(_ record: BulkRecord, _ work: Work = .delete([])) {
        self.record = record
        self.work = work
    }
}

/// A pending job's other due time.
package struct Rescheduling: Hashable, Sendable {
    package let id: JobID
    /// The job's own lane, or one of its queue and type; with another, the job counts as missing.
    package let lane: LaneID
    /// Nil: at once.
    package let due: WallTime?

    package init(id: JobID, lane: LaneID, due: WallTime?) {
        self.id = id
        self.lane = lane
        self.due = due
    }
}
