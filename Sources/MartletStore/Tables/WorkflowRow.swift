package import MartletCore

/// A workflow as a store keeps it.
package struct WorkflowRow: Hashable, Sendable {
    package let id: WorkflowID
    package let name: String
    package let createdAt: WallTime
    /// Its jobs have the ids from its own on.
    package let total: Int
    /// Jobs that have not ended.
    package var open: Int
    /// Jobs that ended without success, but for those that were not needed.
    package var failed: Int
    /// Dead jobs that stay until somebody sees to them, and the workflow with them.
    package var pinned: Int
    /// How long its jobs stay after the last of them has ended.
    package let keptFor: Duration
    /// Some job is to stay at least until then.
    package var keptUntil: WallTime?
    package var finishedAt: WallTime?
    /// To be removed then.
    package var expires: WallTime?

    package init(
        id: WorkflowID, name: String, createdAt: WallTime, total: Int, open: Int, failed: Int = 0, pinned: Int = 0,
        keptFor: Duration, keptUntil: WallTime? = nil, finishedAt: WallTime? = nil, expires: WallTime? = nil
    ) {
        self.id = id
        self.name = name
        self.createdAt = createdAt
        self.total = total
        self.open = open
        self.failed = failed
        self.pinned = pinned
        self.keptFor = keptFor
        self.keptUntil = keptUntil
        self.finishedAt = finishedAt
        self.expires = expires
    }

    /// Brings the times that follow from its counts up to date.
    mutating func settle(at now: WallTime) {
        self.finishedAt = self.open > 0 ? nil : self.finishedAt ?? now
        self.expires = nil
        guard let finishedAt, self.pinned == 0 else { return }
        self.expires = max(finishedAt + self.keptFor, self.keptUntil ?? finishedAt)
    }
}

/// That a job waits, or waited, for another one.
package struct JobEdge: Hashable, Sendable {
    package let parent: JobID
    package let child: JobID
    package let kind: DependencyKind

    package init(parent: JobID, child: JobID, kind: DependencyKind) {
        self.parent = parent
        self.child = child
        self.kind = kind
    }
}

/// A job of a workflow as people see it.
package struct WorkflowMember: Hashable, Sendable {
    package let name: String
    package let record: JobRecord
    /// Ascending.
    package let parents: [JobEdge]

    package init(name: String, record: JobRecord, parents: [JobEdge]) {
        self.name = name
        self.record = record
        self.parents = parents
    }
}
