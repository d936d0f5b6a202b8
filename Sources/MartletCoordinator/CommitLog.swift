package import MartletCore
package import MartletObservability
package import MartletRuntime
package import MartletStore
package import MartletTransport

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

    /// What is done with the outcomes, once durable; or with the error, if nothing was applied. Not called at all if
    /// nobody knows, or when the log stops: then nobody may be answered.
    package typealias Completion = @Sendable (Result<[ChangeOutcome], StoreError>) async -> Void

    /// As ``Completion``; what it returns is sent once the group's jobs are on their way to the nodes.
    package typealias Answering = @Sendable (Result<[ChangeOutcome], StoreError>) async -> Answer?

    /// An answer that may be given, because what it says is durable.
    package struct Answer: Sendable {
        private let request: any IncomingRequest
        private let frame: Bytes

        package init(request: any IncomingRequest, frame: Bytes) {
            self.request = request
            self.frame = frame
        }

        fileprivate func send() { self.request.reply(self.frame) }
    }

    private struct Entry: Sendable {
        let changes: [Change]
        let kind: Kind
        let jobs: Int
        let bytes: Int
        /// Somebody is suspended until it is over, one way or the other.
        let isAwaited: Bool
        let then: Answering
    }

    private struct Applied: Sendable {
        let entries: [Entry]
        let result: CommitResult
    }

    /// Jobs, and bytes, in one transaction: a bound on how long others wait for it.
    package static let groupJobsMax = 4096
    package static let groupBytesMax = 8 << 20
    /// Committed groups whose results have not been carried on.
    private static let appliedMax = 2
    /// Between attempts to commit what must not be lost; doubled each time.
    private static let retryPauses: ClosedRange<Duration> = .milliseconds(20) ... .seconds(1)

    private let loop: EventLoop
    private let store: any JobStore
    private let lanes: LaneDirectory
    private let log: Log
    private let epoch: Epoch
    private let watch: EndWatch
    private var pending = Deque<Entry>()
    private var savedLanes: Int
    /// The group that is being committed.
    private var committing: [Entry] = []
    private var applied = Deque<Applied>()
    private var isOver = false
    /// Whether the last group could not be committed, so that a lasting fault is logged once.
    private var isFailing = false
    private let gathered = Signal()
    private let committed = Signal()
    private let carriedOn = Signal()
    /// An attempt to commit has ended, or a group was carried on.
    private let advanced = Signal()
    private var attempts: UInt64 = 0
    private var isAttempting = false
    private var carriedOnCount: UInt64 = 0
    /// Bytes of submits, and of what jobs leave, that wait for their commit.
    package private(set) var pendingBytes = 0
    package private(set) var groupCount: UInt64 = 0
    package private(set) var statistics = Statistics()

    /// What went through it, for metrics.
    package struct Statistics: Sendable {
        package fileprivate(set) var groupJobs = Histogram(.groupSizes)
        /// How long the store took for a group.
        package fileprivate(set) var times = Histogram(.shortTimes)
        package fileprivate(set) var failures: UInt64 = 0
    }

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    package init(
        loop: EventLoop, store: any JobStore, epoch: Epoch, lanes: LaneDirectory, watch: EndWatch = EndWatch(), log: Log
    ) {
        self.watch = watch
        self.loop = loop
        self.store = store
        self.epoch = epoch
        self.lanes = lanes
        self.savedLanes = lanes.keys.count
        self.log = log
    }

    /// Adds changes to the next group. Returns at once.
    package func append(_ changes: [Change], kind: Kind, jobs: Int, bytes: Int = 0, then: @escaping Completion) {
        self.append(changes, kind: kind, jobs: jobs, bytes: bytes) {
            await then($0)
            return nil
        }
    }

    /// Adds changes to the next group, with the answer to whoever asked for them. Returns at once.
    package func append(
        _ changes: [Change], kind: Kind, jobs: Int, bytes: Int = 0, answering: @escaping Answering
    ) {
        guard !self.isOver else { return }
        self.gather(Entry(changes: changes, kind: kind, jobs: jobs, bytes: bytes, isAwaited: false, then: answering))
    }

    /// Adds changes to the next group and waits for their outcomes.
    ///
    /// - Parameters:
    ///   - jobs: how many the changes are about.
    ///   - then: done with the outcomes before anything that the store does later is carried on.
    /// - Returns: nil if nobody will ever know, because the log stopped: answer nobody.
    package func commit(
        _ changes: [Change], kind: Kind, jobs: Int? = nil, bytes: Int = 0, then: Completion? = nil
    ) async -> Result<[ChangeOutcome], StoreError>? {
        guard !self.isOver else { return nil }
        let result = await withUnsafeContinuation { continuation in
            self.gather(
                Entry(changes: changes, kind: kind, jobs: jobs ?? changes.count, bytes: bytes, isAwaited: true) {
                    if !$0.isUnknown { await then?($0) }
                    continuation.resume(returning: $0)
                    return nil
                })
        }
        return result.isUnknown ? nil : result
    }

    private func gather(_ entry: Entry) {
        self.pendingBytes += entry.bytes
        self.pending.append(entry)
        if self.pending.count == 1 { self.gathered.notify() }
    }

    /// Returns when all has been carried on that the store may have shown to readers by now: what is committed is seen
    /// by others before the commit returns.
    ///
    /// - Precondition: nobody else waits here.
    func caughtUp() async {
        let attempt = self.attempts
        while self.isAttempting, self.attempts == attempt, self.isWorthWaiting { await self.advanced.wait() }
        let last = self.groupCount
        while self.carriedOnCount < last, self.isWorthWaiting { await self.advanced.wait() }
    }

    private var isWorthWaiting: Bool { !self.isOver && !Task.isCancelled }

    /// Commits until cancelled.
    ///
    /// - Parameter afterGroup: called once after each group's completions, with what the group led to beyond them, so
    ///   that they share one turn of dispatch.
    /// - Throws: the store's error after which nobody may be answered: the process must exit and recover.
    package func run(afterGroup: @escaping @Sendable (Consequences) async -> Void) async throws {
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await self.commitGroups() }
                group.addTask { try await self.carryOn(afterGroup) }
                try await group.next()
                group.cancelAll()
            }
        } catch {
            await self.stop()
            throw error
        }
    }

    /// Lets go of those who are suspended; all others are simply never answered.
    private func stop() async {
        self.isOver = true
        self.advanced.notify()
        var left = self.committing
        while let applied = self.applied.popFirst() { left += applied.entries }
        while let entry = self.pending.popFirst() { left.append(entry) }
        let unknown = StoreError(.outcomeUnknown, "the commit log has stopped")
        for entry in left where entry.isAwaited { _ = await entry.then(.failure(unknown)) }
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
            self.committing = self.takeGroup()
            try await self.commitGathered()
        }
    }

    /// Commits the group, what must not be lost again and again until it is durable.
    private func commitGathered() async throws {
        var pause = Self.retryPauses.lowerBound
        var mayUseReserve = false
        while !self.committing.isEmpty {
            do {
                return try await self.commit(mayUseReserve: mayUseReserve)
            } catch let error as StoreError where error.code == .diskFull || error.code == .rolledBack {
                await self.retreat(from: error)
            }
            guard !self.committing.isEmpty else { return }
            mayUseReserve = true
            try await self.loop.sleep(for: pause)
            pause = min(pause * 2, Self.retryPauses.upperBound)
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

    private func commit(mayUseReserve: Bool) async throws {
        let known = self.lanes.keys
        let newLanes = known[self.savedLanes...].enumerated().map { offset, key in
            (id: LaneID(rawValue: UInt32(self.savedLanes + offset)), key: key)
        }
        let group = CommitGroup(
            epoch: self.epoch, now: self.loop.wallTime, newLanes: newLanes,
            changes: self.committing.flatMap(\.changes), mayUseReserve: mayUseReserve)
        let start = self.loop.now
        let result = try await self.attempt(group)
        self.statistics.times.record(self.loop.now - start)
        self.statistics.groupJobs.record(UInt64(self.committing.reduce(0) { $0 + $1.jobs }))
        self.savedLanes = known.count
        self.groupCount += 1
        self.applied.append(Applied(entries: self.committing, result: result))
        self.committing = []
        self.committed.notify()
        if self.isFailing {
            self.isFailing = false
            self.log(.notice, "the store commits again")
        }
    }

    private func attempt(_ group: CommitGroup) async throws -> CommitResult {
        self.attempts += 1
        self.isAttempting = true
        defer {
            self.isAttempting = false
            self.advanced.notify()
        }
        return try await self.store.commit(group)
    }

    /// Nothing was applied: submitters hear why, those who came since too. What must not be lost stays.
    private func retreat(from error: StoreError) async {
        self.statistics.failures += 1
        if !self.isFailing {
            self.isFailing = true
            self.log(.error, "commit group rolled back", [.cause: error.message, .count: self.committing.count])
        }
        var refused = self.committing.filter { $0.kind == .intake }
        self.committing.removeAll { $0.kind == .intake }
        // Behind a group that is tried again, submitters would wait for as long as the disk is full.
        if !self.committing.isEmpty {
            var essential = Deque<Entry>()
            while let entry = self.pending.popFirst() {
                if entry.kind == .intake { refused.append(entry) } else { essential.append(entry) }
            }
            self.pending = essential
        }
        for entry in refused {
            self.pendingBytes -= entry.bytes
            await entry.then(.failure(error))?.send()
        }
    }

    private func carryOn(_ afterGroup: @Sendable (Consequences) async -> Void) async throws {
        while true {
            guard let applied = self.applied.popFirst() else {
                await self.committed.wait()
                try Task.checkCancellation()
                continue
            }
            var place = 0
            var answers: [Answer] = []
            for entry in applied.entries {
                let outcomes = Array(applied.result.outcomes[place..<place + entry.changes.count])
                place += entry.changes.count
                self.pendingBytes -= entry.bytes
                if let answer = await entry.then(.success(outcomes)) { answers.append(answer) }
            }
            // A job starts sooner than its submitter hears of it: to send either takes longer than to decide both.
            await afterGroup(applied.result.consequences)
            if !self.watch.isEmpty {
                let changes = applied.entries.flatMap(\.changes)
                self.watch.look(at: changes, applied.result.outcomes, applied.result.consequences)
            }
            for answer in answers { answer.send() }
            self.carriedOnCount += 1
            self.carriedOn.notify()
            self.advanced.notify()
        }
    }
}

extension Result where Failure == StoreError {
    /// The log stopped before anybody knew.
    fileprivate var isUnknown: Bool {
        if case .failure(let error) = self { error.code == .outcomeUnknown } else { false }
    }
}
