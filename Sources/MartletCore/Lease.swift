/// Grows each time a coordinator takes over a shard.
package struct Epoch: Hashable, Comparable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Identifies one right to run one attempt. The higher token is the later lease.
package struct LeaseToken: Hashable, Comparable, Sendable {
    package let epoch: Epoch
    package let sequence: UInt64

    package init(epoch: Epoch, sequence: UInt64) {
        self.epoch = epoch
        self.sequence = sequence
    }

    package static func < (a: Self, b: Self) -> Bool { (a.epoch, a.sequence) < (b.epoch, b.sequence) }
}

/// One worker process's session: a name that people chose and a number that differs at every start.
package struct NodeID: Hashable, Sendable {
    package let name: String
    package let incarnation: UInt64

    package init(name: String, incarnation: UInt64) {
        self.name = name
        self.incarnation = incarnation
    }
}

/// Identifies a client's connection across reconnects, for recognising repeated submits. Random.
package struct SessionID: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}
