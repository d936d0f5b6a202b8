import MartletCore

/// What holds of the jobs of a workflow together.
extension JobTables {
    /// Creates the jobs of a workflow, with ids from `first` on. Their unique keys are free.
    mutating func create(
        _ workflow: NewWorkflow, _ jobs: [NewJob], from first: JobID, at now: WallTime
    ) throws(StoreError) {
        var isParent = Array(repeating: false, count: jobs.count)
        for member in workflow.shape.members {
            for parent in member.parents { isParent[parent.parent] = true }
        }
        for (place, member) in workflow.shape.members.enumerated() {
            let id = first.advanced(by: place)
            var flags: JobFlags = .workflowMember
            if isParent[place] { flags.insert(.parent) }
            if !member.parents.isEmpty { flags.insert(.child) }
            let role = JobRole(
                flags: flags, workflow: first, waits: UInt32(member.parents.count), isBlocked: !member.parents.isEmpty)
            _ = try self.create(jobs[place], as: id, role: role, at: now)
            try self.setMemberName(of: id, member.name)
            for parent in member.parents.sorted(by: { $0.parent < $1.parent }) {
                try self.insert(JobEdge(parent: first.advanced(by: parent.parent), child: id, kind: parent.kind))
            }
            if !role.isBlocked, let row = try self.row(id) { self.becameWaiting(row) }
        }
        try self.setWorkflow(
            WorkflowRow(
                id: first, name: workflow.name, createdAt: now, total: jobs.count, open: jobs.count,
                keptFor: workflow.keptFor))
    }

    mutating func leaveWorkflow(_ row: inout JobRow, keptFor: Duration?, at now: WallTime) throws(StoreError) {
        guard let id = row.workflow, var workflow = try self.workflow(id) else { return }
        workflow.open -= 1
        if row.countsAsFailed { workflow.failed += 1 }
        if let keptFor {
            workflow.keptUntil = max(workflow.keptUntil ?? now, now + keptFor)
        } else if row.state == .dead {
            row.flags.insert(.pinned)
            workflow.pinned += 1
        }
        workflow.settle(at: now)
        try self.setWorkflow(workflow)
    }

    mutating func rejoinWorkflow(_ row: inout JobRow, at now: WallTime) throws(StoreError) {
        guard let id = row.workflow, var workflow = try self.workflow(id) else { return }
        workflow.open += 1
        if row.countsAsFailed { workflow.failed -= 1 }
        if row.flags.contains(.pinned) {
            row.flags.remove(.pinned)
            workflow.pinned -= 1
        }
        workflow.settle(at: now)
        try self.setWorkflow(workflow)
    }

    /// Whether a job of a workflow may be removed by itself: not while others may want to see how it ended.
    func mayRemove(_ row: JobRow) throws(StoreError) -> Bool {
        guard row.flags.contains(.workflowMember), let id = row.workflow, let workflow = try self.workflow(id) else {
            return true
        }
        return workflow.finishedAt != nil
    }

    /// A job that is over is removed by itself from its workflow, which has ended.
    mutating func removeFromWorkflow(_ row: JobRow, at now: WallTime) throws(StoreError) {
        try self.removeMember(row.id)
        guard row.flags.contains(.pinned), let id = row.workflow, var workflow = try self.workflow(id) else { return }
        workflow.pinned -= 1
        workflow.settle(at: now)
        try self.setWorkflow(workflow)
    }
}

/// What a new job is part of.
struct JobRole {
    var flags: JobFlags = []
    var workflow: WorkflowID?
    var waits: UInt32 = 0
    var isBlocked = false

    static let alone = JobRole()
    static let callback = JobRole(flags: .callback, isBlocked: true)
}

extension JobRow {
    /// Whether its end is a failure of its workflow.
    fileprivate var countsAsFailed: Bool {
        self.state != .succeeded && !(self.state == .cancelled && self.failure?.kind == JobFailure.notNeededKind)
    }
}
