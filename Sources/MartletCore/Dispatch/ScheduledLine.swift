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

    /// Due time and id, the earlier first.
    private struct Entry: Comparable, Sendable {
        let due: WallTime
        let id: JobID
        static func < (a: Self, b: Self) -> Bool { (a.due, a.id) < (b.due, b.id) }
    }

    /// What is in memory. The heap may also hold entries of jobs that have gone, or have another due time now.
    private var jobs: [JobID: ScheduledJob] = [:]
    private var heap = BinaryHeap<Entry>()
    /// Everything due up to this place is in memory.
    private var loadedThrough: ScheduledJob?
    private var loading: WallTime?
    /// Added or moved while a load was under way, and removed then: what is read may be older.
    private var added: [ScheduledJob] = []
    private var removed: Set<JobID> = []

    /// - Parameter taken: jobs due by then are somebody else's.
    package init(after taken: WallTime? = nil) {
        self.loadedThrough = taken.map { ScheduledJob(due: $0, id: JobID(rawValue: .max), lane: LaneID(rawValue: 0)) }
    }

    package var count: Int { self.jobs.count + self.added.count }

    /// When the next job in memory is due.
    package var nextDue: WallTime? { self.heap.first?.due }

    /// A job was committed as scheduled, or its due time or lane as changed: earlier or later.
    package mutating func add(_ job: ScheduledJob) {
        self.forget(job.id)
        if self.loading != nil {
            self.removed.insert(job.id)
            self.added.append(job)
        } else if self.isInMemory(job) {
            self.insert(job)
            if self.jobs.count > 2 * Self.jobsMax { self.shed() }
        }
    }

    /// The jobs were committed as no longer scheduled. Returns those that were in memory, ascending.
    package mutating func remove(_ ids: [JobID]) -> [JobID] {
        var found: [JobID] = []
        for id in ids {
            if self.forget(id) { found.append(id) }
            if self.loading != nil { self.removed.insert(id) }
        }
        return found.sorted()
    }

    /// Takes a job out of memory. Returns whether it was there.
    @discardableResult
    private mutating func forget(_ id: JobID) -> Bool {
        var isFound = self.jobs.removeValue(forKey: id) != nil
        if isFound { self.dropStale() }
        if self.removed.contains(id) {
            let before = self.added.count
            self.added.removeAll { $0.id == id }
            isFound = isFound || self.added.count < before
        }
        return isFound
    }

    /// Keeps a valid entry at the top of the heap, and the others in proportion.
    private mutating func dropStale() {
        while let first = self.heap.first, self.jobs[first.id]?.due != first.due { _ = self.heap.popFirst() }
        guard self.heap.count > 2 * self.jobs.count + 64 else { return }
        var valid = BinaryHeap<Entry>()
        for job in self.jobs.values { valid.insert(Entry(due: job.due, id: job.id)) }
        self.heap = valid
    }

    /// Leaves the later half on disk.
    private mutating func shed() {
        let kept = self.jobs.values.sorted().prefix(Self.jobsMax)
        self.heap = BinaryHeap()
        self.jobs = [:]
        self.loadedThrough = kept.last
        for job in kept { self.insert(job) }
    }

    /// Asks for the next stretch when the horizon has moved on.
    package mutating func advance(to now: WallTime, into actions: inout [Action]) {
        guard self.loading == nil, self.jobs.count <= Self.jobsMax else { return }
        if let through = self.loadedThrough, through.due >= now + Self.horizon { return }
        let target = now + Self.horizon + Self.horizon
        self.loading = target
        actions.append(.load(after: self.loadedThrough, dueBy: target))
    }

    /// The answer to ``Action/load(after:dueBy:)``; fewer than ``pageMax`` jobs mean that there are no more.
    ///
    /// - Parameter others: jobs that may be among them and are not to be taken up.
    package mutating func loaded(_ jobs: [ScheduledJob], but others: Set<JobID> = []) {
        guard let target = self.loading else { return }
        let end = ScheduledJob(due: target, id: JobID(rawValue: .max), lane: LaneID(rawValue: 0))
        self.loadedThrough = jobs.count >= Self.pageMax ? jobs.last : end
        for job in jobs where !self.removed.contains(job.id) && !others.contains(job.id) { self.insert(job) }
        self.loadFailed()
    }

    /// The load failed; the next ``advance(to:into:)`` asks again.
    package mutating func loadFailed() {
        self.loading = nil
        for job in self.added where self.isInMemory(job) { self.insert(job) }
        self.added = []
        self.removed = []
    }

    /// Takes the jobs that are due.
    package mutating func takeDue(at now: WallTime, max: Int) -> [ScheduledJob] {
        var due: [ScheduledJob] = []
        while due.count < max, let first = self.heap.first, first.due <= now {
            _ = self.heap.popFirst()
            guard let job = self.jobs[first.id], job.due == first.due else { continue }
            self.jobs[first.id] = nil
            due.append(job)
        }
        self.dropStale()
        return due
    }

    /// Whether the job, due then, waits on disk for its time to come nearer.
    package func isOnDisk(_ job: ScheduledJob) -> Bool { !self.isInMemory(job) }

    private func isInMemory(_ job: ScheduledJob) -> Bool { self.loadedThrough.map { job <= $0 } ?? false }

    private mutating func insert(_ job: ScheduledJob) {
        guard self.jobs[job.id] == nil else { return }
        self.jobs[job.id] = job
        self.heap.insert(Entry(due: job.due, id: job.id))
    }
}
