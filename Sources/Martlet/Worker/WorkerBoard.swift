import MartletCore
import MartletObservability
import MartletRuntime
import MartletWire
import Synchronization

/// What the slots and the session of a worker share: the core behind its lock, and who is to be woken.
///
/// A slot takes the lock once a job. Nothing is waited for, and no user's code runs, while it is held.
final class WorkerBoard: Sendable {
    private struct SlotSignals: Sendable {
        /// There may be a job.
        let job = Signal()
        /// The task of the slot is to end, or has ended.
        let ending = Signal()
    }

    private static let jobsPerTurnMax = 256

    private let core: Mutex<WorkerCore>
    private let slots: [SlotSignals]
    /// What the handlers of each slot leave; nil while nothing has run there.
    private let desks: Mutex<[AttemptDesk?]>
    private let hasNews = NewsFlag()
    private let deskCount = Atomic<UInt64>(0)
    private let loop: EventLoop
    private let log: Log
    let reporter = Signal()
    let ticker = Signal()
    let session = Signal()

    init(_ profile: WorkerCore.Profile, loop: EventLoop, log: Log) {
        self.core = Mutex(WorkerCore(profile))
        self.slots = (0..<profile.slotsMax).map { _ in SlotSignals() }
        self.desks = Mutex(Array(repeating: nil, count: profile.slotsMax))
        self.loop = loop
        self.log = log
    }

    /// Looks at the core.
    func look<Value: Sendable>(_ body: (borrowing WorkerCore) -> Value) -> Value {
        self.core.withLock { body($0) }
    }

    /// Tells the core something and carries out what follows.
    @discardableResult
    func tell<Value: Sendable>(_ body: (inout WorkerCore, inout [WorkerCore.Action]) -> Value) -> Value {
        var actions: [WorkerCore.Action] = []
        let value = self.core.withLock { body(&$0, &actions) }
        if !actions.isEmpty { self.carryOut(actions) }
        return value
    }

    private func carryOut(_ actions: [WorkerCore.Action]) {
        for action in actions {
            switch action {
            case .wakeSlot(let slot): self.slots[slot].job.notify()
            case .cancelSlot(let slot): self.slots[slot].ending.notify()
            case .checkpointJudged(let slot, let use, let isSaved):
                self.desks.withLock { $0[slot] }?.checkpointJudged(use, isSaved: isSaved)
            case .wakeReporter: self.reporter.notify()
            case .wakeTicker: self.ticker.notify()
            case .interruptSession: self.session.notify()
            case .note(let note): self.log(note)
            }
        }
    }

    func drain() {
        let now = self.loop.now
        self.tell { core, actions in core.drain(at: now, into: &actions) }
    }

    func admit(_ count: Int?) {
        let now = self.loop.now
        self.tell { core, actions in core.admit(count, at: now, into: &actions) }
    }

    /// Ends everything at once.
    ///
    /// - Returns: handlers that have not ended yet.
    func stop() -> Int {
        self.tell { core, actions in
            core.stop(into: &actions)
            return core.occupiedCount
        }
    }

    // MARK: Slots

    /// Runs the jobs of one slot until the worker is over.
    ///
    /// The task that runs handlers is replaced whenever it had to be cancelled: a task stays cancelled, and the next
    /// job is not to blame for the last one. This supervisor runs on the session's loop, so that handlers which block
    /// every thread of the pool cannot delay a cancellation.
    func serve(slot: Int, on executor: any TaskExecutor) async {
        while self.tell({ core, _ in core.restart(slot) }) {
            await withTaskGroup(of: Void.self) { group in
                group.addTask(executorPreference: executor) { await self.runJobs(in: slot) }
                // A late call for the slot's last job says nothing of this one.
                repeat { await self.slots[slot].ending.wait() } while !self.look({ $0.mustEnd(slot) })
                group.cancelAll()
            }
        }
    }

    /// What handlers say of themselves since this was asked last.
    func takeProgress() -> [Report.Progress] {
        guard self.hasNews.lower() else { return [] }
        return self.desks.withLock { $0 }.compactMap { $0?.takeProgress() }
    }

    private func makeDesk(for slot: Int) -> AttemptDesk {
        // Room for the uses of each; a desk lasts until a handler must be cancelled.
        let firstUse = self.deskCount.wrappingAdd(1, ordering: .relaxed).newValue << 32
        let desk = AttemptDesk(hasNews: self.hasNews, firstUse: firstUse) { [weak self] id, use, value in
            self?.tell { core, actions in core.checkpoint(id, in: slot, use: use, value, into: &actions) } ?? false
        }
        self.desks.withLock { $0[slot] = desk }
        return desk
    }

    private func runJobs(in slot: Int) async {
        let desk = self.makeDesk(for: slot)
        var outcome: WorkerCore.Outcome?
        var turn = 0
        while true {
            switch self.next(for: slot, after: outcome) {
            case .run(let job, let deadline):
                outcome = await Self.run(job, deadline: deadline, at: desk)
                turn += 1
                if turn == Self.jobsPerTurnMax {
                    // Handlers that never suspend leave the pool's thread to others now and then.
                    turn = 0
                    await Task.yield()
                }
            case .runBatch(let batch, let jobs, let deadline):
                outcome = await batch.run(jobs, deadline: deadline)
            case .wait:
                outcome = nil
                turn = 0
                await self.slots[slot].job.wait()
            case .leave:
                self.slots[slot].ending.notify()
                return
            }
        }
    }

    @inline(__always)
    private func next(for slot: Int, after outcome: WorkerCore.Outcome?) -> WorkerCore.Next {
        let now = self.loop.now
        return self.tell { core, actions in core.next(for: slot, after: outcome, at: now, into: &actions) }
    }

    private static func run(
        _ job: WorkerCore.Job, deadline: Instant, at desk: AttemptDesk
    ) async -> WorkerCore.Outcome {
        let context = JobContext(job, deadline: deadline, desk: desk, use: desk.begin(job.id))
        do {
            try await job.kind.handler(job.payload, context)
            return .succeeded(leaving: desk.end())
        } catch {
            _ = desk.end()
            return .failed(error)
        }
    }
}

extension WorkerCore.Outcome {
    static func succeeded(leaving completion: Completion?) -> Self { completion.map { .completed($0) } ?? .succeeded }

    static func failed(_ error: any Error) -> Self {
        if let error = error as? ServiceUnavailable, error.isWellNamed {
            return .unavailable(service: error.service, retryAfter: error.retryAfter, JobFailure(error))
        }
        let output = (error as? JobFailureError)?.output ?? (error as? NonRetryable)?.output ?? .empty
        return .failed(JobFailure(error), isRetryable: !(error is NonRetryable), output: output.bytes)
    }
}

extension Log {
    func callAsFunction(_ note: WorkerCore.Note) {
        switch note {
        case .timedOut(let id): self(.warning, "a handler ran past its timeout and was cancelled", [.job: id])
        case .refused(let id): self(.warning, "a result was refused: the lease had ended", [.job: id])
        case .ended(let count): self(.warning, "the coordinator took jobs away", [.count: count])
        case .leasesLost(let count):
            self(.error, "leases ended because the coordinator was out of reach", [.count: count])
        case .leasesEnding(let count):
            self(.error, "handlers were cancelled: the coordinator is out of reach", [.count: count])
        case .drainStarted(let running): self(.notice, "leaving; waiting for running handlers", [.count: running])
        case .stuck(let id, isSlotFree: false):
            self(.error, "a handler ignores its cancellation and keeps its slot", [.job: id])
        case .stuck(let id, isSlotFree: true):
            self(.error, "a handler ignores its cancellation; another runs in its stead", [.job: id])
        case .late(let count):
            self(.notice, "jobs went back: too late for what their services had let through", [.count: count])
        case .drainTimedOut(let running):
            self(.warning, "handlers were cancelled: the drain timeout has passed", [.count: running])
        }
    }
}
