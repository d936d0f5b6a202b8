/// The runnable lanes that one kind of node serves, the one to serve next first.
package struct LaneHeap: Sendable {
    /// Higher urgency first, then the older head.
    package struct Entry: Comparable, Sendable {
        package let urgency: Int
        package let head: JobID
        package let lane: LaneID

        package init(urgency: Int, head: JobID, lane: LaneID) {
            self.urgency = urgency
            self.head = head
            self.lane = lane
        }

        package static func < (a: Self, b: Self) -> Bool {
            (-a.urgency, a.head, a.lane) < (-b.urgency, b.head, b.lane)
        }
    }

    private var entries: ContiguousArray<Entry> = []
    /// Where each lane is in `entries`.
    private var places: [LaneID: Int] = [:]

    package init() {}

    package var first: Entry? { self.entries.first }
    package var count: Int { self.entries.count }

    package func contains(_ lane: LaneID) -> Bool { self.places[lane] != nil }

    /// Adds a lane, or moves it to its new place.
    package mutating func update(_ entry: Entry) {
        if let place = self.places[entry.lane] {
            self.entries[place] = entry
            self.settle(self.siftUp(place))
        } else {
            self.entries.append(entry)
            self.places[entry.lane] = self.entries.count - 1
            _ = self.siftUp(self.entries.count - 1)
        }
    }

    package mutating func remove(_ lane: LaneID) {
        guard let place = self.places.removeValue(forKey: lane) else { return }
        let last = self.entries.removeLast()
        guard place < self.entries.count else { return }
        self.entries[place] = last
        self.places[last.lane] = place
        self.settle(self.siftUp(place))
    }

    private mutating func siftUp(_ start: Int) -> Int {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard self.entries[child] < self.entries[parent] else { break }
            self.exchange(child, parent)
            child = parent
        }
        return child
    }

    private mutating func settle(_ start: Int) {
        var parent = start
        while true {
            var smallest = parent
            let left = 2 * parent + 1
            if left < self.entries.count, self.entries[left] < self.entries[smallest] { smallest = left }
            if left + 1 < self.entries.count, self.entries[left + 1] < self.entries[smallest] { smallest = left + 1 }
            guard smallest != parent else { return }
            self.exchange(parent, smallest)
            parent = smallest
        }
    }

    private mutating func exchange(_ a: Int, _ b: Int) {
        self.entries.swapAt(a, b)
        self.places[self.entries[a].lane] = a
        self.places[self.entries[b].lane] = b
    }
}
