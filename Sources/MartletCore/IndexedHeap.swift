/// A priority queue of small numbers whose ranks may change: the smallest rank first.
///
/// Finding a number costs no hashing: its place is in an array, so the numbers should be dense.
package struct IndexedHeap<Rank: Comparable> {
    package typealias Entry = (id: Int, rank: Rank)

    private var entries: ContiguousArray<Entry> = []
    /// Where each number is in `entries`; -1 if it is not there.
    private var places: ContiguousArray<Int32> = []

    package init() {}

    package var count: Int { self.entries.count }
    package var isEmpty: Bool { self.entries.isEmpty }
    package var first: Entry? { self.entries.first }

    package func contains(_ id: Int) -> Bool { self.place(of: id) != nil }

    package func rank(of id: Int) -> Rank? { self.place(of: id).map { self.entries[$0].rank } }

    /// Adds a number, or moves it to its new place.
    package mutating func update(_ id: Int, rank: Rank) {
        if let place = self.place(of: id) {
            self.entries[place].rank = rank
            self.siftDown(self.siftUp(place))
            return
        }
        while self.places.count <= id { self.places.append(-1) }
        self.entries.append((id, rank))
        self.places[id] = Int32(self.entries.count - 1)
        _ = self.siftUp(self.entries.count - 1)
    }

    /// No effect if it is not there.
    package mutating func remove(_ id: Int) {
        guard let place = self.place(of: id) else { return }
        self.places[id] = -1
        let last = self.entries.removeLast()
        guard place < self.entries.count else { return }
        self.entries[place] = last
        self.places[last.id] = Int32(place)
        self.siftDown(self.siftUp(place))
    }

    private func place(of id: Int) -> Int? {
        guard id < self.places.count, self.places[id] >= 0 else { return nil }
        return Int(self.places[id])
    }

    private mutating func siftUp(_ start: Int) -> Int {
        let entry = self.entries[start]
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard Self.precedes(entry, self.entries[parent]) else { break }
            self.put(self.entries[parent], at: child)
            child = parent
        }
        self.put(entry, at: child)
        return child
    }

    private mutating func siftDown(_ start: Int) {
        let entry = self.entries[start]
        var parent = start
        while true {
            var child = 2 * parent + 1
            guard child < self.entries.count else { break }
            let other = child + 1
            if other < self.entries.count, Self.precedes(self.entries[other], self.entries[child]) { child = other }
            guard Self.precedes(self.entries[child], entry) else { break }
            self.put(self.entries[child], at: parent)
            parent = child
        }
        self.put(entry, at: parent)
    }

    private mutating func put(_ entry: Entry, at place: Int) {
        self.entries[place] = entry
        self.places[entry.id] = Int32(place)
    }

    /// Equal ranks go by number, so that the order never depends on history.
    private static func precedes(_ a: Entry, _ b: Entry) -> Bool {
        a.rank == b.rank ? a.id < b.id : a.rank < b.rank
    }

    package func checkInvariants() {
        for (place, entry) in self.entries.enumerated() {
            precondition(self.place(of: entry.id) == place, "every entry is where its number says")
            precondition(
                place == 0 || !Self.precedes(entry, self.entries[(place - 1) / 2]), "no entry precedes its parent")
        }
        precondition(self.places.count { $0 >= 0 } == self.entries.count, "no number without an entry")
    }
}

extension IndexedHeap: Sendable where Rank: Sendable {}
