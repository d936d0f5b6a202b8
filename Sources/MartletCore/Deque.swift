/// A double-ended queue in a ring buffer.
package struct Deque<Element> {
    private var storage: ContiguousArray<Element?> = []
    private var head = 0
    package private(set) var count = 0

    package init() {}

    package var isEmpty: Bool { self.count == 0 }

    /// Element `offset` places from the front.
    package subscript(offset: Int) -> Element {
        get {
            precondition(offset >= 0 && offset < self.count, "an index inside the queue")
            return self.storage[self.slot(offset)]!
        }
        _modify {
            precondition(offset >= 0 && offset < self.count, "an index inside the queue")
            yield &self.storage[self.slot(offset)]!
        }
    }

    package var first: Element? { self.isEmpty ? nil : self[0] }

    package mutating func append(_ element: Element) {
        self.growIfFull()
        self.storage[self.slot(self.count)] = element
        self.count += 1
    }

    package mutating func prepend(_ element: Element) {
        self.growIfFull()
        self.head = (self.head + self.storage.count - 1) % self.storage.count
        self.storage[self.head] = element
        self.count += 1
    }

    package mutating func popFirst() -> Element? {
        guard self.count > 0 else { return nil }
        let element = self.storage[self.head].take()
        self.head = self.head + 1 == self.storage.count ? 0 : self.head + 1
        self.count -= 1
        if self.count == 0 && self.storage.count > 64 {
            self.storage = []
            self.head = 0
        }
        return element
    }

    package mutating func removeAll() {
        self = Deque()
    }

    private func slot(_ offset: Int) -> Int {
        let index = self.head + offset
        return index < self.storage.count ? index : index - self.storage.count
    }

    private mutating func growIfFull() {
        guard self.count == self.storage.count else { return }
        var grown = ContiguousArray<Element?>()
        grown.reserveCapacity(max(8, self.count * 2))
        for offset in 0..<self.count { grown.append(self.storage[self.slot(offset)].take()) }
        grown.append(contentsOf: repeatElement(nil, count: max(8, self.count * 2) - self.count))
        self.storage = grown
        self.head = 0
    }
}

extension Deque: Sendable where Element: Sendable {}
