import MartletCore
import MartletRuntime
import MartletStore
import Synchronization

/// What a test wants of the store, and what it saw.
final class StoreFaults: Sendable {
    struct Plan: Sendable {
        /// How long a commit takes.
        var latency: Duration = .milliseconds(1)
        /// Called before a group is applied; an error keeps it from being applied.
        var refuse: @Sendable (CommitGroup) -> StoreError? = { _ in nil }
        /// Called after a group was applied.
        var failAfter: @Sendable (CommitGroup) -> StoreError? = { _ in nil }
        var loadsFail = false
        /// How long people, and the scheduler, wait for what they ask about a job.
        var questionLatency: Duration = .zero
    }

    private let plan = Mutex(Plan())
    private let groups = Mutex<[CommitGroup]>([])

    var current: Plan {
        get { self.plan.withLock { $0 } }
        set { self.plan.withLock { $0 = newValue } }
    }

    /// Groups that were applied.
    var applied: [CommitGroup] { self.groups.withLock { $0 } }

    func note(_ group: CommitGroup) { self.groups.withLock { $0.append(group) } }
}

extension CommitGroup {
    /// Whether it holds new jobs.
    var hasSubmits: Bool { self.changes.contains { if case .submit = $0 { true } else { false } } }
}

/// The in-memory store with faults as the test has them.
final class ScriptedStore: ForwardingStore {
    let inner: InMemoryStore
    private let faults: StoreFaults
    private let loop: EventLoop

    init(disk: InMemoryStore.Disk, faults: StoreFaults, loop: EventLoop) {
        self.inner = InMemoryStore(disk: disk)
        self.faults = faults
        self.loop = loop
    }

    func commit(_ group: CommitGroup) async throws(StoreError) -> CommitResult {
        let plan = self.faults.current
        try? await self.loop.sleep(for: plan.latency)
        if let error = plan.refuse(group) { throw error }
        let result = try await self.inner.commit(group)
        self.faults.note(group)
        if let error = plan.failAfter(group) { throw error }
        return result
    }

    func job(_ id: JobID) async throws(StoreError) -> (record: JobRecord, payload: Bytes)? {
        let latency = self.faults.current.questionLatency
        if latency > .zero { try? await self.loop.sleep(for: latency) }
        return try await self.inner.job(id)
    }

    func load(_ ids: [JobID], bytesMax: Int) async throws(StoreError) -> (jobs: [StoredJob], isComplete: Bool) {
        try? await self.loop.sleep(for: .microseconds(100))
        if self.faults.current.loadsFail { throw StoreError(.failed, "as told") }
        return try await self.inner.load(ids, bytesMax: bytesMax)
    }
}
