/// The jobs of one lane: what came back from a node first, oldest first, then in order of arrival.
///
/// Runs of ids take a few bytes however long they are, other ids eight; only jobs that the byte budget allows carry
/// their body. Bodies are read back in id order, so jobs without one may overtake each other within ``loadMax``.
package struct LaneLine: Sendable {
    /// What ``take(max:into:)`` found.
    package enum Head: Equatable, Sendable {
        case empty
        case took
        /// These jobs come next, ascending; give their bodies with ``load(_:outOf:)``, or call ``loadFailed()``.
        case needsBodies([JobID])
    }

    private struct Returned: Comparable, Sendable {
        let job: QueuedJob
        static func < (a: Self, b: Self) -> Bool { a.job.id < b.job.id }
        static func == (a: Self, b: Self) -> Bool { a.job.id == b.job.id }
    }

    private var segments = Deque<LaneSegment>()
    private var returned = BinaryHeap<Returned>()
    /// Ids whose bodies are being read; they come before all segments.
    private var asked: [JobID] = []
    package private(set) var count = 0

    /// How many ids are asked for at once when bodies must be read back.
    package static let loadMax = 512

    package init() {}

    package var isEmpty: Bool { self.count == 0 }
    package var isLoading: Bool { !self.asked.isEmpty }
    /// Whether the next job can be taken without reading its body.
    package var isNextLoaded: Bool {
        if !self.returned.isEmpty { return true }
        return self.asked.isEmpty && !self.segments.isEmpty && self.segments[0].hasBodies
    }

    /// The job that comes next.
    package var first: JobID? {
        if let returned = self.returned.first { return returned.job.id }
        if let asked = self.asked.first { return asked }
        return self.segments.isEmpty ? nil : self.segments[0].firstID
    }

    /// Adds new jobs with ids from `first` on, with their bodies.
    package mutating func append(first: JobID, bodies: ContiguousArray<JobBody>) {
        guard !bodies.isEmpty else { return }
        self.count += bodies.count
        if !self.segments.isEmpty, self.segments[self.segments.count - 1].extend(with: bodies, first: first) { return }
        self.segments.append(LaneSegment(first: first, count: bodies.count, bodies: bodies))
    }

    /// Adds new jobs with ids from `first` on, whose bodies are in the store only.
    package mutating func append(first: JobID, count: Int) {
        guard count > 0 else { return }
        self.count += count
        if !self.segments.isEmpty, self.segments[self.segments.count - 1].extend(with: first, count: count) { return }
        self.segments.append(LaneSegment(first: first, count: count))
    }

    /// Adds a job whose body is in the store only.
    package mutating func append(_ id: JobID) {
        self.append(first: id, count: 1)
    }

    /// Puts jobs that a node gave back, or lost, before all others, the oldest first.
    package mutating func giveBack(_ job: QueuedJob) {
        self.returned.insert(Returned(job: job))
        self.count += 1
    }

    /// Takes up to `max` jobs off the front.
    ///
    /// - Precondition: `max` is positive and no bodies are being read.
    package mutating func take(max: Int, into jobs: inout [QueuedJob]) -> Head {
        precondition(max > 0 && self.asked.isEmpty, "one step at a time")
        var left = max
        while left > 0, let returned = self.returned.popFirst() {
            jobs.append(returned.job)
            left -= 1
        }
        while left > 0, !self.segments.isEmpty, self.segments[0].hasBodies {
            left -= self.segments[0].take(max: left, into: &jobs)
            if self.segments[0].isEmpty { _ = self.segments.popFirst() }
        }
        self.count -= max - left
        if left < max { return .took }
        return self.isEmpty ? .empty : .needsBodies(self.ask())
    }

    /// Sets the next jobs apart until their bodies are here.
    private mutating func ask() -> [JobID] {
        while self.asked.count < Self.loadMax, !self.segments.isEmpty, !self.segments[0].hasBodies {
            self.segments[0].takeIDs(max: Self.loadMax - self.asked.count, into: &self.asked)
            if self.segments[0].isEmpty { _ = self.segments.popFirst() }
        }
        self.asked.sort()
        return self.asked
    }

    /// Gives the jobs that were asked for their bodies.
    ///
    /// - Parameters:
    ///   - jobs: what the store found, ascending, but for those that the caller has other plans for.
    ///   - ids: the ids that were looked at, a prefix of what ``take(max:into:)`` asked for. Those without a job
    ///     leave the line.
    /// - Returns: how many left the line.
    @discardableResult
    package mutating func load(_ jobs: [QueuedJob], outOf ids: ArraySlice<JobID>) -> Int {
        precondition(self.asked.starts(with: ids), "bodies are for those asked for")
        self.asked.removeFirst(ids.count)
        self.loadFailed()
        if !jobs.isEmpty {
            let list = ContiguousArray(jobs.map(\.id))
            self.segments.prepend(LaneSegment(ids: list, bodies: ContiguousArray(jobs.map(\.body))))
        }
        self.count -= ids.count - jobs.count
        return ids.count - jobs.count
    }

    /// The bodies could not be read; the next ``take(max:into:)`` asks again.
    package mutating func loadFailed() {
        if !self.asked.isEmpty { self.segments.prepend(LaneSegment(ids: ContiguousArray(self.asked))) }
        self.asked = []
    }

    /// Puts the jobs of `earlier`, which has no bodies, before those of this line, but for `excluded`.
    package mutating func prepend(_ earlier: LaneLine, excluding excluded: Set<JobID>) {
        precondition(earlier.returned.isEmpty && earlier.asked.isEmpty, "what waits for recovery has not moved")
        var merged = LaneLine()
        let gone = excluded.sorted()
        for index in 0..<earlier.segments.count {
            let segment = earlier.segments[index]
            if !segment.mayHoldAny(of: gone) {
                merged.count += segment.count
                merged.segments.append(segment)
            } else {
                for id in segment.ids where !excluded.contains(id) { merged.append(id) }
            }
        }
        for index in 0..<self.segments.count { merged.segments.append(self.segments[index]) }
        merged.returned = self.returned
        merged.asked = self.asked
        merged.count += self.count
        self = merged
    }

    /// Whether the job is in the line, other than given back. Takes a step for each run of ids.
    package func contains(_ id: JobID) -> Bool {
        for index in 0..<self.segments.count where self.segments[index].contains(id) { return true }
        return self.asked.contains(id)
    }

    /// Every id in the line, in order. For invariants and tests.
    package func allIDs() -> [JobID] {
        var ids = self.returned.unordered.map(\.job.id).sorted() + self.asked
        for index in 0..<self.segments.count { ids += self.segments[index].ids }
        return ids
    }

    package func checkInvariants() {
        var counted = self.returned.count + self.asked.count
        for index in 0..<self.segments.count {
            self.segments[index].checkInvariants()
            counted += self.segments[index].count
        }
        precondition(counted == self.count, "the count is the sum of the segments")
    }
}
