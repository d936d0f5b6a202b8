package import MartletCore
import Synchronization

/// Keeps jobs in memory: for tests, and for those who can do without durability.
///
/// Its ``Disk`` outlives it, so that another store can take over what one left behind.
package final class InMemoryStore: JobStore {
    /// What is left when a store's process is gone.
    package final class Disk: Sendable {
        fileprivate let state: Mutex<StoreState>
        fileprivate let isOwned = Mutex(false)

        package init(shard: UInt16 = 0) {
            self.state = Mutex(StoreState(shard: shard))
        }

        package var contents: StoreState { self.state.withLock { $0 } }

        /// Lets go of the lock, as the end of a process does.
        package func releaseLock() { self.isOwned.withLock { $0 = false } }
    }

    private let disk: Disk
    private let epoch = Mutex<Epoch?>(nil)

    package init(disk: Disk = Disk()) {
        self.disk = disk
    }

    package func open() async throws(StoreError) -> StoreOpening {
        let isFree = self.disk.isOwned.withLock { isOwned in
            defer { isOwned = true }
            return !isOwned
        }
        guard isFree else { throw StoreError(.locked, "another coordinator has this store open") }
        let opening = self.disk.state.withLock { $0.open() }
        self.epoch.withLock { $0 = opening.epoch }
        return opening
    }

    package func commit(_ group: CommitGroup) async throws(StoreError) -> CommitResult {
        let result = self.disk.state.withLock { state -> CommitResult? in
            group.epoch == state.epoch ? state.apply(group) : nil
        }
        guard let result else { throw StoreError(.fenced, "another coordinator has taken over with a later epoch") }
        return result
    }

    package func readyJobs(after: JobID?, limit: Int) async throws(StoreError) -> [ReadyJob] {
        self.disk.state.withLock { $0.readyJobs(after: after, limit: limit) }
    }

    package func scheduledJobs(
        after: ScheduledJob?, dueBy due: WallTime, limit: Int
    ) async throws(StoreError) -> [ScheduledJob] {
        self.disk.state.withLock { $0.scheduledJobs(after: after, dueBy: due, limit: limit) }
    }

    package func orderedJobs(after: ScheduledJob, limit: Int) async throws(StoreError) -> [ScheduledJob] {
        self.disk.state.withLock { $0.orderedJobs(after: after, limit: limit) }
    }

    package func expiredJobs(
        by now: WallTime, after: ExpiringJob?, limit: Int
    ) async throws(StoreError) -> [ExpiringJob] {
        self.disk.state.withLock { $0.expiredJobs(by: now, after: after, limit: limit) }
    }

    package func load(_ ids: [JobID], bytesMax: Int) async throws(StoreError) -> (jobs: [StoredJob], isComplete: Bool) {
        self.disk.state.withLock { $0.load(ids, bytesMax: bytesMax) }
    }

    package func jobs(matching filter: JobFilter, after: JobID?, limit: Int) async throws(StoreError) -> [JobRecord] {
        self.disk.state.withLock { $0.jobs(matching: filter, after: after, limit: limit) }
    }

    package func job(_ id: JobID) async throws(StoreError) -> (record: JobRecord, payload: Bytes)? {
        self.disk.state.withLock { $0.job(id) }
    }

    package func attempts(of id: JobID) async throws(StoreError) -> [AttemptRecord] {
        self.disk.state.withLock { $0.attempts(of: id) }
    }

    package func result(of id: JobID) async throws(StoreError) -> Bytes? {
        self.disk.state.withLock { $0.result(of: id) }
    }

    package func workflow(_ id: WorkflowID) async throws(StoreError) -> WorkflowRow? {
        self.disk.state.withLock { $0.workflow(id) }
    }

    package func workflows(before: WorkflowID?, limit: Int) async throws(StoreError) -> [WorkflowRow] {
        self.disk.state.withLock { $0.workflows(before: before, limit: limit) }
    }

    package func members(of id: WorkflowID, after: JobID?, limit: Int) async throws(StoreError) -> [WorkflowMember] {
        self.disk.state.withLock { $0.members(of: id, after: after, limit: limit) }
    }

    package func batch(_ id: BatchID) async throws(StoreError) -> BatchRow? {
        self.disk.state.withLock { $0.batch(id) }
    }

    package func batches(before: BatchID?, limit: Int) async throws(StoreError) -> [BatchRow] {
        self.disk.state.withLock { $0.batches(before: before, limit: limit) }
    }

    package func schedule(_ name: String) async throws(StoreError) -> ScheduleRow? {
        self.disk.state.withLock { $0.schedule(name) }
    }

    package func runs(
        of schedule: String, before: WallTime?, limit: Int
    ) async throws(StoreError) -> [ScheduleRun] {
        self.disk.state.withLock { $0.runs(of: schedule, before: before, limit: limit) }
    }

    package func laneTotals() async throws(StoreError) -> [LaneTotals] { self.disk.state.withLock { $0.laneTotals } }

    package func close() async {
        self.disk.releaseLock()
    }
}
