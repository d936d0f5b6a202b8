/// How often values fell into which range: fixed bounds, so a fixed size.
///
/// Values are whole numbers, of nanoseconds where they are times: adding one changes three integers.
package struct Histogram: Hashable, Sendable {
    /// Upper bounds, ascending; a value equal to a bound is within it.
    package struct Bounds: Hashable, Sendable {
        package let values: [UInt64]

        /// - Precondition: ascending, at least one.
        package init(_ values: [UInt64]) {
            precondition(!values.isEmpty, "a histogram has a bound")
            precondition(zip(values, values.dropFirst()).allSatisfy { $0 < $1 }, "bounds ascend")
            self.values = values
        }

        /// For how long jobs wait and run: 1 ms to an hour.
        package static let jobTimes = Bounds(
            milliseconds: 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 900_000,
            3_600_000)
        /// For how long a commit or a request takes: 0.25 ms to 10 s.
        package static let shortTimes = Bounds([
            250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000,
            250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 10_000_000_000,
        ])
        /// For how many belong together.
        package static let groupSizes = Bounds([1, 4, 16, 64, 256, 1024, 4096, 16_384])

        private init(milliseconds values: UInt64...) {
            self.init(values.map { $0 * 1_000_000 })
        }
    }

    package let bounds: Bounds
    /// How many values each range has, the last one without an upper bound.
    package private(set) var counts: [UInt64]
    package private(set) var sum: UInt64 = 0

    package init(_ bounds: Bounds) {
        self.bounds = bounds
        self.counts = Array(repeating: 0, count: bounds.values.count + 1)
    }

    package var count: UInt64 { self.counts.reduce(0, &+) }

    /// Adds a value as often as `count` says.
    package mutating func record(_ value: UInt64, count: UInt64 = 1) {
        var place = 0
        while place < self.bounds.values.count, self.bounds.values[place] < value { place += 1 }
        self.counts[place] &+= count
        self.sum &+= value &* count
    }

    /// Adds a time; one that is negative, because a clock was set, counts as none.
    package mutating func record(_ duration: Duration, count: UInt64 = 1) {
        self.record(UInt64(max(0, duration.wholeNanoseconds)), count: count)
    }

    /// - Precondition: both have the same bounds.
    package mutating func add(_ other: Histogram) {
        precondition(self.bounds == other.bounds, "only like is added to like")
        for place in self.counts.indices { self.counts[place] &+= other.counts[place] }
        self.sum &+= other.sum
    }
}
