/// What all jobs of one lane share, so that whatever holds its head holds all of it.
package struct LaneKey: Hashable, Sendable {
    package let queue: String
    package let type: String
    package let priority: Priority

    package init(queue: String, type: String, priority: Priority = .normal) {
        self.queue = queue
        self.type = type
        self.priority = priority
    }
}

/// A lane's number in this shard: dense, given in order of first use, stored, never reused.
package struct LaneID: Hashable, Comparable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// What sets some jobs of a lane apart from the others: whose they are, and what they must not run beside.
package struct LaneShare: Hashable, Sendable {
    /// Shares by weight with the other groups of the queue; empty for jobs without one.
    package let group: String
    /// Empty for jobs without one.
    package let key: String
    /// Jobs of the key run one after the other.
    package let isOrdered: Bool
    /// What each run takes of services; nil for what the job type says.
    package let services: Boxed<[ServiceUse]>?

    package init(
        group: String = "", key: String = "", isOrdered: Bool = false, services: Boxed<[ServiceUse]>? = nil
    ) {
        self.group = group
        self.key = key
        self.isOrdered = isOrdered
        self.services = services
    }
}

/// The limits of names that users choose: job types, queues, nodes.
package enum NameRule {
    package static let bytesMax = 128

    /// Why `name` cannot name a queue, type or node, or nil if it can: 1 to 128 bytes of `A-Z a-z 0-9 . _ - : /`.
    package static func problem(_ name: String) -> String? {
        if name.isEmpty { return "is empty" }
        if name.utf8.count > Self.bytesMax { return "is longer than \(Self.bytesMax) bytes" }
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"),
                UInt8(ascii: ":"), UInt8(ascii: "/"):
                continue
            default: return "has a character other than letters, digits and . _ - : /"
            }
        }
        return nil
    }
}
