/// The leases of one node, found by their token without hashing: each delivery leased a run of sequences.
package struct LeaseWindow: Sendable {
    private struct Batch: Sendable {
        let first: UInt64
        var jobs: ContiguousArray<QueuedJob?>
        var count: Int
    }

    /// Ascending in `first`; none is empty.
    private var batches: ContiguousArray<Batch> = []
    /// Emptied batches at the front, not yet removed.
    private var head = 0
    package private(set) var count = 0

    package init() {}

    /// Leases `jobs` under the sequences from `first` on, which must be higher than all before.
    package mutating func add(_ jobs: [QueuedJob], first: UInt64) {
        guard !jobs.isEmpty else { return }
        precondition(self.batches.last.map { $0.first + UInt64($0.jobs.count) <= first } ?? true, "sequences grow")
        self.batches.append(Batch(first: first, jobs: ContiguousArray(jobs.map { $0 }), count: jobs.count))
        self.count += jobs.count
    }

    /// The job under lease `sequence`, if that lease has not ended.
    package func job(at sequence: UInt64) -> QueuedJob? {
        self.batch(holding: sequence).flatMap { self.batches[$0].jobs[Int(sequence - self.batches[$0].first)] }
    }

    /// Ends a lease.
    package mutating func remove(_ sequence: UInt64) -> QueuedJob? {
        guard let index = self.batch(holding: sequence) else { return nil }
        let offset = Int(sequence - self.batches[index].first)
        guard let job = self.batches[index].jobs[offset].take() else { return nil }
        self.batches[index].count -= 1
        self.count -= 1
        if self.batches[index].count == 0 { self.dropEmptyFront() }
        return job
    }

    private mutating func dropEmptyFront() {
        while self.head < self.batches.count, self.batches[self.head].count == 0 {
            self.batches[self.head].jobs = []
            self.head += 1
        }
        guard self.head > 32, self.head * 2 > self.batches.count else {
            if self.head == self.batches.count {
                self.batches.removeAll(keepingCapacity: true)
                self.head = 0
            }
            return
        }
        self.batches.removeFirst(self.head)
        self.head = 0
    }

    private func batch(holding sequence: UInt64) -> Int? {
        var low = self.head
        var high = self.batches.count
        while low < high {
            let middle = (low + high) / 2
            if self.batches[middle].first <= sequence { low = middle + 1 } else { high = middle }
        }
        guard low > self.head else { return nil }
        let found = self.batches[low - 1]
        return sequence < found.first + UInt64(found.jobs.count) ? low - 1 : nil
    }

    /// Every lease in the order granted.
    package var all: [(sequence: UInt64, job: QueuedJob)] {
        var all: [(sequence: UInt64, job: QueuedJob)] = []
        for batch in self.batches[self.head...] {
            for (offset, job) in batch.jobs.enumerated() {
                if let job { all.append((batch.first + UInt64(offset), job)) }
            }
        }
        return all
    }

    /// The leases of the run that begins at `first`.
    package func run(from first: UInt64) -> [(sequence: UInt64, job: QueuedJob)] {
        guard let index = self.batch(holding: first) else { return [] }
        let batch = self.batches[index]
        return batch.jobs.enumerated().compactMap { offset, job in job.map { (batch.first + UInt64(offset), $0) } }
    }

    package func checkInvariants() {
        var counted = 0
        for batch in self.batches[self.head...] {
            precondition(batch.count == batch.jobs.count { $0 != nil }, "a batch counts its leases")
            counted += batch.count
        }
        precondition(counted == self.count, "the window counts its leases")
    }
}
