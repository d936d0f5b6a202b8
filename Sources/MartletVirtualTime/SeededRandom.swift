/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, and the same numbers for the same seed everywhere.
package struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) {
        self.state = seed
    }

    package mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// Uniform in `0..<1`.
    package mutating func unit() -> Double { Double(self.next() >> 11) * 0x1p-53 }

    /// True with the given probability.
    package mutating func chance(_ probability: Double) -> Bool { self.unit() < probability }

    /// True once in `count`.
    package mutating func once(in count: Int) -> Bool { self.below(count) == 0 }

    /// Uniform between the two.
    package mutating func duration(_ low: Duration, _ high: Duration) -> Duration {
        low + .nanoseconds(Int64(self.unit() * Double(((high - low) / .nanoseconds(1)))))
    }

    /// Uniform in `0..<bound`.
    package mutating func below(_ bound: Int) -> Int { Int(self.next() % UInt64(bound)) }
}
