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
    /// Jobs whose payload was replaced wait until then for who may be at work on the old one.
    private let doubtUntil: Instant
    private var doubtful: [ReadyJob] = []
    /// Returns when everything is known here that the store may have shown by now.
    private let caughtUp: @Sendable () async -> Void
    private let log: Log
    private var core: DispatchCore
    private var scheduled: ScheduledLine
    private var nodes: [NodeKey: NodeQueue] = [:]
    /// Decided on and not carried out yet, with how many of its jobs were taken away meanwhile.
    private var outgoing = Deque<(action: DispatchCore.Action, removed: Int)>()
    private var expire: @Sendable ([StoredJob]) async -> [JobID] = { _ in [] }
    /// Taken out for a change that is being committed; they come back with it.
    private var taken: Set<JobID> = []
    /// Jobs that nodes have although the store says that they are due later: their payload or due time was changed. Until
    /// somebody tells of them again, which happens when their leases end, what is read from disk says nothing.
    private var elsewhere: Set<JobID> = []
    private var loads = Deque<(line: DispatchCore.LineID, ids: [JobID])>()
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
        openedAt: WallTime, doubtUntil: Instant, caughtUp: @escaping @Sendable () async -> Void, log: Log
    ) {
        self.doubtUntil = doubtUntil
        self.caughtUp = caughtUp
        self.loop = loop
        self.store = store
        self.lanes = lanes
        self.budget = budget
        self.log = log
        self.core = DispatchCore(limits: lanes.limits, isRecovering: isRecovering)
        self.scheduled = ScheduledLine(after: openedAt)
        self.core.defineLanes(lanes.keys, at: loop.now)
    }

    // MARK: Jobs

    /// Jobs that recovery found: ready, or scheduled and due before the store was opened.
    package func recover(_ jobs: [ReadyJob]) {
        for job in jobs {
            if self.core.isRecovering {
                self.core.recover(job.id, lane: job.lane, share: job.share)
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

    private func enqueue(_ jobs: ArraySlice<PreparedJob>, first: JobID, traits: JobTraits) {
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
    package func settled(_ ids: [JobID]) {
        for id in ids { self.core.settled(id, at: self.loop.now) }
        self.turnAgain = true
    }

    /// These jobs are over, and that is durable: the next of their keys may run.
    package func ended(_ jobs: [ReadyJob]) {
        for job in jobs { self.core.ended(job.id, lane: job.lane, share: job.share, at: self.loop.now) }
        self.turnAgain = true
    }

    // MARK: Control

    /// Assigns no more jobs of a queue or type; what nodes have goes on. To be called again after a restart.
    package func pause(_ pause: DispatchCore.Pause) { self.core.pause(pause) }

    package func resume(_ pause: DispatchCore.Pause) async {
        self.core.resume(pause, at: self.loop.now)
        await self.turn()
    }

    /// Takes waiting jobs out: out of their lines, with or without bodies, of what is being read for them, of what
    /// waits for recovery or for its due time, and of what was assigned and has not left here.
    ///
    /// To cancel, commit first, then call this, then ``NodeRegistry/revoke(_:)``. To give a job another lane or due
    /// time, commit, call this, and hand those found to ``enqueue(_:)`` or ``schedule(_:)``; what is not found is with
    /// a node, or on disk until its time comes.
    ///
    /// - Parameter jobs: with the lanes and shares that they had.
    /// - Returns: the ids of those that were found, ascending.
    package func remove(_ jobs: [ReadyJob]) async -> [JobID] {
        let ids = jobs.map(\.id).sorted()
        var found = self.core.remove(jobs, at: self.loop.now)
        found += self.scheduled.remove(ids)
        found += self.removeOutgoing(ids)
        self.ended(jobs.filter { found.contains($0.id) && $0.share?.isOrdered ?? false })
        await self.turn()
        return found.sorted()
    }

    /// Takes waiting jobs out for a change of their lane or due time that is yet to be committed, so that nobody gets
    /// them meanwhile. What nodes have, or what is on its way from one, is not touched.
    ///
    /// - Parameter jobs: as the store has them.
    /// - Returns: ascending, those that come back by ``moved(_:held:)`` once the change is durable, and must by
    ///   ``putBack(_:)`` or ``giveUp(_:)`` if it is not made.
    package func take(_ jobs: [Consequences.Waiting]) async -> [JobID] {
        let found = self.takeOut(jobs)
        self.taken.formUnion(found)
        await self.turn()
        return found
    }

    private func takeOut(_ jobs: [Consequences.Waiting]) -> [JobID] {
        let ids = jobs.map(\.id).sorted()
        // Before anything else: those are there whether or not they are found.
        var found = Set(jobs.filter { self.isOnDisk($0) }.map(\.id))
        found.formUnion(self.core.take(jobs.map(\.ready), at: self.loop.now))
        found.formUnion(self.scheduled.remove(ids))
        found.formUnion(self.removeOutgoing(ids))
        for job in jobs where found.contains(job.id) {
            self.core.setApart(job.id, lane: job.lane, share: job.share, at: self.loop.now)
        }
        return found.sorted()
    }

    private func isOnDisk(_ job: Consequences.Waiting) -> Bool {
        guard let due = job.due else { return false }
        return self.scheduled.isOnDisk(ScheduledJob(due: due, id: job.id, lane: job.lane, share: job.share))
    }

    /// Jobs that were taken are as they were.
    package func putBack(_ jobs: [Consequences.Waiting]) async {
        self.core.defineLanes(self.lanes.keys, at: self.loop.now)
        for job in jobs where self.taken.remove(job.id) != nil { self.enqueue([job]) }
        await self.turn()
    }

    /// Jobs that were taken are not pending any more.
    package func giveUp(_ jobs: [ReadyJob]) async {
        self.ended(jobs.filter { self.taken.remove($0.id) != nil })
        await self.turn()
    }

    /// Jobs have another payload, due time or lane, and that is durable.
    ///
    /// - Parameter held: those that nodes have: they go their way, and the store tells when they end whether they are
    ///   to run again. So do those on their way from a node.
    func moved(_ moves: [Consequences.Moved], held: Set<JobID>) {
        self.core.defineLanes(self.lanes.keys, at: self.loop.now)
        for move in moves {
            let after = move.after
            let before = Consequences.Waiting(
                id: after.id, lane: move.before, share: after.share, due: move.dueBefore)
            let isTaken = self.taken.remove(after.id) != nil
            guard !held.contains(after.id) else {
                if after.due != nil { self.elsewhere.insert(after.id) }
                continue
            }
            // What was on disk may have been read since it was taken, before the change or after it.
            let isFound = !(self.takeOut([before]) + self.takeOut([after])).isEmpty
            if isTaken || isFound { self.enqueue([after]) }
        }
    }

    private func isBack(_ ids: some Sequence<JobID>) {
        guard !self.elsewhere.isEmpty else { return }
        self.elsewhere.subtract(ids)
    }

    private func removeOutgoing(_ ids: [JobID]) -> [JobID] {
        var found: [JobID] = []
        for place in 0..<self.outgoing.count {
            guard case .assign(let key, let jobs) = self.outgoing[place].action else { continue }
            let kept = jobs.filter { !ids.contains($0.id) }
            guard kept.count < jobs.count else { continue }
            found += jobs.map(\.id).filter { ids.contains($0) }
            self.outgoing[place] = (.assign(key, kept), self.outgoing[place].removed + jobs.count - kept.count)
        }
        for id in found { self.core.settled(id, at: self.loop.now) }
        return found
    }

    /// Says when jobs expire, and what becomes of those whose time has passed when they would have been assigned.
    ///
    /// - Parameter expire: gets jobs that have expired; returns once their end is durable, with those that had not
    ///   when it was to be.
    package func setExpiry(_ expire: @escaping @Sendable ([StoredJob]) async -> [JobID]) { self.expire = expire }

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
            var actions: [DispatchCore.Action] = []
            self.core.assign(at: self.loop.now, into: &actions)
            for action in actions { self.outgoing.append((action, 0)) }
            while let next = self.outgoing.popFirst() { await self.perform(next.action, removed: next.removed) }
        } while self.turnAgain
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

    private func loadBodies() async throws {
        while true {
            if let load = self.loads.popFirst() {
                try await self.load(load.ids, line: load.line)
            } else if let page = self.pages.popFirst() {
                try await self.loadScheduled(page.after, dueBy: page.dueBy)
            } else {
                await self.loadWanted.wait()
                try Task.checkCancellation()
            }
        }
    }

    private func load(_ ids: [JobID], line: DispatchCore.LineID) async throws {
        do {
            let found = try await self.store.load(ids, bytesMax: self.loadBytes)
            var looked = ids[...]
            if !found.isComplete, let last = found.jobs.last?.id { looked = ids.prefix { $0 <= last } }
            await self.loaded(found.jobs, outOf: looked, line: line)
        } catch {
            self.log(.error, "payloads could not be read", [.cause: error.message, .count: ids.count])
            try await self.loop.sleep(for: .milliseconds(100))
            self.core.loadFailed(line: line, at: self.loop.now)
        }
        await self.turn()
    }

    /// What the store has may have moved on since it was asked: to a later due time, or past its expiry.
    private func loaded(_ jobs: [StoredJob], outOf ids: ArraySlice<JobID>, line: DispatchCore.LineID) async {
        let now = self.loop.wallTime
        var ready: [QueuedJob] = []
        var expired: [StoredJob] = []
        for job in jobs {
            if let expires = job.expires, expires <= now, self.core.isAskedFor(job.id, line: line) {
                self.core.setApart(job.id, lane: job.lane, share: job.options.share, at: self.loop.now)
                self.taken.insert(job.id)
                expired.append(job)
            } else if let due = job.due, due > now, self.core.isAskedFor(job.id, line: line) {
                self.schedule(ScheduledJob(due: due, id: job.id, lane: job.lane, share: job.options.share))
            } else if job.revision > 0, self.loop.now < self.doubtUntil, self.core.isAskedFor(job.id, line: line) {
                self.core.setApart(job.id, lane: job.lane, share: job.options.share, at: self.loop.now)
                self.doubtful.append(ReadyJob(id: job.id, lane: job.lane, share: job.options.share))
            } else {
                ready.append(self.queued(job, counted: true))
            }
        }
        self.core.bodiesLoaded(ready, outOf: ids, line: line, at: self.loop.now)
        guard !expired.isEmpty else { return }
        let refused = Set(await self.expire(expired))
        // What was given more time meanwhile is back already; what else was refused is to be looked at again.
        let jobs = expired.filter { self.taken.remove($0.id) != nil }
            .map { ReadyJob(id: $0.id, lane: $0.lane, share: $0.options.share) }
        self.ended(jobs.filter { !refused.contains($0.id) })
        self.enqueue(jobs.filter { refused.contains($0.id) })
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
        return QueuedJob(
            id: job.id, body: JobBody(traits: traits, payload: payload, history: job.history, extras: job.extras))
    }

    // MARK: Time

    private func followClock() async throws {
        var aged = self.loop.now
        while true {
            self.readAhead()
            self.releaseDue()
            self.releaseDoubtful()
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
            let jobs = try await self.store.scheduledJobs(after: after, dueBy: dueBy, limit: ScheduledLine.pageMax)
            // Among them may be jobs of which nobody has told here yet: taken from the page and then told of, they
            // would run twice at once.
            await self.caughtUp()
            self.scheduled.loaded(jobs, but: self.elsewhere)
        } catch {
            self.log(.error, "scheduled jobs could not be read", [.cause: error.message])
            self.scheduled.loadFailed()
            try await self.loop.sleep(for: .milliseconds(100))
        }
        self.timerWanted.notify()
    }

    private func releaseDoubtful() {
        guard !self.doubtful.isEmpty, self.loop.now >= self.doubtUntil else { return }
        self.enqueue(self.doubtful)
        self.doubtful = []
    }

    private func releaseDue() {
        let due = self.scheduled.takeDue(at: self.loop.wallTime, max: Self.dueMax)
        for job in due { self.core.enqueue(job.id, lane: job.lane, share: job.share, at: self.loop.now) }
    }

    // MARK: Seeing inside

    package func readyCount() -> Int { self.core.readyCount }

    /// What keeps the next job of a lane and share from running.
    package func blocker(of lane: LaneID, share: LaneShare?) -> DispatchCore.Blocker {
        self.core.blocker(of: lane, share: share)
    }

    /// The oldest ready job of each queue that has one.
    package func oldestJobs() -> [DispatchCore.OldestJob] { self.core.oldestJobs }

    package func checkInvariants() { self.core.checkInvariants() }
}

extension JobBody {
    /// Whether one has expired is seen when its body is read; and so is how far it has come.
    fileprivate var mustBeRead: Bool { self.extras?.expires != nil || self.isOutdated }
}
