/// Neighbours in a lane, all with a body or all without.
struct LaneSegment: Sendable {
    /// First id of a run without gaps; none is lower if `list` is there.
    private var start: JobID
    /// None is higher if `list` is there; unused otherwise.
    private var highest: JobID
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
        self.highest = first
        self.head = 0
        self.end = UInt32(count)
        self.list = nil
        self.bodies = bodies
    }

    /// Ids in any order.
    init(ids: ContiguousArray<JobID>, bodies: ContiguousArray<JobBody>? = nil) {
        self.start = ids.min()!
        self.highest = ids.max()!
        self.head = 0
        self.end = UInt32(ids.count)
        self.list = ids
        self.bodies = bodies
    }

    var count: Int { Int(self.end - self.head) }
    var isEmpty: Bool { self.head == self.end }
    var hasBodies: Bool { self.bodies != nil }
    /// Ids without gaps and without bodies.
    var isRun: Bool { self.list == nil && self.bodies == nil }
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
            self.highest = self.start.advanced(by: Int(self.end) - 1)
        }
        let length = Int(self.end)
        guard count <= Self.shortRunMax, length + count <= Self.listMax else { return false }
        // A list that has turned into a run is better closed.
        if length >= 16, self.list![length - 16].advanced(by: 16) == first { return false }
        for offset in 0..<count { self.list!.append(first.advanced(by: offset)) }
        self.end += UInt32(count)
        self.start = min(self.start, first)
        self.highest = max(self.highest, first.advanced(by: count - 1))
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

    func position(of id: JobID) -> Int? {
        guard self.contains(id) else { return nil }
        if let list { return list[Int(self.head)...].firstIndex(of: id).map { $0 - Int(self.head) } }
        return Int(id.rawValue - self.firstID.rawValue)
    }

    /// False if certainly none of `ids`, ascending, is here.
    func mayHoldAny(of ids: [JobID]) -> Bool {
        guard !ids.isEmpty else { return false }
        if self.list != nil {
            let place = ids.sortedIndex(of: self.start)
            return place < ids.count && ids[place] <= self.highest
        }
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
    ///
    /// A run without bodies falls into runs: those that are short, ``LaneLine`` puts together. All else stays one
    /// segment, however many gaps it gets.
    func removing(_ ids: [JobID], removed: inout [JobID]) -> [LaneSegment] {
        let places = self.places(of: ids)
        guard !places.isEmpty else { return [self] }
        var left: [Range<Int>] = []
        var start = 0
        for place in places {
            removed.append(self.id(Int(self.head) + place))
            if place > start { left.append(start..<place) }
            start = place + 1
        }
        if start < self.count { left.append(start..<self.count) }
        guard left.count > 1, self.list != nil || self.bodies != nil else { return left.map(self.slice) }
        let offsets = left.lazy.joined().map { Int(self.head) + $0 }
        return [
            LaneSegment(
                ids: ContiguousArray(offsets.map(self.id)),
                bodies: self.bodies.map { bodies in ContiguousArray(offsets.map { bodies[$0] }) })
        ]
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
        precondition(
            self.list?.allSatisfy { $0 >= self.start && $0 <= self.highest } ?? true, "a list knows its bounds")
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
