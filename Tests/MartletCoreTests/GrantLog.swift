import MartletCore
import Testing

/// What a bucket granted and which limits were in force when, to hold one against the other.
struct GrantLog {
    private struct Grant {
        let at: Instant
        let weight: Int
        let burst: Int
        /// What the rates in force let flow from the start until the grant, in tokens times ``unit``.
        let flowed: Int
    }

    /// All periods of a test divide it, so that sums stay whole.
    static let unit = 12_000_000_000
    private var grants: [Grant] = []
    private var limit: RateLimit
    private var flowed = 0
    private var last: Instant

    init(_ limit: RateLimit, at start: Instant) {
        self.limit = limit
        self.last = start
    }

    var tokens: Int { self.grants.reduce(0) { $0 + $1.weight } }

    /// From `now` on, another limit is in force.
    mutating func change(_ limit: RateLimit, at now: Instant) {
        self.flow(to: now)
        self.limit = limit
    }

    mutating func grant(_ weight: Int, at now: Instant) {
        self.flow(to: now)
        self.grants.append(Grant(at: now, weight: weight, burst: self.limit.burst, flowed: self.flowed))
    }

    private mutating func flow(to now: Instant) {
        let period = Int(self.limit.period.wholeNanoseconds)
        precondition(Self.unit % period == 0, "sums stay whole")
        self.flowed += Int(now.nanoseconds - self.last.nanoseconds) * self.limit.tokens * (Self.unit / period)
        self.last = now
    }

    /// The first window with more than the burst in force at its start and what flowed in it; every pair is looked at.
    var excess: String? {
        for (first, start) in self.grants.enumerated() {
            var taken = 0
            for end in self.grants[first...] {
                taken += end.weight
                let allowed = start.burst * Self.unit + end.flowed - start.flowed
                guard taken * Self.unit > allowed else { continue }
                return "\(taken) tokens from \(start.at) to \(end.at) with a burst of \(start.burst)"
            }
        }
        return nil
    }
}
