/// What a node serves: which queues and which job types.
package struct NodeService: Hashable, Sendable {
    /// Sorted; empty means every queue.
    package let queues: [String]
    /// Sorted.
    package let types: [String]

    package init(queues: [String], types: [String]) {
        self.queues = queues.sorted()
        self.types = types.sorted()
    }

    /// Whether there may be a job that both serve.
    package func overlaps(_ other: NodeService) -> Bool {
        (self.queues.isEmpty || other.queues.isEmpty || self.queues.contains { other.queues.contains($0) })
            && self.types.contains { other.types.contains($0) }
    }

    package func serves(_ lane: LaneKey) -> Bool {
        (self.queues.isEmpty || self.queues.contains(lane.queue)) && self.types.contains(lane.type)
    }
}

/// Names a node's registration within one epoch; grows with each registration.
package struct NodeKey: Hashable, Comparable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}
