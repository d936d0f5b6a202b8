package import MartletCore

/// A queue or job type of which nothing is started, until it is resumed.
package struct Pause: Hashable, Sendable {
    package enum Target: Hashable, Comparable, Sendable {
        case queue(String)
        case type(String)
    }

    package let target: Target
    package let since: WallTime

    /// How many there may be at once.
    package static let pausesMax = 10_000

    package init(_ target: Target, since: WallTime) {
        self.target = target
        self.since = since
    }
}
