package import MartletCore

/// Work that the end of a job or batch leaves: to see to those that wait for it.
package struct Release: Hashable, Sendable {
    package enum Source: Hashable, Sendable {
        /// Ended in this state.
        case job(JobID, as: JobState)
        case batch(BatchID)
    }

    package let source: Source
    /// Dependents up to this one have been seen to.
    package var cursor: JobID?

    package init(_ source: Source, cursor: JobID? = nil) {
        self.source = source
        self.cursor = cursor
    }
}

/// What a store's tables must do for workflows and batches.
package protocol GroupTables {
    /// What this group's changes have set off, to be carried on with at its end.
    var releases: Deque<Release> { get set }

    func workflow(_ id: WorkflowID) throws(StoreError) -> WorkflowRow?
    /// Adds a workflow, or replaces it.
    mutating func setWorkflow(_ row: WorkflowRow) throws(StoreError)
    mutating func removeWorkflow(_ id: WorkflowID) throws(StoreError)
    /// Those to be removed by now, the first of them first.
    mutating func workflowsOver(at now: WallTime, limit: Int) throws(StoreError) -> [WorkflowRow]
    /// Those of its jobs that are there, ascending.
    func jobs(of workflow: WorkflowID, limit: Int) throws(StoreError) -> [JobID]

    func memberName(of id: JobID) throws(StoreError) -> String?
    mutating func setMemberName(of id: JobID, _ name: String) throws(StoreError)
    /// Forgets the name and every edge of a job.
    mutating func removeMember(_ id: JobID) throws(StoreError)

    mutating func insert(_ edge: JobEdge) throws(StoreError)
    /// Ascending by child.
    func edges(from parent: JobID, after child: JobID?, limit: Int) throws(StoreError) -> [JobEdge]
    /// Removes edges from jobs in this range, at most `limit`. Returns how many.
    mutating func removeEdges(from parents: ClosedRange<JobID>, limit: Int) throws(StoreError) -> Int

    func batch(_ id: BatchID) throws(StoreError) -> BatchRow?
    /// Adds a batch, or replaces it.
    mutating func setBatch(_ row: BatchRow) throws(StoreError)
    mutating func removeBatch(_ id: BatchID) throws(StoreError)
    /// Those to be removed by now, the first of them first.
    mutating func batchesOver(at now: WallTime, limit: Int) throws(StoreError) -> [BatchID]

    /// How many are stored.
    var storedReleaseCount: Int { get }
    mutating func store(_ release: Release) throws(StoreError)
    /// The one that was stored first.
    func firstStoredRelease() throws(StoreError) -> Release?
    /// Puts another one in its place, or nothing.
    mutating func replaceFirstStoredRelease(by release: Release?) throws(StoreError)
}
