package import MartletCore

/// Timers in order of their deadline, and of their creation where deadlines are equal.
///
/// A heap that knows where each timer sits, so that a cancelled timer is gone at once: memory follows the timers
/// that are pending, not those that were scheduled and cancelled before. No operation reads a clock.
package struct TimerQueue: Sendable {
    private struct Entry: Sendable {
        let deadline: Instant
        let sequence: UInt64
        let slot: Int

        func precedes(_ other: Entry) -> Bool {
            self.deadline != other.deadline ? self.deadline < other.deadline : self.sequence < other.sequence
        }
    }

    private struct Slot: Sendable {
        /// Counts the uses of this slot, so that the id of an earlier timer does not match a later one.
        var use: UInt32 = 0
        /// Place in the heap, or -1 while the slot is free.
        var place = -1
        var action: (@Sendable () -> Void)?
    }

    private var heap: ContiguousArray<Entry> = []
    private var slots: ContiguousArray<Slot> = []
    private var freeSlots: ContiguousArray<Int> = []
    private var lastSequence: UInt64 = 0

    package init() {}

    /// Pending timers.
    package var count: Int { self.heap.count }

    package var nextDeadline: Instant? { self.heap.first?.deadline }

    /// Room taken, in timers: the most that were ever pending at once.
    package var capacity: Int { self.slots.count }

    /// Adds a timer.
    package mutating func insert(at deadline: Instant, _ action: @escaping @Sendable () -> Void) -> TimerID {
        let slot: Int
        if let free = self.freeSlots.popLast() {
            slot = free
        } else {
            slot = self.slots.count
            self.slots.append(Slot())
        }
        self.lastSequence += 1
        self.slots[slot].use &+= 1
        self.slots[slot].action = action
        self.heap.append(Entry(deadline: deadline, sequence: self.lastSequence, slot: slot))
        self.siftUp(self.heap.count - 1)
        return TimerID(rawValue: UInt64(self.slots[slot].use) << 32 | UInt64(slot))
    }

    /// Removes a timer and returns what it was to do; nil if it has fired or was removed before.
    package mutating func take(_ timer: TimerID) -> (@Sendable () -> Void)? {
        let slot = Int(timer.rawValue & 0xFFFF_FFFF)
        guard slot < self.slots.count, self.slots[slot].place >= 0,
            self.slots[slot].use == UInt32(timer.rawValue >> 32)
        else { return nil }
        return self.take(at: self.slots[slot].place)
    }

    /// Removes the earliest timer that is due at `now` and returns what it is to do.
    package mutating func popDue(at now: Instant) -> (@Sendable () -> Void)? {
        guard let first = self.heap.first, first.deadline <= now else { return nil }
        return self.take(at: 0)
    }

    private mutating func take(at place: Int) -> (@Sendable () -> Void)? {
        let slot = self.heap[place].slot
        let last = self.heap.removeLast()
        if place < self.heap.count {
            self.heap[place] = last
            self.slots[last.slot].place = place
            self.siftUp(place)
            self.siftDown(self.slots[last.slot].place)
        }
        self.slots[slot].place = -1
        self.freeSlots.append(slot)
        return self.slots[slot].action.take()
    }

    private mutating func siftUp(_ start: Int) {
        var child = start
        let entry = self.heap[start]
        while child > 0 {
            let parent = (child - 1) / 2
            guard entry.precedes(self.heap[parent]) else { break }
            self.place(self.heap[parent], at: child)
            child = parent
        }
        self.place(entry, at: child)
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        let entry = self.heap[start]
        while true {
            var child = 2 * parent + 1
            guard child < self.heap.count else { break }
            if child + 1 < self.heap.count, self.heap[child + 1].precedes(self.heap[child]) { child += 1 }
            guard self.heap[child].precedes(entry) else { break }
            self.place(self.heap[child], at: parent)
            parent = child
        }
        self.place(entry, at: parent)
    }

    private mutating func place(_ entry: Entry, at place: Int) {
        self.heap[place] = entry
        self.slots[entry.slot].place = place
    }
}
