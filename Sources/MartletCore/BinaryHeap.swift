/// A priority queue: the smallest element first.
///
/// Inlinable, so that other modules get a version for their element and not the one that asks for its type each time.
@usableFromInline
package struct BinaryHeap<Element: Comparable> {
    @usableFromInline var elements: ContiguousArray<Element> = []

    @inlinable package init() {}

    @inlinable package var count: Int { self.elements.count }
    @inlinable package var isEmpty: Bool { self.elements.isEmpty }
    @inlinable package var first: Element? { self.elements.first }
    /// In no useful order.
    @inlinable package var unordered: ContiguousArray<Element> { self.elements }

    @inlinable package mutating func insert(_ element: Element) {
        self.elements.append(element)
        var child = self.elements.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard self.elements[child] < self.elements[parent] else { break }
            self.elements.swapAt(child, parent)
            child = parent
        }
    }

    @inlinable package mutating func popFirst() -> Element? {
        guard let first = self.elements.first else { return nil }
        let last = self.elements.removeLast()
        if !self.elements.isEmpty {
            self.elements[0] = last
            self.siftDown()
        }
        return first
    }

    @inlinable mutating func siftDown() {
        var parent = 0
        while true {
            var smallest = parent
            let left = 2 * parent + 1
            if left < self.elements.count, self.elements[left] < self.elements[smallest] { smallest = left }
            if left + 1 < self.elements.count, self.elements[left + 1] < self.elements[smallest] { smallest = left + 1 }
            guard smallest != parent else { return }
            self.elements.swapAt(parent, smallest)
            parent = smallest
        }
    }
}

extension BinaryHeap: Sendable where Element: Sendable {}
