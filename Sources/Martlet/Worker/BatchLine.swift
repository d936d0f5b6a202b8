package import MartletCore

/// How the jobs of a type are put together for one call of its handler.
package struct BatchShape: Hashable, Sendable {
    package let jobsMax: Int
    /// How long the first job of a batch waits for others.
    package let patience: Duration

    package init(jobsMax: Int, patience: Duration) {
        precondition((1...BatchShape.jobsMaxMax).contains(jobsMax), "a batch has 1 to 1,000 jobs")
        precondition(patience >= .zero, "a job cannot wait for less than no time")
        self.jobsMax = jobsMax
        self.patience = patience
    }

    package static let jobsMaxMax = 1000
}

/// Jobs of one type that wait for their batch to fill, oldest first.
///
/// A batch is ripe when it is full or its first job has waited for long enough. No job is in two batches, and batches
/// take jobs in the order in which these came.
package struct BatchLine: Sendable {
    package let shape: BatchShape
    var jobs = Deque<WorkerCore.Job>()
    /// When each of `jobs` came.
    private var arrivals = Deque<Instant>()
    /// One of them was let through by a service and must start soon: none waits for others.
    private var isHurried = false

    package init(_ shape: BatchShape) {
        self.shape = shape
    }

    package var count: Int { self.jobs.count }
    /// Batches that need not wait.
    package var fullCount: Int { self.jobs.count / self.shape.jobsMax }

    package mutating func add(_ job: WorkerCore.Job, at now: Instant) {
        self.jobs.append(job)
        self.arrivals.append(now)
        if job.extras?.startBy != nil { self.isHurried = true }
    }

    /// When the next batch is ripe, unless it fills before; nil if there is no job.
    package var ripeAt: Instant? { self.arrivals.first.map { $0 + (self.isHurried ? .zero : self.shape.patience) } }

    package func isRipe(at now: Instant) -> Bool {
        self.jobs.count >= self.shape.jobsMax || self.ripeAt.map { $0 <= now } ?? false
    }

    /// The next batch, whether it is ripe or not, and the jobs before its last one that should have started by now.
    package mutating func take(
        at now: Instant, _ clock: CoordinatorClock = CoordinatorClock()
    ) -> (batch: [WorkerCore.Job], overdue: [WorkerCore.Job]) {
        var batch: [WorkerCore.Job] = []
        var overdue: [WorkerCore.Job] = []
        batch.reserveCapacity(min(self.jobs.count, self.shape.jobsMax))
        while batch.count < self.shape.jobsMax, let job = self.jobs.popFirst() {
            _ = self.arrivals.popFirst()
            if job.isOverdue(at: now, clock) { overdue.append(job) } else { batch.append(job) }
        }
        if self.jobs.isEmpty { self.isHurried = false }
        return (batch, overdue)
    }

    /// All jobs, in order; none is left.
    package mutating func takeAll() -> [WorkerCore.Job] {
        var all: [WorkerCore.Job] = []
        while let job = self.jobs.popFirst() { all.append(job) }
        self = BatchLine(self.shape)
        return all
    }

    /// Takes out the jobs that are wanted, in order; the others wait as before.
    mutating func remove(where isWanted: (WorkerCore.Job) -> Bool) -> [WorkerCore.Job] {
        var removed: [WorkerCore.Job] = []
        var kept = BatchLine(self.shape)
        while let job = self.jobs.popFirst(), let arrival = self.arrivals.popFirst() {
            if isWanted(job) { removed.append(job) } else { kept.add(job, at: arrival) }
        }
        self = kept
        return removed
    }

    /// Gives each job its new lease, or drops it where there is none.
    mutating func renew(_ lease: (LeaseToken) -> LeaseToken?) -> Int {
        var kept = BatchLine(self.shape)
        var dropped = 0
        while var job = self.jobs.popFirst(), let arrival = self.arrivals.popFirst() {
            if let token = lease(job.token) {
                job.token = token
                kept.add(job, at: arrival)
            } else {
                dropped += 1
            }
        }
        self = kept
        return dropped
    }

    package func checkInvariants() {
        precondition(self.jobs.count == self.arrivals.count, "each job that waits has come at some time")
        for place in 1..<max(1, self.arrivals.count) {
            precondition(self.arrivals[place - 1] <= self.arrivals[place], "jobs wait in the order in which they came")
        }
    }
}
