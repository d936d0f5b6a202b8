/// Leases granted together, under sequences that follow each other.
package struct LeaseRun: Sendable {
    /// Sequence of the first place.
    package let first: UInt64
    /// Nil where the lease has ended since.
    package let places: ContiguousArray<QueuedJob?>

    package init(first: UInt64, places: ContiguousArray<QueuedJob?>) {
        self.first = first
        self.places = places
    }
}

/// The leases of one node, found by their token without hashing: each delivery leased a run of sequences.
package struct LeaseWindow: Sendable {
    private struct Batch: Sendable {
        let first: UInt64
        /// When they were sent; nil for what was claimed.
        let since: Instant?
        var jobs: ContiguousArray<QueuedJob?>
        var count: Int
    }

    /// Ascending in `first`. Those that are empty have let go of their memory.
    private var batches: ContiguousArray<Batch> = []
    private var emptyCount = 0
    /// Places for jobs in all batches, ended leases included.
    package private(set) var placeCount = 0
    private var nextSequence: UInt64 = 0
    package private(set) var count = 0

    package var batchCount: Int { self.batches.count }

    package init() {}

    /// Leases what is in `run`, all of it, under sequences that must be higher than all before.
    ///
    /// - Parameter since: when they are sent, if they are.
    package mutating func add(_ run: LeaseRun, since: Instant? = nil) {
        guard !run.places.isEmpty else { return }
        precondition(run.first >= self.nextSequence, "sequences grow")
        let count = run.places.count
        self.nextSequence = run.first + UInt64(count)
        self.batches.append(Batch(first: run.first, since: since, jobs: run.places, count: count))
        self.placeCount += count
        self.count += count
    }

    package mutating func add(_ jobs: [QueuedJob], first: UInt64) {
        self.add(LeaseRun(first: first, places: ContiguousArray(jobs.lazy.map { $0 })))
    }

    /// The job under lease `sequence`, if that lease has not ended.
    package func job(at sequence: UInt64) -> QueuedJob? {
        guard let index = self.batch(holding: sequence) else { return nil }
        return self.batches[index].jobs[Int(sequence - self.batches[index].first)]
    }

    /// The sequences that were leased together with this one, and when; nil if that is not known.
    package func grant(of sequence: UInt64) -> (sequences: Range<UInt64>, since: Instant)? {
        guard let index = self.batch(holding: sequence), let since = self.batches[index].since else { return nil }
        let first = self.batches[index].first
        return (first..<first + UInt64(self.batches[index].jobs.count), since)
    }

    /// What is known of the job under this lease is not all that there is any more.
    package mutating func outdate(_ sequence: UInt64) {
        guard let index = self.batch(holding: sequence) else { return }
        self.batches[index].jobs[Int(sequence - self.batches[index].first)]?.body.isOutdated = true
    }

    /// Ends a lease; if `id` is given, only if it is on that job.
    package mutating func remove(_ sequence: UInt64, of id: JobID? = nil) -> QueuedJob? {
        guard let index = self.batch(holding: sequence) else { return nil }
        let offset = Int(sequence - self.batches[index].first)
        guard let held = self.batches[index].jobs[offset]?.id, id == nil || id == held else { return nil }
        let job = self.batches[index].jobs[offset].take()
        self.batches[index].count -= 1
        self.count -= 1
        if self.batches[index].count == 0 {
            self.placeCount -= self.batches[index].jobs.count
            self.batches[index].jobs = []
            self.emptyCount += 1
        }
        self.sweepIfWorthIt()
        return job
    }

    /// Keeps memory in proportion to the leases, however long some of them last.
    private mutating func sweepIfWorthIt() {
        if self.count == 0 {
            self.batches.removeAll(keepingCapacity: self.batches.count <= 64)
            self.emptyCount = 0
        } else if self.emptyCount > 32 + self.batches.count / 2 || self.placeCount > 4096 + 4 * self.count {
            self.sweep()
        }
    }

    private mutating func sweep() {
        var kept: ContiguousArray<Batch> = []
        for batch in self.batches where batch.count > 0 {
            if batch.count * 2 >= batch.jobs.count {
                kept.append(batch)
                continue
            }
            self.placeCount -= batch.jobs.count - batch.count
            for (offset, job) in batch.jobs.enumerated() where job != nil {
                kept.append(Batch(first: batch.first + UInt64(offset), since: batch.since, jobs: [job], count: 1))
            }
        }
        self.batches = kept
        self.emptyCount = 0
    }

    /// Index of the last batch that begins at or before `sequence`, if it reaches that far.
    private func batch(holding sequence: UInt64) -> Int? {
        let index = self.index(after: sequence) - 1
        guard index >= 0 else { return nil }
        return sequence - self.batches[index].first < UInt64(self.batches[index].jobs.count) ? index : nil
    }

    private func index(after sequence: UInt64) -> Int {
        var low = 0
        var high = self.batches.count
        while low < high {
            let middle = (low + high) / 2
            if self.batches[middle].first <= sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Every lease in the order granted.
    package var all: [(sequence: UInt64, job: QueuedJob)] {
        self.leases(in: 0..<UInt64.max)
    }

    /// Up to `max` of the leases granted last, the latest first, that `isWanted`.
    ///
    /// - Parameter depth: how many leases are looked at.
    package func latest(max: Int, depth: Int, where isWanted: (QueuedJob) -> Bool) -> [(
        sequence: UInt64, job: QueuedJob
    )] {
        var found: [(sequence: UInt64, job: QueuedJob)] = []
        var left = depth
        for batch in self.batches.reversed() {
            for (offset, job) in batch.jobs.enumerated().reversed() {
                guard left > 0, found.count < max else { return found }
                guard let job else { continue }
                left -= 1
                if isWanted(job) { found.append((batch.first + UInt64(offset), job)) }
            }
        }
        return found
    }

    /// Those of `ids` that are leased.
    package func held(_ ids: Set<JobID>) -> [JobID] {
        var held: [JobID] = []
        for batch in self.batches { for case let job? in batch.jobs where ids.contains(job.id) { held.append(job.id) } }
        return held
    }

    /// The leases with these sequences, in the order granted.
    package func leases(in sequences: Range<UInt64>) -> [(sequence: UInt64, job: QueuedJob)] {
        var found: [(sequence: UInt64, job: QueuedJob)] = []
        var index = max(0, self.index(after: sequences.lowerBound) - 1)
        while index < self.batches.count, self.batches[index].first < sequences.upperBound {
            let first = self.batches[index].first
            for (offset, job) in self.batches[index].jobs.enumerated() {
                if let job, sequences.contains(first + UInt64(offset)) { found.append((first + UInt64(offset), job)) }
            }
            index += 1
        }
        return found
    }

    /// The leases with these sequences that have not ended, in their places.
    package func run(of sequences: Range<UInt64>) -> LeaseRun {
        var places = ContiguousArray<QueuedJob?>(repeating: nil, count: sequences.count)
        for (sequence, job) in self.leases(in: sequences) { places[Int(sequence - sequences.lowerBound)] = job }
        return LeaseRun(first: sequences.lowerBound, places: places)
    }

    package func checkInvariants() {
        var counted = 0
        var places = 0
        for (index, batch) in self.batches.enumerated() {
            precondition(batch.count == batch.jobs.count { $0 != nil }, "a batch counts its leases")
            precondition(batch.count > 0 || batch.jobs.isEmpty, "an empty batch holds no memory")
            precondition(index == 0 || self.batches[index - 1].first < batch.first, "batches ascend")
            counted += batch.count
            places += batch.jobs.count
        }
        precondition(counted == self.count && places == self.placeCount, "the window counts its leases")
        precondition(self.emptyCount == self.batches.count { $0.count == 0 }, "the window counts empty batches")
    }
}
