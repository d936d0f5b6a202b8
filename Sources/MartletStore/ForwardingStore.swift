package import MartletCore

/// A store that another one works for: it does by itself only what it does otherwise. For faults and observers.
package protocol ForwardingStore: JobStore {
    associatedtype Inner: JobStore
    var inner: Inner { get }
}

extension ForwardingStore {
    package func open() async throws(StoreError) -> StoreOpening { try await self.inner.open() }

    package func commit(_ group: CommitGroup) async throws(StoreError) -> CommitResult {
        try await self.inner.commit(group)
    }

    package func readyJobs(after: JobID?, limit: Int) async throws(StoreError) -> [ReadyJob] {
        try await self.inner.readyJobs(after: after, limit: limit)
    }

    package func scheduledJobs(
        after: ScheduledJob?, dueBy due: WallTime, limit: Int
    ) async throws(StoreError) -> [ScheduledJob] {
        try await self.inner.scheduledJobs(after: after, dueBy: due, limit: limit)
    }

    package func orderedJobs(after: ScheduledJob, limit: Int) async throws(StoreError) -> [ScheduledJob] {
        try await self.inner.orderedJobs(after: after, limit: limit)
    }

    package func expiredJobs(
        by now: WallTime, after: ExpiringJob?, limit: Int
    ) async throws(StoreError) -> [ExpiringJob] {
        try await self.inner.expiredJobs(by: now, after: after, limit: limit)
    }

    package func load(_ ids: [JobID], bytesMax: Int) async throws(StoreError) -> (jobs: [StoredJob], isComplete: Bool) {
        try await self.inner.load(ids, bytesMax: bytesMax)
    }

    package func jobs(matching filter: JobFilter, after: JobID?, limit: Int) async throws(StoreError) -> [JobRecord] {
        try await self.inner.jobs(matching: filter, after: after, limit: limit)
    }

    package func job(_ id: JobID) async throws(StoreError) -> (record: JobRecord, payload: Bytes)? {
        try await self.inner.job(id)
    }

    package func attempts(of id: JobID) async throws(StoreError) -> [AttemptRecord] {
        try await self.inner.attempts(of: id)
    }

    package func result(of id: JobID) async throws(StoreError) -> Bytes? { try await self.inner.result(of: id) }

    package func workflow(_ id: WorkflowID) async throws(StoreError) -> WorkflowRow? {
        try await self.inner.workflow(id)
    }

    package func workflows(before: WorkflowID?, limit: Int) async throws(StoreError) -> [WorkflowRow] {
        try await self.inner.workflows(before: before, limit: limit)
    }

    package func members(of id: WorkflowID, after: JobID?, limit: Int) async throws(StoreError) -> [WorkflowMember] {
        try await self.inner.members(of: id, after: after, limit: limit)
    }

    package func batch(_ id: BatchID) async throws(StoreError) -> BatchRow? { try await self.inner.batch(id) }

    package func batches(before: BatchID?, limit: Int) async throws(StoreError) -> [BatchRow] {
        try await self.inner.batches(before: before, limit: limit)
    }

    package func schedule(_ name: String) async throws(StoreError) -> ScheduleRow? {
        try await self.inner.schedule(name)
    }

    package func runs(
        of schedule: String, before: WallTime?, limit: Int
    ) async throws(StoreError) -> [ScheduleRun] {
        try await self.inner.runs(of: schedule, before: before, limit: limit)
    }

    package func laneTotals() async throws(StoreError) -> [LaneTotals] { try await self.inner.laneTotals() }

    package func syncTimes() async -> Histogram? { await self.inner.syncTimes() }

    package func close() async { await self.inner.close() }
}
