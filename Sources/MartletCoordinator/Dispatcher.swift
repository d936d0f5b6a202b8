package import MartletCore
package import MartletObservability
package import MartletRuntime
package import MartletStore

/// Owns the lanes and decides what each node gets.
package actor Dispatcher {
    private let loop: EventLoop
    private let store: any JobStore
    private let lanes: LaneDirectory
    private let budget: PayloadBudget
    private let log: Log
    private var core: DispatchCore
    private var scheduled: ScheduledLine
    private var nodes: [NodeKey: NodeQueue] = [:]
    private var loads = Deque<(lane: LaneID, ids: [JobID])>()
    private var pages = Deque<(after: ScheduledJob?, dueBy: WallTime)>()
    private let loadWanted = Signal()
    private let timerWanted = Signal()
    private var isTurning = false
    private var turnAgain = false

    /// Bytes of payloads read back in one go.
    private static let loadBytesMax = 4 << 20
    /// Jobs that become due in one step, so that a great many delay nobody.
    private static let dueMax = 1000

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    package init(
        loop: EventLoop, store: any JobStore, lanes: LaneDirectory, budget: PayloadBudget, isRecovering: Bool,
        openedAt: WallTime, log: Log
    ) {
        self.loop = loop
        self.store = store
        self.lanes = lanes
        self.budget = budget
        self.log = log
        self.core = DispatchCore(isRecovering: isRecovering)
        self.scheduled = ScheduledLine(after: openedAt)
        self.core.defineLanes(lanes.keys, at: loop.now)
    }

    // MARK: Jobs

    /// Jobs that recovery found: ready, or scheduled and due before the store was opened.
    package func recover(_ jobs: [ReadyJob]) {
        for job in jobs {
            if self.core.isRecovering {
                self.core.recover(job.id, lane: job.lane)
            } else {
                self.core.enqueue(job.id, lane: job.lane, at: self.loop.now)
            }
        }
    }

    /// A submit is durable: its jobs have the ids from `first` on.
    package func submitted(first: JobID, jobs: [PreparedJob]) {
        self.core.defineLanes(self.lanes.keys, at: self.loop.now)
        var start = 0
        while start < jobs.count {
            var end = start + 1
            let traits = jobs[start].traits
            if let due = jobs[start].due {
                self.schedule(ScheduledJob(due: due, id: first.advanced(by: start), lane: traits.lane))
            } else {
                while end < jobs.count, jobs[end].due == nil, jobs[end].traits === traits { end += 1 }
                self.enqueue(jobs[start..<end], first: first.advanced(by: start), lane: traits.lane)
            }
            start = end
        }
    }

    private func enqueue(_ jobs: ArraySlice<PreparedJob>, first: JobID, lane: LaneID) {
        let isCached = self.core.isServed(lane) ? self.budget.hasRoom : self.budget.hasRoomForUnserved
        var bodies: ContiguousArray<JobBody>?
        if isCached {
            bodies = ContiguousArray(jobs.lazy.map { JobBody(traits: $0.traits, payload: $0.payload) })
        }
        self.core.enqueue(lane: lane, first: first, count: jobs.count, bodies: bodies, at: self.loop.now)
    }

    /// Jobs that may run (again) and whose bodies are in the store.
    package func enqueue(_ jobs: [ReadyJob]) {
        for job in jobs { self.core.enqueue(job.id, lane: job.lane, at: self.loop.now) }
    }

    package func schedule(_ job: ScheduledJob) {
        let before = self.scheduled.nextDue
        self.scheduled.add(job)
        if self.scheduled.nextDue != before { self.timerWanted.notify() }
    }

    package func giveBack(_ jobs: [QueuedJob]) {
        self.core.giveBack(jobs, at: self.loop.now)
        self.turnAgain = true
    }

    // MARK: Nodes

    package func nodeJoined(_ key: NodeKey, queue: NodeQueue, service: NodeService, slots: Int) {
        self.nodes[key] = queue
        self.core.nodeJoined(key, service: service, slots: slots, at: self.loop.now)
    }

    package func nodeClaimed(_ key: NodeKey, count: Int, suspect: JobID?) {
        self.core.nodeClaimed(key, count: count, suspect: suspect)
    }

    package func nodeChanged(_ key: NodeKey, creditTotal: UInt64, settledTotal: UInt64, isPaused: Bool) {
        self.core.nodeChanged(key, creditTotal: creditTotal, settledTotal: settledTotal, isPaused: isPaused)
    }

    package func nodeLeft(_ key: NodeKey) {
        self.nodes[key] = nil
        self.core.nodeLeft(key, at: self.loop.now)
    }

    // MARK: Recovery

    package var isRecovering: Bool { self.core.isRecovering }

    /// False if the job is not one that was recovered and waits.
    package func claim(_ id: JobID, lane: LaneID) -> Bool { self.core.claim(id, lane: lane) }

    package func finishRecovery() async {
        self.core.finishRecovery(at: self.loop.now)
        self.timerWanted.notify()
        await self.turn()
    }

    // MARK: Dispatch

    /// Assigns what can be assigned. Calls that come while one is at work are folded into one more.
    package func turn() async {
        guard !self.isTurning else {
            self.turnAgain = true
            return
        }
        self.isTurning = true
        defer { self.isTurning = false }
        repeat {
            self.turnAgain = false
            var actions: [DispatchCore.Action] = []
            self.core.assign(at: self.loop.now, into: &actions)
            for action in actions { await self.perform(action) }
        } while self.turnAgain
    }

    private func perform(_ action: DispatchCore.Action) async {
        switch action {
        case .assign(let key, let jobs):
            if let queue = self.nodes[key] {
                await queue.assign(jobs)
            } else {
                self.giveBack(jobs)
            }
        case .load(let lane, let ids):
            self.loads.append((lane, ids))
            self.loadWanted.notify()
        }
    }

    /// Reads bodies and follows the clock until cancelled.
    package func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.loadBodies() }
            group.addTask { try await self.followClock() }
            try await group.next()
            group.cancelAll()
        }
    }

    private func loadBodies() async throws {
        while true {
            if let load = self.loads.popFirst() {
                try await self.load(load.ids, lane: load.lane)
            } else if let page = self.pages.popFirst() {
                try await self.loadScheduled(page.after, dueBy: page.dueBy)
            } else {
                await self.loadWanted.wait()
                try Task.checkCancellation()
            }
        }
    }

    private func load(_ ids: [JobID], lane: LaneID) async throws {
        do {
            let found = try await self.store.load(ids, bytesMax: self.loadBytes)
            var looked = ids[...]
            if !found.isComplete, let last = found.jobs.last?.id { looked = ids.prefix { $0 <= last } }
            let jobs = found.jobs.map { self.queued($0, counted: true) }
            self.core.bodiesLoaded(jobs, outOf: looked, lane: lane, at: self.loop.now)
        } catch {
            self.log(.error, "payloads could not be read", [.cause: error.message, .count: ids.count])
            try await self.loop.sleep(for: .milliseconds(100))
            self.core.loadFailed(lane: lane, at: self.loop.now)
        }
        await self.turn()
    }

    /// Payloads read back count in the same budget; when it is used up, each lane still gets its share of a
    /// quarter, and one job at least, so that none stands still.
    private var loadBytes: Int {
        let left = self.budget.bytesMax - self.budget.bytes
        return min(Self.loadBytesMax, max(left, self.budget.bytesMax / 4 / max(1, self.lanes.count), 1))
    }

    package func queued(_ job: StoredJob, counted: Bool = false) -> QueuedJob {
        let traits = self.lanes.traits(lane: job.lane, options: job.options)
        let payload = counted ? self.budget.counting(job.payload) : job.payload
        return QueuedJob(id: job.id, body: JobBody(traits: traits, payload: payload, history: job.history))
    }

    // MARK: Time

    private func followClock() async throws {
        var aged = self.loop.now
        while true {
            self.readAhead()
            self.releaseDue()
            if self.loop.now - aged > .seconds(5) {
                aged = self.loop.now
                self.core.age(at: aged)
            }
            await self.turn()
            let untilDue = self.scheduled.nextDue.map { $0 - self.loop.wallTime }
            let pause = min(.seconds(1), max(untilDue ?? .seconds(1), .milliseconds(1)))
            let wanted = self.timerWanted
            let timer = self.loop.schedule(at: self.loop.now + pause) { wanted.notify() }
            defer { self.loop.cancel(timer) }
            await wanted.wait()
            try Task.checkCancellation()
        }
    }

    private func readAhead() {
        var actions: [ScheduledLine.Action] = []
        self.scheduled.advance(to: self.loop.wallTime, into: &actions)
        for case .load(let after, let dueBy) in actions {
            self.pages.append((after, dueBy))
            self.loadWanted.notify()
        }
    }

    private func loadScheduled(_ after: ScheduledJob?, dueBy: WallTime) async throws {
        do {
            self.scheduled.loaded(
                try await self.store.scheduledJobs(after: after, dueBy: dueBy, limit: ScheduledLine.pageMax))
        } catch {
            self.log(.error, "scheduled jobs could not be read", [.cause: error.message])
            self.scheduled.loadFailed()
            try await self.loop.sleep(for: .milliseconds(100))
        }
        self.timerWanted.notify()
    }

    private func releaseDue() {
        let due = self.scheduled.takeDue(at: self.loop.wallTime, max: Self.dueMax)
        for job in due { self.core.enqueue(job.id, lane: job.lane, at: self.loop.now) }
    }

    // MARK: Seeing inside

    package func readyCount() -> Int { self.core.readyCount }

    package func checkInvariants() { self.core.checkInvariants() }
}
