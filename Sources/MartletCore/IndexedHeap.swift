/// A priority queue of small numbers whose ranks may change: the smallest rank first.
///
/// Finding a number costs no hashing: its place is in an array, so the numbers should be dense.
package struct IndexedHeap<Rank: Comparable> {
    package typealias Entry = (id: Int, rank: Rank)

    private var heap = HeapEntries<Rank>()
    /// Where each number is in `entries`; -1 if it is not there.
    private var places: ContiguousArray<Int32> = []

    package init() {}

    package var count: Int { self.heap.entries.count }
    package var isEmpty: Bool { self.heap.entries.isEmpty }
    package var first: Entry? { self.heap.entries.first }

    package func contains(_ id: Int) -> Bool { self.rank(of: id) != nil }

    package func rank(of id: Int) -> Rank? {
        id < self.places.count && self.places[id] >= 0 ? self.heap.entries[Int(self.places[id])].rank : nil
    }

    /// Adds a number, or moves it to its new place.
    package mutating func update(_ id: Int, rank: Rank) { self.heap.update(id, rank: rank, places: &self.places) }

    /// No effect if it is not there.
    package mutating func remove(_ id: Int) { self.heap.remove(id, places: &self.places) }

    package func checkInvariants() {
        self.heap.checkInvariants(places: self.places)
        precondition(self.places.count { $0 >= 0 } == self.count, "no number without an entry")
    }
}

/// Many priority queues of numbers, of which each is in one of them at most, so that one table of places serves all.
package struct HeapForest<Rank: Comparable> {
    package typealias Entry = (id: Int, rank: Rank)

    private var heaps: ContiguousArray<HeapEntries<Rank>> = []
    private var places: ContiguousArray<Int32> = []

    package init() {}

    package func count(in heap: Int) -> Int { heap < self.heaps.count ? self.heaps[heap].entries.count : 0 }
    package func first(in heap: Int) -> Entry? { heap < self.heaps.count ? self.heaps[heap].entries.first : nil }

    package func rank(of id: Int, in heap: Int) -> Rank? {
        guard id < self.places.count, self.places[id] >= 0 else { return nil }
        return self.heaps[heap].entries[Int(self.places[id])].rank
    }

    /// Adds a number to a heap, or moves it to its new place there.
    ///
    /// - Precondition: it is in no other heap.
    package mutating func update(_ id: Int, in heap: Int, rank: Rank) {
        while self.heaps.count <= heap { self.heaps.append(HeapEntries()) }
        self.heaps[heap].update(id, rank: rank, places: &self.places)
    }

    /// No effect if it is not there.
    package mutating func remove(_ id: Int, from heap: Int) {
        guard heap < self.heaps.count else { return }
        self.heaps[heap].remove(id, places: &self.places)
        if self.heaps[heap].entries.isEmpty, self.heaps[heap].entries.capacity > 64 { self.heaps[heap].entries = [] }
    }

    package func checkInvariants() {
        for heap in self.heaps { heap.checkInvariants(places: self.places) }
        let counted = self.heaps.reduce(0) { $0 + $1.entries.count }
        precondition(self.places.count { $0 >= 0 } == counted, "no number without an entry")
    }
}

/// A heap whose numbers have their places in a table that belongs to somebody else.
struct HeapEntries<Rank: Comparable> {
    var entries: ContiguousArray<(id: Int, rank: Rank)> = []

    mutating func update(_ id: Int, rank: Rank, places: inout ContiguousArray<Int32>) {
        if id < places.count, places[id] >= 0 {
            let place = Int(places[id])
            self.entries[place].rank = rank
            if self.entries.count > 1 { self.siftDown(self.siftUp(place, &places), &places) }
            return
        }
        while places.count <= id { places.append(-1) }
        self.entries.append((id, rank))
        places[id] = Int32(self.entries.count - 1)
        if self.entries.count > 1 { _ = self.siftUp(self.entries.count - 1, &places) }
    }

    mutating func remove(_ id: Int, places: inout ContiguousArray<Int32>) {
        guard id < places.count, places[id] >= 0 else { return }
        let place = Int(places[id])
        places[id] = -1
        let last = self.entries.removeLast()
        guard place < self.entries.count else { return }
        self.entries[place] = last
        places[last.id] = Int32(place)
        self.siftDown(self.siftUp(place, &places), &places)
    }

    private mutating func siftUp(_ start: Int, _ places: inout ContiguousArray<Int32>) -> Int {
        let entry = self.entries[start]
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard Self.precedes(entry, self.entries[parent]) else { break }
            self.put(self.entries[parent], at: child, &places)
            child = parent
        }
        self.put(entry, at: child, &places)
        return child
    }

    private mutating func siftDown(_ start: Int, _ places: inout ContiguousArray<Int32>) {
        let entry = self.entries[start]
        var parent = start
        while true {
            var child = 2 * parent + 1
            guard child < self.entries.count else { break }
            let other = child + 1
            if other < self.entries.count, Self.precedes(self.entries[other], self.entries[child]) { child = other }
            guard Self.precedes(self.entries[child], entry) else { break }
            self.put(self.entries[child], at: parent, &places)
            parent = child
        }
        self.put(entry, at: parent, &places)
    }

    private mutating func put(
        _ entry: (id: Int, rank: Rank), at place: Int, _ places: inout ContiguousArray<Int32>
    ) {
        self.entries[place] = entry
        places[entry.id] = Int32(place)
    }

    /// Equal ranks go by number, so that the order never depends on history.
    private static func precedes(_ a: (id: Int, rank: Rank), _ b: (id: Int, rank: Rank)) -> Bool {
        a.rank == b.rank ? a.id < b.id : a.rank < b.rank
    }

    func checkInvariants(places: ContiguousArray<Int32>) {
        for (place, entry) in self.entries.enumerated() {
            precondition(Int(places[entry.id]) == place, "every entry is where its number says")
            precondition(
                place == 0 || !Self.precedes(entry, self.entries[(place - 1) / 2]), "no entry precedes its parent")
        }
    }
}

extension HeapEntries: Sendable where Rank: Sendable {}
extension IndexedHeap: Sendable where Rank: Sendable {}
extension HeapForest: Sendable where Rank: Sendable {}
