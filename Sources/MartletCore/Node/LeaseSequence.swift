/// Hands out lease sequences, each once in an epoch.
package struct LeaseSequence: Sendable {
    private var next: UInt64 = 1

    package init() {}

    /// The first of `count` sequences that nobody else gets.
    package mutating func take(_ count: Int) -> UInt64 {
        defer { self.next += UInt64(count) }
        return self.next
    }
}
