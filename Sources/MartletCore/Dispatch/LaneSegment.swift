/// Neighbours in a lane, all with a body or all without.
struct LaneSegment: Sendable {
    /// First id of a run without gaps; unused if `list` is there.
    private var start: JobID
    /// How many have been taken off the front.
    private var head: UInt32
    private var end: UInt32
    private var list: ContiguousArray<JobID>?
    private var bodies: ContiguousArray<JobBody>?

    /// Over it, a list of ids is closed, so that it is freed in steps.
    private static let listMax = 1024
    /// Up to it, submits that follow each other share a segment.
    private static let bodiesMax = 256
    /// Up to it, a run is cheaper as part of a list.
    private static let shortRunMax = 4

    /// A run of ids.
    init(first: JobID, count: Int, bodies: ContiguousArray<JobBody>? = nil) {
        self.start = first
        self.head = 0
        self.end = UInt32(count)
        self.list = nil
        self.bodies = bodies
    }

    /// Ids in any order.
    init(ids: ContiguousArray<JobID>, bodies: ContiguousArray<JobBody>? = nil) {
        self.start = ids[0]
        self.head = 0
        self.end = UInt32(ids.count)
        self.list = ids
        self.bodies = bodies
    }

    var count: Int { Int(self.end - self.head) }
    var isEmpty: Bool { self.head == self.end }
    var hasBodies: Bool { self.bodies != nil }
    var firstID: JobID { self.id(Int(self.head)) }
    var ids: [JobID] { (Int(self.head)..<Int(self.end)).map { self.id($0) } }

    private func id(_ offset: Int) -> JobID { self.list?[offset] ?? self.start.advanced(by: offset) }

    /// Takes a run in without a body, if that is cheaper than a segment of its own.
    mutating func extend(with first: JobID, count: Int) -> Bool {
        guard self.bodies == nil else { return false }
        if self.list == nil {
            if first == self.start.advanced(by: Int(self.end)) {
                guard Int(self.end) + count <= UInt32.max else { return false }
                self.end += UInt32(count)
                return true
            }
            guard Int(self.end) <= Self.shortRunMax, count <= Self.shortRunMax else { return false }
            self.list = ContiguousArray((0..<Int(self.end)).map { self.start.advanced(by: $0) })
        }
        let length = Int(self.end)
        guard count <= Self.shortRunMax, length + count <= Self.listMax else { return false }
        // A list that has turned into a run is better closed.
        if length >= 16, self.list![length - 16].advanced(by: 16) == first { return false }
        for offset in 0..<count { self.list!.append(first.advanced(by: offset)) }
        self.end += UInt32(count)
        return true
    }

    /// Takes in jobs that follow on, if both are small.
    mutating func extend(with bodies: ContiguousArray<JobBody>, first: JobID) -> Bool {
        guard self.bodies != nil, self.list == nil, Int(self.end) + bodies.count <= Self.bodiesMax,
            first == self.start.advanced(by: Int(self.end))
        else { return false }
        self.bodies!.append(contentsOf: bodies)
        self.end += UInt32(bodies.count)
        return true
    }

    /// Takes jobs with bodies off the front. Returns how many.
    mutating func take(max: Int, into jobs: inout [QueuedJob]) -> Int {
        let taken = min(max, self.count)
        for offset in Int(self.head)..<Int(self.head) + taken {
            jobs.append(QueuedJob(id: self.id(offset), body: self.bodies![offset]))
        }
        self.head += UInt32(taken)
        return taken
    }

    /// Takes ids without bodies off the front.
    mutating func takeIDs(max: Int, into ids: inout [JobID]) {
        let taken = min(max, self.count)
        for offset in Int(self.head)..<Int(self.head) + taken { ids.append(self.id(offset)) }
        self.head += UInt32(taken)
    }

    func contains(_ id: JobID) -> Bool {
        if let list { return list[Int(self.head)...].contains(id) }
        return self.firstID <= id && id.rawValue < self.start.rawValue + UInt64(self.end)
    }

    /// False if certainly none of `ids`, ascending, is here.
    func mayHoldAny(of ids: [JobID]) -> Bool {
        guard !ids.isEmpty else { return false }
        guard self.list == nil else { return true }
        let place = ids.sortedIndex(of: self.firstID)
        return place < ids.count && self.contains(ids[place])
    }

    // MARK: Cutting

    var lastID: JobID { self.id(Int(self.end) - 1) }

    /// The jobs at these places, counted from the first that is left.
    private func slice(_ places: Range<Int>) -> LaneSegment {
        let range = places.lowerBound + Int(self.head)..<places.upperBound + Int(self.head)
        let bodies = self.bodies.map { ContiguousArray($0[range]) }
        if let list { return LaneSegment(ids: ContiguousArray(list[range]), bodies: bodies) }
        return LaneSegment(first: self.id(range.lowerBound), count: range.count, bodies: bodies)
    }

    /// The jobs before `id` and those from it on, of a segment whose ids ascend.
    func split(before id: JobID) -> (LaneSegment, LaneSegment) {
        var low = 0
        var high = self.count
        while low < high {
            let middle = (low + high) / 2
            if self.id(Int(self.head) + middle) < id { low = middle + 1 } else { high = middle }
        }
        return (self.slice(0..<low), self.slice(low..<self.count))
    }

    /// What is left without those of `ids`, ascending, that are here; they are added to `removed`.
    func removing(_ ids: [JobID], removed: inout [JobID]) -> [LaneSegment] {
        let places = self.places(of: ids)
        guard !places.isEmpty else { return [self] }
        var pieces: [LaneSegment] = []
        var start = 0
        for place in places {
            removed.append(self.id(Int(self.head) + place))
            if place > start { pieces.append(self.slice(start..<place)) }
            start = place + 1
        }
        if start < self.count { pieces.append(self.slice(start..<self.count)) }
        // Not a segment for each gap in a list.
        guard self.list != nil, self.bodies == nil, pieces.count > 1 else { return pieces }
        return [LaneSegment(ids: ContiguousArray(pieces.flatMap(\.ids)))]
    }

    /// Where those of `ids` are that are here, ascending.
    private func places(of ids: [JobID]) -> [Int] {
        if self.list != nil {
            return (0..<self.count).filter { ids.holdsSorted(self.id(Int(self.head) + $0)) }
        }
        let first = ids.sortedIndex(of: self.firstID)
        let end = self.start.rawValue + UInt64(self.end)
        return ids[first...].prefix { $0.rawValue < end }.map { Int($0.rawValue - self.firstID.rawValue) }
    }

    func checkInvariants() {
        precondition(self.head < self.end, "no empty segment stays")
        precondition(self.list == nil || self.list!.count == Int(self.end), "a list names all")
        precondition(self.bodies == nil || self.bodies!.count == Int(self.end), "all have a body or none")
    }
}

extension [JobID] {
    /// The place of the first that is not below `id`; they ascend.
    func sortedIndex(of id: JobID) -> Int {
        var low = 0
        var high = self.count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Whether `id` is among these, which ascend.
    func holdsSorted(_ id: JobID) -> Bool {
        let place = self.sortedIndex(of: id)
        return place < self.count && self[place] == id
    }
}
