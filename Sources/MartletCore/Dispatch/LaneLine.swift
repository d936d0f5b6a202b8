/// The jobs of one lane, in order: what came back from a node first, then by id.
///
/// Runs of ids take a few bytes however long they are; only jobs that the byte budget allows carry their body.
package struct LaneLine: Sendable {
    /// What ``take(max:into:)`` found.
    package enum Head: Equatable, Sendable {
        case empty
        case took
        /// These jobs come next, in order; give their bodies with ``load(_:outOf:)``.
        case needsBodies([JobID])
    }

    /// A run of jobs, all with a body or all without.
    private struct Segment: Sendable {
        /// First id of a run without gaps; unused if `ids` is there.
        var first: JobID
        var head: Int
        var count: Int
        var ids: ContiguousArray<JobID>?
        var bodies: ContiguousArray<JobBody>?

        func id(_ offset: Int) -> JobID { self.ids?[offset] ?? self.first.advanced(by: offset) }
    }

    private struct Returned: Comparable, Sendable {
        let job: QueuedJob
        static func < (a: Self, b: Self) -> Bool { a.job.id < b.job.id }
        static func == (a: Self, b: Self) -> Bool { a.job.id == b.job.id }
    }

    private var segments = Deque<Segment>()
    private var returned = BinaryHeap<Returned>()
    package private(set) var count = 0

    /// How many ids are asked for at once when bodies must be read back.
    package static let loadMax = 256
    private static let segmentMax = 1024

    package init() {}

    package var isEmpty: Bool { self.count == 0 }

    /// The job that comes next.
    package var first: JobID? {
        if let returned = self.returned.first { return returned.job.id }
        return self.segments.first.map { $0.id($0.head) }
    }

    /// Adds new jobs with ids from `first` on, with their bodies.
    package mutating func append(first: JobID, bodies: ContiguousArray<JobBody>) {
        guard !bodies.isEmpty else { return }
        self.segments.append(Segment(first: first, head: 0, count: bodies.count, ids: nil, bodies: bodies))
        self.count += bodies.count
    }

    /// Adds a job whose body is in the store only.
    package mutating func append(_ id: JobID) {
        self.count += 1
        if !self.segments.isEmpty {
            let last = self.segments.count - 1
            if self.extendLast(last, with: id) { return }
        }
        self.segments.append(Segment(first: id, head: 0, count: 1, ids: nil, bodies: nil))
    }

    private mutating func extendLast(_ last: Int, with id: JobID) -> Bool {
        let segment = self.segments[last]
        // Ascending within a segment, because that is how bodies are read.
        guard segment.bodies == nil, segment.id(segment.count - 1) < id else { return false }
        if segment.ids == nil, id == segment.first.advanced(by: segment.count) {
            self.segments[last].count += 1
            return true
        }
        // A short run is cheaper as a list of ids than as a segment of its own.
        if segment.ids == nil, segment.count > 4 { return false }
        guard segment.count < Self.segmentMax else { return false }
        if segment.ids == nil {
            self.segments[last].ids = ContiguousArray((0..<segment.count).map { segment.first.advanced(by: $0) })
        }
        self.segments[last].ids!.append(id)
        self.segments[last].count += 1
        return true
    }

    /// Puts jobs that a node gave back, or lost, before all others, the oldest first.
    package mutating func giveBack(_ job: QueuedJob) {
        self.returned.insert(Returned(job: job))
        self.count += 1
    }

    /// Takes up to `max` jobs off the front.
    package mutating func take(max: Int, into jobs: inout [QueuedJob]) -> Head {
        var left = max
        while left > 0, let returned = self.returned.popFirst() {
            jobs.append(returned.job)
            self.count -= 1
            left -= 1
        }
        while left > 0, let segment = self.segments.first {
            guard segment.bodies != nil else { return left < max ? .took : .needsBodies(self.nextIDs(segment)) }
            left -= self.takeFromFirst(min(left, segment.count - segment.head), into: &jobs)
        }
        return left < max ? .took : .empty
    }

    private mutating func takeFromFirst(_ taken: Int, into jobs: inout [QueuedJob]) -> Int {
        let head = self.segments[0].head
        let segment = self.segments[0]
        for offset in head..<head + taken {
            jobs.append(QueuedJob(id: segment.id(offset), body: segment.bodies![offset]))
        }
        self.count -= taken
        if head + taken == segment.count {
            _ = self.segments.popFirst()
        } else {
            self.segments[0].head += taken
        }
        return taken
    }

    private func nextIDs(_ segment: Segment) -> [JobID] {
        (segment.head..<min(segment.count, segment.head + Self.loadMax)).map { segment.id($0) }
    }

    /// Gives the first jobs of the line their bodies.
    ///
    /// - Parameters:
    ///   - jobs: what the store found, ascending.
    ///   - ids: the ids that were looked at, a prefix of what ``take(max:into:)`` asked for. Those without a job
    ///     are gone and leave the line.
    /// - Returns: jobs whose lane in the store is not this one, or whose history sets them apart, are for the
    ///   caller to filter before; the number of jobs that were gone.
    @discardableResult
    package mutating func load(_ jobs: [QueuedJob], outOf ids: ArraySlice<JobID>) -> Int {
        guard let segment = self.segments.first, segment.bodies == nil, !ids.isEmpty else { return 0 }
        precondition(segment.id(segment.head) == ids.first, "bodies are for the front of the line")
        if segment.head + ids.count == segment.count {
            _ = self.segments.popFirst()
        } else {
            self.segments[0].head += ids.count
        }
        if !jobs.isEmpty {
            let bodies = ContiguousArray(jobs.map(\.body))
            let list = ContiguousArray(jobs.map(\.id))
            self.segments.prepend(Segment(first: list[0], head: 0, count: jobs.count, ids: list, bodies: bodies))
        }
        self.count -= ids.count - jobs.count
        return ids.count - jobs.count
    }

    /// Puts the jobs of `earlier` before those of this line, but for `excluded`.
    package mutating func prepend(_ earlier: LaneLine, excluding excluded: Set<JobID>) {
        var merged = LaneLine()
        for index in 0..<earlier.segments.count {
            let segment = earlier.segments[index]
            for offset in segment.head..<segment.count where !excluded.contains(segment.id(offset)) {
                merged.append(segment.id(offset))
            }
        }
        for index in 0..<self.segments.count { merged.segments.append(self.segments[index]) }
        merged.returned = self.returned
        merged.count += self.count
        self = merged
    }

    /// Every id in the line. For invariants and tests.
    package func allIDs() -> [JobID] {
        var ids = self.returned.unordered.map(\.job.id).sorted()
        for index in 0..<self.segments.count {
            let segment = self.segments[index]
            ids += (segment.head..<segment.count).map { segment.id($0) }
        }
        return ids
    }

    package func checkInvariants() {
        var counted = self.returned.count
        for index in 0..<self.segments.count {
            let segment = self.segments[index]
            precondition(segment.head < segment.count, "no empty segment stays")
            precondition(segment.ids == nil || segment.ids!.count == segment.count, "a listed segment lists all")
            precondition(segment.bodies == nil || segment.bodies!.count == segment.count, "all bodies or none")
            counted += segment.count - segment.head
        }
        precondition(counted == self.count, "the count is the sum of the segments")
    }
}
