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
    /// Of those asked for, which have left the line meanwhile.
    private var withdrawn: Set<JobID> = []
    /// Came into their place in the order of ids while bodies were being read.
    private var late: [JobID] = []
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
        if !self.asked.isEmpty, let asked = self.asked.first(where: { !self.withdrawn.contains($0) }) {
            return self.late.first.map { min($0, asked) } ?? asked
        }
        if let late = self.late.first { return late }
        return self.segments.isEmpty ? nil : self.segments[0].firstID
    }

    /// Whether its body is being read, and still wanted.
    package func isAskedFor(_ id: JobID) -> Bool { self.asked.holdsSorted(id) && !self.withdrawn.contains(id) }

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

    /// How many ``take(max:into:)`` would take; `max` or more count as `max`.
    package func takeable(max: Int) -> Int {
        var count = self.returned.count
        var place = 0
        while count < max, place < self.segments.count, self.segments[place].hasBodies {
            count += self.segments[place].count
            place += 1
        }
        return min(count, max)
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
        let withdrawn = self.withdrawn
        self.returnAsked()
        let here = withdrawn.isEmpty ? jobs : jobs.filter { !withdrawn.contains($0.id) }
        if !here.isEmpty {
            let list = ContiguousArray(here.map(\.id))
            self.segments.prepend(LaneSegment(ids: list, bodies: ContiguousArray(here.map(\.body))))
        }
        let counted = withdrawn.isEmpty ? ids.count : ids.count { !withdrawn.contains($0) }
        self.count -= counted - here.count
        self.insertLate()
        return counted - here.count
    }

    /// The bodies could not be read; the next ``take(max:into:)`` asks again.
    package mutating func loadFailed() {
        self.returnAsked()
        self.insertLate()
    }

    /// Puts what was asked for and is still wanted back to the front.
    private mutating func returnAsked() {
        let left = self.withdrawn.isEmpty ? self.asked : self.asked.filter { !self.withdrawn.contains($0) }
        if !left.isEmpty { self.segments.prepend(LaneSegment(ids: ContiguousArray(left))) }
        self.asked = []
        self.withdrawn = []
    }

    /// Puts the jobs of `earlier`, which has no bodies, before those of this line, but for `excluded`.
    ///
    /// - Parameter isOrdered: whether the ids of both ascend, and shall ascend in the end.
    package mutating func prepend(_ earlier: LaneLine, excluding excluded: Set<JobID>, isOrdered: Bool = false) {
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
        merged.count += self.count
        for index in 0..<self.segments.count {
            let segment = self.segments[index]
            let last = merged.segments.isEmpty ? nil : merged.segments[merged.segments.count - 1].lastID
            if isOrdered, !segment.hasBodies, let last, segment.firstID < last {
                for id in segment.ids { merged.place(id) }
            } else {
                merged.segments.append(segment)
            }
        }
        merged.returned = self.returned
        merged.asked = self.asked
        merged.withdrawn = self.withdrawn
        merged.late = self.late
        self = merged
    }

    // MARK: In the order of ids

    /// Adds a job without body at its place in the order of ids, in a line where they ascend.
    package mutating func insert(_ id: JobID) {
        self.count += 1
        if self.isLoading {
            self.late.insert(id, at: self.late.sortedIndex(of: id))
        } else {
            self.place(id)
        }
    }

    private mutating func insertLate() {
        for id in self.late { self.place(id) }
        self.late = []
    }

    /// Takes a step for each segment before it: what comes back is usually among the first.
    private mutating func place(_ id: JobID) {
        var before: [LaneSegment] = []
        if !self.segments.isEmpty, self.segments[self.segments.count - 1].lastID < id {
            self.segments.append(LaneSegment(first: id, count: 1))
            return
        }
        while !self.segments.isEmpty, self.segments[0].lastID < id { before.append(self.segments.popFirst()!) }
        if !self.segments.isEmpty, self.segments[0].firstID < id {
            let (first, rest) = self.segments.popFirst()!.split(before: id)
            self.segments.prepend(rest)
            before.append(first)
        }
        self.segments.prepend(LaneSegment(first: id, count: 1))
        for segment in before.reversed() { self.segments.prepend(segment) }
    }

    // MARK: Taking jobs out

    /// Takes out those of `ids`, ascending, that are here.
    ///
    /// Takes a step for each segment, and looks only into those that may hold one of them.
    package mutating func remove(_ ids: [JobID]) -> [JobID] {
        guard !ids.isEmpty, self.count > 0 else { return [] }
        var removed: [JobID] = []
        if self.returned.unordered.contains(where: { ids.holdsSorted($0.job.id) }) {
            var kept = BinaryHeap<Returned>()
            for returned in self.returned.unordered {
                if ids.holdsSorted(returned.job.id) { removed.append(returned.job.id) } else { kept.insert(returned) }
            }
            self.returned = kept
        }
        for id in self.asked where ids.holdsSorted(id) && self.withdrawn.insert(id).inserted { removed.append(id) }
        self.late.removeAll { id in
            guard ids.holdsSorted(id) else { return false }
            removed.append(id)
            return true
        }
        self.removeFromSegments(ids, into: &removed)
        self.count -= removed.count
        return removed.sorted()
    }

    private mutating func removeFromSegments(_ ids: [JobID], into removed: inout [JobID]) {
        guard (0..<self.segments.count).contains(where: { self.segments[$0].mayHoldAny(of: ids) }) else { return }
        var kept = Deque<LaneSegment>()
        for index in 0..<self.segments.count {
            if self.segments[index].mayHoldAny(of: ids) {
                for piece in self.segments[index].removing(ids, removed: &removed) {
                    // A short run is eight bytes an id as part of a list, several times that as a segment.
                    if piece.isRun, !kept.isEmpty,
                        kept[kept.count - 1].extend(with: piece.firstID, count: piece.count)
                    {
                        continue
                    }
                    kept.append(piece)
                }
            } else {
                kept.append(self.segments[index])
            }
        }
        self.segments = kept
    }

    /// Whether the job is in the line, other than given back. Takes a step for each run of ids.
    package func contains(_ id: JobID) -> Bool {
        for index in 0..<self.segments.count where self.segments[index].contains(id) { return true }
        return self.asked.contains(id) && !self.withdrawn.contains(id) || self.late.contains(id)
    }

    /// How many jobs come before this one; nil if it is not here. Takes a step for each run of ids.
    package func position(of id: JobID) -> Int? {
        let returned = self.returned.unordered
        if returned.contains(where: { $0.job.id == id }) { return returned.count { $0.job.id < id } }
        var before = returned.count
        if self.isAskedFor(id) || self.late.contains(id) {
            return before + self.asked.count { $0 < id && !self.withdrawn.contains($0) } + self.late.count { $0 < id }
        }
        before += self.asked.count - self.withdrawn.count + self.late.count
        for index in 0..<self.segments.count {
            if let place = self.segments[index].position(of: id) { return before + place }
            before += self.segments[index].count
        }
        return nil
    }

    /// Of the jobs waiting in line; the ids whose bodies are being read. For tests.
    package var segmentCount: Int { self.segments.count }
    package var askedIDs: [JobID] { self.asked }

    /// Every id in the line, in order. For invariants and tests.
    package func allIDs() -> [JobID] {
        var ids = self.returned.unordered.map(\.job.id).sorted()
        ids += self.asked.filter { !self.withdrawn.contains($0) } + self.late
        for index in 0..<self.segments.count { ids += self.segments[index].ids }
        return ids
    }

    package func checkInvariants() {
        var counted = self.returned.count + self.asked.count - self.withdrawn.count + self.late.count
        precondition(self.withdrawn.isSubset(of: self.asked), "what was withdrawn had been asked for")
        for index in 0..<self.segments.count {
            self.segments[index].checkInvariants()
            counted += self.segments[index].count
        }
        precondition(counted == self.count, "the count is the sum of the segments")
    }
}
