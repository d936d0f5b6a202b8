/// A place in an in-memory network: what partitions separate. Processes come and go on it.
package struct HostID: Hashable, Comparable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// What is about to cross an in-memory network.
package struct LinkMessage: Hashable, Sendable {
    package enum Kind: UInt8, Hashable, Sendable {
        /// A connection is being made.
        case dial
        case request
        case reply
        /// One end of a connection is gone, and the other end is told.
        case end
    }

    package let kind: Kind
    package let from: HostID
    package let to: HostID
    /// Bytes of the frame.
    package let count: Int
}

/// What becomes of a message.
package enum LinkFate: Hashable, Sendable {
    /// Messages that are given different delays overtake each other, also within one connection.
    case deliver(after: Duration)
    /// A second copy arrives too.
    case deliverTwice(after: Duration, and: Duration)
    /// It never arrives, and nobody is told: the connection hangs as one does whose peer is cut off. A dial fails.
    case drop
    /// Its connection ends at both ends. A dial fails.
    case cut
}

/// Decides what becomes of each message. Called once for each, with no lock held.
package protocol LinkBehaviour: Sendable {
    func fate(of message: LinkMessage) -> LinkFate
}

/// Delivers everything at once.
package struct PerfectLink: LinkBehaviour {
    package init() {}

    package func fate(of message: LinkMessage) -> LinkFate { .deliver(after: .zero) }
}
