package import MartletCore
package import MartletObservability
package import MartletRuntime
package import MartletStore

/// Owns the store: gathers changes into commit groups and carries on with each once it is durable.
///
/// Group commit without a timer: while one transaction is syncing, the next one gathers.
package actor CommitLog {
    package enum Kind: Sendable {
        /// Refused with a clear error when the disk is full.
        case intake
        /// Frees space, or must not be lost: tried again until it is durable.
        case essential
    }

    /// What is done with the outcomes, once durable; or with the error, if nothing was applied.
    package typealias Completion = @Sendable (Result<[ChangeOutcome], StoreError>) async -> Void

    private struct Entry: Sendable {
        let changes: [Change]
        let kind: Kind
        let jobs: Int
        let bytes: Int
        let then: Completion
    }

    private struct Applied: Sendable {
        let entries: [Entry]
        let outcomes: [ChangeOutcome]
    }

    /// Jobs, and bytes, in one transaction: a bound on how long others wait for it.
    package static let groupJobsMax = 4096
    package static let groupBytesMax = 8 << 20
    /// Committed groups whose results have not been carried on.
    private static let appliedMax = 2

    private let loop: EventLoop
    private let store: any JobStore
    private let lanes: LaneDirectory
    private let log: Log
    private let afterGroup: @Sendable () async -> Void
    private let epoch: Epoch
    private var pending = Deque<Entry>()
    private var savedLanes: Int
    private var applied = Deque<Applied>()
    private let gathered = Signal()
    private let committed = Signal()
    private let carriedOn = Signal()
    /// Bytes of submits that wait for their commit.
    package private(set) var pendingBytes = 0
    package private(set) var groupCount: UInt64 = 0

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    /// - Parameter afterGroup: called once after each group's completions, so that they share one turn of dispatch.
    package init(
        loop: EventLoop, store: any JobStore, epoch: Epoch, lanes: LaneDirectory, log: Log,
        afterGroup: @escaping @Sendable () async -> Void
    ) {
        self.loop = loop
        self.store = store
        self.epoch = epoch
        self.lanes = lanes
        self.savedLanes = lanes.keys.count
        self.log = log
        self.afterGroup = afterGroup
    }

    /// Adds changes to the next group. Returns at once.
    package func append(_ changes: [Change], kind: Kind, jobs: Int, bytes: Int = 0, then: @escaping Completion) {
        self.pendingBytes += bytes
        self.pending.append(Entry(changes: changes, kind: kind, jobs: jobs, bytes: bytes, then: then))
        if self.pending.count == 1 { self.gathered.notify() }
    }

    /// Adds changes to the next group and waits for their outcomes.
    package func commit(_ changes: [Change], kind: Kind) async -> Result<[ChangeOutcome], StoreError> {
        await withUnsafeContinuation { continuation in
            self.append(changes, kind: kind, jobs: changes.count) { continuation.resume(returning: $0) }
        }
    }

    /// Commits until cancelled.
    ///
    /// - Throws: the store's error after which nobody may be answered: the process must exit and recover.
    package func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.commitGroups() }
            group.addTask { try await self.carryOn() }
            try await group.next()
            group.cancelAll()
        }
    }

    private func commitGroups() async throws {
        while true {
            try Task.checkCancellation()
            guard !self.pending.isEmpty else {
                await self.gathered.wait()
                continue
            }
            while self.applied.count >= Self.appliedMax {
                await self.carriedOn.wait()
                try Task.checkCancellation()
            }
            try await self.commit(self.takeGroup(), mayUseReserve: false)
        }
    }

    private func takeGroup() -> [Entry] {
        var group: [Entry] = []
        var jobs = 0
        var bytes = 0
        while let entry = self.pending.first,
            group.isEmpty || (jobs + entry.jobs <= Self.groupJobsMax && bytes + entry.bytes <= Self.groupBytesMax)
        {
            jobs += entry.jobs
            bytes += entry.bytes
            group.append(entry)
            _ = self.pending.popFirst()
        }
        return group
    }

    private func commit(_ entries: [Entry], mayUseReserve: Bool) async throws {
        let known = self.lanes.keys
        let newLanes = known[self.savedLanes...].enumerated().map { offset, key in
            (id: LaneID(rawValue: UInt32(self.savedLanes + offset)), key: key)
        }
        let group = CommitGroup(
            epoch: self.epoch, now: self.loop.wallTime, newLanes: newLanes, changes: entries.flatMap(\.changes),
            mayUseReserve: mayUseReserve)
        do {
            let outcomes = try await self.store.commit(group)
            self.savedLanes = known.count
            self.groupCount += 1
            self.applied.append(Applied(entries: entries, outcomes: outcomes))
            self.committed.notify()
        } catch {
            guard error.code == .diskFull || error.code == .rolledBack else { throw error }
            try await self.retreat(entries, from: error)
        }
    }

    /// Nothing was applied: submitters hear why, and what must not be lost is tried again alone.
    private func retreat(_ entries: [Entry], from error: StoreError) async throws {
        self.log(.error, "commit group rolled back", [.cause: error.message, .count: entries.count])
        for entry in entries where entry.kind == .intake {
            self.pendingBytes -= entry.bytes
            await entry.then(.failure(error))
        }
        let essential = entries.filter { $0.kind == .essential }
        guard !essential.isEmpty else { return }
        try await self.loop.sleep(for: .milliseconds(20))
        try await self.commit(essential, mayUseReserve: true)
    }

    private func carryOn() async throws {
        while true {
            guard let applied = self.applied.popFirst() else {
                await self.committed.wait()
                try Task.checkCancellation()
                continue
            }
            var place = 0
            for entry in applied.entries {
                let outcomes = Array(applied.outcomes[place..<place + entry.changes.count])
                place += entry.changes.count
                self.pendingBytes -= entry.bytes
                await entry.then(.success(outcomes))
            }
            await self.afterGroup()
            self.carriedOn.notify()
        }
    }
}
