/// A double-ended queue in a ring buffer.
///
/// Inlinable, so that other modules get a version for their element and not the one that asks for its type each time.
@usableFromInline
package struct Deque<Element> {
    @usableFromInline var storage: ContiguousArray<Element?> = []
    @usableFromInline var head = 0
    @usableFromInline package private(set) var count = 0

    @inlinable package init() {}

    @inlinable package var isEmpty: Bool { self.count == 0 }

    /// Element `offset` places from the front.
    @inlinable package subscript(offset: Int) -> Element {
        get {
            precondition(offset >= 0 && offset < self.count, "an index inside the queue")
            return self.storage[self.slot(offset)]!
        }
        _modify {
            precondition(offset >= 0 && offset < self.count, "an index inside the queue")
            yield &self.storage[self.slot(offset)]!
        }
    }

    @inlinable package var first: Element? { self.isEmpty ? nil : self[0] }

    @inlinable package mutating func append(_ element: Element) {
        self.growIfFull()
        self.storage[self.slot(self.count)] = element
        self.count += 1
    }

    /// Makes room for all of them at once.
    @inlinable package mutating func append(contentsOf elements: some Collection<Element>) {
        self.reserve(self.count + elements.count)
        for element in elements {
            self.storage[self.slot(self.count)] = element
            self.count += 1
        }
    }

    @inlinable package mutating func prepend(_ element: Element) {
        self.growIfFull()
        self.head = (self.head + self.storage.count - 1) % self.storage.count
        self.storage[self.head] = element
        self.count += 1
    }

    @inlinable package mutating func popFirst() -> Element? {
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

    @inlinable package mutating func removeAll() {
        self = Deque()
    }

    @inlinable func slot(_ offset: Int) -> Int {
        let index = self.head + offset
        return index < self.storage.count ? index : index - self.storage.count
    }

    @inlinable mutating func growIfFull() { self.reserve(self.count + 1) }

    @inlinable mutating func reserve(_ capacity: Int) {
        guard capacity > self.storage.count else { return }
        let capacity = max(2, capacity, self.count * 2)
        var grown = ContiguousArray<Element?>()
        grown.reserveCapacity(capacity)
        for offset in 0..<self.count { grown.append(self.storage[self.slot(offset)].take()) }
        grown.append(contentsOf: repeatElement(nil, count: capacity - self.count))
        self.storage = grown
        self.head = 0
    }
}

extension Deque: Sendable where Element: Sendable {}
