package import MartletCore

/// What a ``StoreState`` keeps of workflows and batches.
struct GroupState: Sendable {
    var workflows: [WorkflowID: WorkflowRow] = [:]
    var batches: [BatchID: BatchRow] = [:]
    var names: [JobID: String] = [:]
    /// By parent; ascending by child.
    var edges: [JobID: [JobEdge]] = [:]
    /// By child; ascending by parent.
    var parents: [JobID: [JobEdge]] = [:]
    /// In the order in which they are to be carried out.
    var releases: [Release] = []
}

extension StoreState: GroupTables {
    package func workflow(_ id: WorkflowID) -> WorkflowRow? { self.groups.workflows[id] }

    package mutating func setWorkflow(_ row: WorkflowRow) { self.groups.workflows[row.id] = row }

    package mutating func removeWorkflow(_ id: WorkflowID) { self.groups.workflows[id] = nil }

    package func workflowsOver(at now: WallTime, limit: Int) -> [WorkflowRow] {
        let over = self.groups.workflows.values.filter { $0.expires.map { $0 <= now } ?? false }
        return Array(over.sorted { ($0.expires!, $0.id) < ($1.expires!, $1.id) }.prefix(limit))
    }

    package func jobs(of workflow: WorkflowID, limit: Int) -> [JobID] {
        Array(self.rows.values.lazy.filter { $0.job.workflow == workflow }.map(\.job.id).sorted().prefix(limit))
    }

    package func memberName(of id: JobID) -> String? { self.groups.names[id] }

    package mutating func setMemberName(of id: JobID, _ name: String) { self.groups.names[id] = name }

    package mutating func removeMember(_ id: JobID) {
        self.groups.names[id] = nil
        for edge in (self.groups.edges[id] ?? []) + (self.groups.parents[id] ?? []) { self.remove(edge) }
    }

    package mutating func insert(_ edge: JobEdge) {
        self.groups.edges[edge.parent, default: []].append(edge)
        self.groups.parents[edge.child, default: []].append(edge)
    }

    private mutating func remove(_ edge: JobEdge) {
        self.groups.edges[edge.parent]?.removeAll { $0.child == edge.child }
        self.groups.parents[edge.child]?.removeAll { $0.parent == edge.parent }
        if self.groups.edges[edge.parent]?.isEmpty ?? false { self.groups.edges[edge.parent] = nil }
        if self.groups.parents[edge.child]?.isEmpty ?? false { self.groups.parents[edge.child] = nil }
    }

    package func edges(from parent: JobID, after child: JobID?, limit: Int) -> [JobEdge] {
        let edges = self.groups.edges[parent] ?? []
        return Array(edges.lazy.filter { edge in child.map { edge.child > $0 } ?? true }.prefix(limit))
    }

    package mutating func removeEdges(from parents: ClosedRange<JobID>, limit: Int) -> Int {
        var left = limit
        for parent in self.groups.edges.keys.filter({ parents.contains($0) }).sorted() {
            for edge in self.groups.edges[parent]!.prefix(left) {
                self.remove(edge)
                left -= 1
            }
        }
        return limit - left
    }

    package func batch(_ id: BatchID) -> BatchRow? { self.groups.batches[id] }

    package mutating func setBatch(_ row: BatchRow) { self.groups.batches[row.id] = row }

    package mutating func removeBatch(_ id: BatchID) { self.groups.batches[id] = nil }

    package func batchesOver(at now: WallTime, limit: Int) -> [BatchID] {
        let over = self.groups.batches.values.filter { $0.expires.map { $0 <= now } ?? false }
        return over.sorted { ($0.expires!, $0.id) < ($1.expires!, $1.id) }.prefix(limit).map(\.id)
    }

    package var storedReleaseCount: Int { self.groups.releases.count }

    package mutating func store(_ release: Release) { self.groups.releases.append(release) }

    package func firstStoredRelease() -> Release? { self.groups.releases.first }

    package mutating func replaceFirstStoredRelease(by release: Release?) {
        if let release { self.groups.releases[0] = release } else { self.groups.releases.removeFirst() }
    }
}

/// Questions.
extension StoreState {
    package func workflows(before: WorkflowID?, limit: Int) -> [WorkflowRow] {
        let ids = self.groups.workflows.keys.filter { id in before.map { id < $0 } ?? true }
        return ids.sorted(by: >).prefix(limit).map { self.groups.workflows[$0]! }
    }

    package func members(of id: WorkflowID, after: JobID?, limit: Int) -> [WorkflowMember] {
        let ids = self.rows.values.lazy.filter { row in
            row.job.workflow == id && after.map { row.job.id > $0 } ?? true
        }.map(\.job.id)
        return ids.sorted().prefix(limit).map { job in
            WorkflowMember(
                name: self.groups.names[job] ?? "", record: self.record(self.rows[job]!),
                parents: self.groups.parents[job] ?? [])
        }
    }

    package func batches(before: BatchID?, limit: Int) -> [BatchRow] {
        let ids = self.groups.batches.keys.filter { id in before.map { id < $0 } ?? true }
        return ids.sorted(by: >).prefix(limit).map { self.groups.batches[$0]! }
    }

    func parentResults(of id: JobID) -> [ParentResult] {
        var results = ParentResults()
        for edge in (self.groups.parents[id] ?? []).prefix(StoredJob.parentsMax) {
            guard let parent = self.rows[edge.parent] else { continue }
            results.add(
                edge.parent, name: self.groups.names[edge.parent] ?? "", state: parent.job.state, parent.result)
        }
        return results.all
    }
}

/// Gathers what a job is told of those that it waited for.
package struct ParentResults {
    package private(set) var all: [ParentResult] = []
    private var bytes = 0

    package init() {}

    /// A parent that has not ended was dead, which let the job go on, and is tried anew: it is told of as dead.
    package mutating func add(_ id: JobID, name: String, state: JobState, _ result: Bytes?) {
        self.bytes += result?.count ?? 0
        let isShown = state.isTerminal && self.bytes <= StoredJob.parentResultsMax
        self.all.append(
            ParentResult(id: id, name: name, state: state.isTerminal ? state : .dead, result: isShown ? result : nil))
    }
}

/// Promises.
extension StoreState {
    /// Checks that the counts of workflows and batches are those of their jobs.
    func checkGroups() {
        var open: [WorkflowID: Int] = [:]
        var pinned: [WorkflowID: Int] = [:]
        var pending: [BatchID: UInt64] = [:]
        for row in self.rows.values.map(\.job) {
            if let workflow = row.workflow {
                open[workflow, default: 0] += row.isPending ? 1 : 0
                pinned[workflow, default: 0] += row.flags.contains(.pinned) ? 1 : 0
            }
            if row.flags.contains(.batchMember), row.isPending, let batch = row.options.batch {
                pending[batch, default: 0] += 1
            }
        }
        for workflow in self.groups.workflows.values {
            precondition(workflow.open == open[workflow.id] ?? 0, "open jobs of a workflow are counted")
            precondition(workflow.pinned == pinned[workflow.id] ?? 0, "jobs that keep a workflow are counted")
            precondition((workflow.open == 0) == (workflow.finishedAt != nil), "a workflow ends with its last job")
        }
        for batch in self.groups.batches.values where batch.finishedAt == nil {
            if let parent = batch.parent { pending[parent, default: 0] += 1 }
        }
        let isSettled = self.groups.releases.isEmpty
        for batch in self.groups.batches.values {
            precondition(batch.isBalanced, "every member of a batch is somewhere")
            precondition(batch.pending == pending[batch.id] ?? 0, "pending members of a batch are counted")
            precondition(batch.finishedAt == nil || batch.isOver, "a batch ends after its last member")
            precondition(!isSettled || !batch.isOver || batch.finishedAt != nil, "a batch ends with its last member")
        }
        guard isSettled else { return }
        for row in self.rows.values.map(\.job) where row.state == .blocked && row.flags.contains(.child) {
            let open = (self.groups.parents[row.id] ?? []).count { self.rows[$0.parent]?.job.isPending ?? false }
            precondition(row.waits > 0, "a job that waits for nobody is not blocked")
            precondition(Int(row.waits) <= (self.groups.parents[row.id] ?? []).count, "nobody waits twice for one")
            // A parent that was revived after its end counts among the open ones and is not waited for again.
            precondition(Int(row.waits) <= open, "a job waits for those that have not ended")
        }
    }
}
