package import MartletCore
package import MartletObservability
package import MartletRuntime
package import MartletStore

/// Owns the lanes and decides what each node gets.
package actor Dispatcher {
    let loop: EventLoop
    let store: any JobStore
    let lanes: LaneDirectory
    let budget: PayloadBudget
    /// Jobs whose payload was replaced wait until then for who may be at work on the old one.
    let doubtUntil: Instant
    var doubtful: [ReadyJob] = []
    /// Returns when everything is known here that the store may have shown by now.
    let caughtUp: @Sendable () async -> Void
    let log: Log
    var core: DispatchCore
    var scheduled: ScheduledLine
    var nodes: [NodeKey: NodeQueue] = [:]
    /// Decided on and not carried out yet, with how many of its jobs were taken away meanwhile.
    var outgoing = Deque<(action: DispatchCore.Action, removed: Int)>()
    var expire: @Sendable ([StoredJob]) async -> [JobID] = { _ in [] }
    /// Taken out for a change that is being committed; they come back with it.
    var taken: Set<JobID> = []
    /// Jobs that nodes have although the store says that they are due later: their payload or due time was changed. Until
    /// somebody tells of them again, which happens when their leases end, what is read from disk says nothing.
    var elsewhere: Set<JobID> = []
    var loads = Deque<(line: DispatchCore.LineID, ids: [JobID])>()
    var pages = Deque<(after: ScheduledJob?, dueBy: WallTime)>()
    let loadWanted = Signal()
    let timerWanted = Signal()
    /// Nodes whose jobs wait for tokens, in the order in which they asked, and when they are to ask again.
    var acquiring: [NodeKey] = []
    var acquiresAt = Instant.distantFuture
    static let acquirePause = Duration.milliseconds(100)
    /// When the clock is looked at next.
    var wakesAt = Instant(nanoseconds: 0)
    private var isTurning = false
    var turnAgain = false

    /// Bytes of payloads read back in one go.
    static let loadBytesMax = 4 << 20
    /// Jobs that become due in one step, so that a great many delay nobody.
    static let dueMax = 1000

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    package init(
        loop: EventLoop, store: any JobStore, lanes: LaneDirectory, budget: PayloadBudget, isRecovering: Bool,
        openedAt: WallTime, doubtUntil: Instant, caughtUp: @escaping @Sendable () async -> Void, log: Log
    ) {
        self.doubtUntil = doubtUntil
        self.caughtUp = caughtUp
        self.loop = loop
        self.store = store
        self.lanes = lanes
        self.budget = budget
        self.log = log
        self.core = DispatchCore(limits: lanes.limits, isRecovering: isRecovering, at: loop.now)
        self.scheduled = ScheduledLine(after: openedAt)
        self.core.defineLanes(lanes.keys, at: loop.now)
    }

    // MARK: Jobs

    /// Jobs that recovery found: ready, or scheduled and due before the store was opened.
    package func recover(_ jobs: [ReadyJob]) {
        for job in jobs {
            if self.core.isRecovering {
                self.core.recover(job.id, lane: job.lane, share: job.share, at: self.loop.now)
            } else {
                self.core.enqueue(job.id, lane: job.lane, share: job.share, at: self.loop.now)
            }
        }
    }

    /// Ordered jobs that recovery found scheduled and not due: those of their key that came after them wait.
    package func recover(scheduled jobs: [ScheduledJob]) {
        for job in jobs { self.core.setApart(job.id, lane: job.lane, share: job.share, at: self.loop.now) }
    }

    /// A submit is durable: its jobs have the ids from `first` on.
    ///
    /// - Parameter exceptions: those that were not created.
    package func submitted(first: JobID, jobs: [PreparedJob], exceptions: [SubmitException] = []) {
        self.learnLanes()
        let gone = Set(exceptions.map(\.place))
        var start = 0
        while start < jobs.count {
            var end = start + 1
            let traits = jobs[start].traits
            if gone.contains(start) {
                // Another job has its key.
            } else if let due = jobs[start].due {
                self.schedule(
                    ScheduledJob(due: due, id: first.advanced(by: start), lane: traits.lane, share: traits.share))
            } else {
                while end < jobs.count, jobs[end].due == nil, jobs[end].traits === traits, !gone.contains(end) {
                    end += 1
                }
                self.enqueue(jobs[start..<end], first: first.advanced(by: start), traits: traits)
            }
            start = end
        }
    }

    func enqueue(_ jobs: ArraySlice<PreparedJob>, first: JobID, traits: JobTraits) {
        let isCached = self.core.isServed(traits.lane) ? self.budget.hasRoom : self.budget.hasRoomForUnserved
        var bodies: ContiguousArray<JobBody>?
        if isCached, traits.options.allowsCaching {
            bodies = ContiguousArray(jobs.lazy.map { JobBody(traits: $0.traits, payload: $0.payload) })
        }
        self.core.enqueue(
            lane: traits.lane, share: traits.share, first: first, count: jobs.count, bodies: bodies, at: self.loop.now)
    }

    /// Jobs may be on their way in lanes that were made since.
    func learnLanes() { self.core.defineLanes(self.lanes.keys, at: self.loop.now) }

    /// Jobs that may run (again) and whose bodies are in the store.
    package func enqueue(_ jobs: [ReadyJob]) {
        self.isBack(jobs.lazy.map(\.id))
        for job in jobs { self.core.enqueue(job.id, lane: job.lane, share: job.share, at: self.loop.now) }
    }

    /// A job is due later, or at another time than before.
    package func schedule(_ job: ScheduledJob) {
        self.isBack(CollectionOfOne(job.id))
        self.core.setApart(job.id, lane: job.lane, share: job.share, at: self.loop.now)
        let before = self.scheduled.nextDue
        self.scheduled.add(job)
        if self.scheduled.nextDue != before { self.timerWanted.notify() }
    }

    package func giveBack(_ jobs: [QueuedJob]) {
        self.isBack(jobs.lazy.map(\.id))
        let lasting = jobs.filter { !$0.body.mustBeRead }
        self.core.giveBack(lasting, at: self.loop.now)
        if lasting.count < jobs.count {
            let others = jobs.filter(\.body.mustBeRead)
            for job in others { self.core.settled(job.id, at: self.loop.now) }
            self.enqueue(others.map { ReadyJob(id: $0.id, lane: $0.lane, share: $0.body.traits.share) })
        }
        self.turnAgain = true
    }

    /// Leases on these jobs have ended: their places under a limit are free.
    ///
    /// - Parameter haveSucceeded: the services that they used are well.
    package func settled(_ ids: [JobID], haveSucceeded: Bool = false) {
        for id in ids {
            if haveSucceeded { self.core.servicesSucceeded(for: id, at: self.loop.now) }
            self.core.settled(id, at: self.loop.now)
        }
        self.turnAgain = true
    }

    /// These jobs are over, and that is durable: the next of their keys may run.
    package func ended(_ jobs: [ReadyJob]) {
        for job in jobs { self.core.ended(job.id, lane: job.lane, share: job.share, at: self.loop.now) }
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

    package func nodeChanged(_ key: NodeKey, _ standing: NodeStanding) {
        self.core.nodeChanged(key, standing, at: self.loop.now)
    }

    /// What a node was asked for is here, or will not come.
    package func askEnded(_ key: NodeKey, number: UInt64, gaveBack: Int) {
        self.core.askEnded(key, number: number, gaveBack: gaveBack, at: self.loop.now)
    }

    package func nodeLeft(_ key: NodeKey) {
        self.nodes[key] = nil
        self.core.nodeLeft(key, at: self.loop.now)
    }

    // MARK: Recovery

    package var isRecovering: Bool { self.core.isRecovering }

    /// False if the job is not one that was recovered and waits.
    package func claim(_ id: JobID, lane: LaneID, share: LaneShare?) -> Bool {
        self.core.claim(id, lane: lane, share: share)
    }

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
            await self.serveAcquisitions()
            var actions: [DispatchCore.Action] = []
            self.core.assign(at: self.loop.now, into: &actions)
            for action in actions { self.outgoing.append((action, 0)) }
            while let next = self.outgoing.popFirst() { await self.perform(next.action, removed: next.removed) }
        } while self.turnAgain
        // A service lets the next job through before the clock is looked at.
        if let wake = self.nextWake, wake < self.wakesAt { self.timerWanted.notify() }
    }

    private func perform(_ action: DispatchCore.Action, removed: Int) async {
        switch action {
        case .assign(let key, let jobs):
            if let queue = self.nodes[key] {
                if !jobs.isEmpty { await queue.assign(jobs) }
                if removed > 0 { await queue.forgo(removed) }
            } else {
                self.giveBack(jobs)
            }
        case .askBack(let key, let ask):
            if let queue = self.nodes[key] {
                await queue.askBack(ask)
            } else {
                self.askEnded(key, number: ask.number, gaveBack: 0)
            }
        case .load(let line, let ids):
            self.loads.append((line, ids))
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

    // MARK: Seeing inside

    package func readyCount() -> Int { self.core.readyCount }

    /// What keeps the next job of a lane and share from running.
    package func blocker(of lane: LaneID, share: LaneShare?) -> DispatchCore.Blocker {
        self.core.blocker(of: lane, share: share, at: self.loop.now)
    }

    /// Ready jobs that come first in their lines, some of each queue and type.
    package func firstJobs(eachMax: Int) -> [DispatchCore.FirstJob] { self.core.firstJobs(eachMax: eachMax) }

    package func checkInvariants() { self.core.checkInvariants() }
}

extension JobBody {
    /// Whether one has expired is seen when its body is read; and so is how far it has come.
    fileprivate var mustBeRead: Bool { self.extras?.expires != nil || self.isOutdated }
}
