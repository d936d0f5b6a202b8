/// Jobs due soon, in order. Those due later stay on disk until the horizon reaches them.
package struct ScheduledLine: Sendable {
    package enum Action: Sendable, Equatable {
        /// Read the scheduled jobs after `after` due by `dueBy`, at most ``pageMax``, and answer with ``loaded(_:)``.
        case load(after: ScheduledJob?, dueBy: WallTime)
    }

    /// How far ahead jobs are kept in memory.
    package static let horizon: Duration = .seconds(30)
    package static let pageMax = 10_000
    /// Jobs kept in memory; more of them, due at about the same time, wait on disk for their turn.
    package static let jobsMax = 100_000

    private var heap = BinaryHeap<ScheduledJob>()
    private var ids: Set<JobID> = []
    /// Everything due up to this place is in memory.
    private var loadedThrough: ScheduledJob?
    private var loading: WallTime?
    /// Added while a load was under way.
    private var added: [ScheduledJob] = []

    /// - Parameter taken: jobs due by then are somebody else's.
    package init(after taken: WallTime? = nil) {
        self.loadedThrough = taken.map { ScheduledJob(due: $0, id: JobID(rawValue: .max), lane: LaneID(rawValue: 0)) }
    }

    package var count: Int { self.heap.count + self.added.count }

    /// When the next job in memory is due.
    package var nextDue: WallTime? { self.heap.first?.due }

    /// A job was committed as scheduled.
    package mutating func add(_ job: ScheduledJob) {
        if self.loading != nil {
            self.added.append(job)
        } else if self.isInMemory(job) {
            self.insert(job)
            if self.heap.count > 2 * Self.jobsMax { self.shed() }
        }
    }

    /// Leaves the later half on disk.
    private mutating func shed() {
        let kept = self.heap.unordered.sorted().prefix(Self.jobsMax)
        self.heap = BinaryHeap()
        self.ids = []
        self.loadedThrough = kept.last
        for job in kept { self.insert(job) }
    }

    /// Asks for the next stretch when the horizon has moved on.
    package mutating func advance(to now: WallTime, into actions: inout [Action]) {
        guard self.loading == nil, self.heap.count <= Self.jobsMax else { return }
        if let through = self.loadedThrough, through.due >= now + Self.horizon { return }
        let target = now + Self.horizon + Self.horizon
        self.loading = target
        actions.append(.load(after: self.loadedThrough, dueBy: target))
    }

    /// The answer to ``Action/load(after:dueBy:)``; fewer than ``pageMax`` jobs mean that there are no more.
    package mutating func loaded(_ jobs: [ScheduledJob]) {
        guard let target = self.loading else { return }
        self.loading = nil
        let end = ScheduledJob(due: target, id: JobID(rawValue: .max), lane: LaneID(rawValue: 0))
        self.loadedThrough = jobs.count >= Self.pageMax ? jobs.last : end
        for job in jobs { self.insert(job) }
        for job in self.added where self.isInMemory(job) { self.insert(job) }
        self.added = []
    }

    /// The load failed; the next ``advance(to:into:)`` asks again.
    package mutating func loadFailed() {
        self.loading = nil
        for job in self.added where self.isInMemory(job) { self.insert(job) }
        self.added = []
    }

    /// Takes the jobs that are due.
    package mutating func takeDue(at now: WallTime, max: Int) -> [ScheduledJob] {
        var due: [ScheduledJob] = []
        while due.count < max, let first = self.heap.first, first.due <= now {
            _ = self.heap.popFirst()
            self.ids.remove(first.id)
            due.append(first)
        }
        return due
    }

    private func isInMemory(_ job: ScheduledJob) -> Bool { self.loadedThrough.map { job <= $0 } ?? false }

    private mutating func insert(_ job: ScheduledJob) {
        guard self.ids.insert(job.id).inserted else { return }
        self.heap.insert(job)
    }
}
