/// A token bucket in exact integers: what is taken in any window of length *t* is at most `burst + rate * t`.
///
/// Starts empty, so that a new one may follow another whose level nobody knows. Reads no clock: callers pass the time
/// in; time that stands still or goes back brings nothing.
package struct TokenBucket: Hashable, Sendable {
    package private(set) var limit: RateLimit
    /// The share of the rate that is in force, in thousandths.
    package private(set) var share: Int
    /// Whole tokens at `instant`.
    private var tokens: UInt64 = 0
    /// What there is of the next one, in ``partsPerToken``.
    private var parts: UInt64 = 0
    /// The time up to which tokens have flowed; in the future while the bucket is closed.
    private(set) var instant: Instant

    /// - Parameter level: tokens that are there at once.
    /// - Precondition: the limit has no problem, and the level is not over its burst.
    package init(_ limit: RateLimit, level: Int = 0, at now: Instant) {
        precondition(limit.problem() == nil, "a bucket needs a rate and a burst")
        precondition((0...limit.burst).contains(level), "no more than the burst")
        self.limit = limit
        self.share = AdaptiveRate.full
        self.tokens = UInt64(level)
        self.instant = now
    }

    /// A nanosecond brings `partsPerNanosecond` of these.
    private var partsPerToken: UInt64 { self.limit.periodNanoseconds * UInt64(AdaptiveRate.full) }
    private var partsPerNanosecond: UInt64 { UInt64(self.limit.tokens) * UInt64(self.share) }
    private var burst: UInt64 { UInt64(self.limit.burst) }

    /// Whole tokens that can be taken at `now`.
    package func level(at now: Instant) -> Int { Int(self.content(at: now).tokens) }

    /// When `weight` tokens can be taken: `now` if they are there.
    ///
    /// - Returns: `.distantFuture` if that is centuries away.
    /// - Precondition: `weight` is at most the burst.
    package func ready(_ weight: Int, at now: Instant) -> Instant {
        precondition(weight <= self.limit.burst, "more than the burst is never there")
        let (tokens, parts) = self.content(at: now)
        guard UInt64(weight) > tokens else { return now }
        var missing = (UInt64(weight) - tokens).multipliedFullWidth(by: self.partsPerToken)
        let (low, borrow) = missing.low.subtractingReportingOverflow(parts)
        missing = (missing.high - (borrow ? 1 : 0), low)
        guard missing.high < self.partsPerNanosecond else { return .distantFuture }
        let (whole, rest) = self.partsPerNanosecond.dividingFullWidth(missing)
        let (wait, waitOverflow) = whole.addingReportingOverflow(rest > 0 ? 1 : 0)
        let (end, overflow) = max(self.instant, now).nanoseconds.addingReportingOverflow(wait)
        return waitOverflow || overflow ? .distantFuture : Instant(nanoseconds: end)
    }

    /// The time from which a bucket of which nothing more is taken cannot be told from one that was never used.
    var fullAt: Instant { self.ready(self.limit.burst, at: self.instant) }

    /// - Precondition: that many are there.
    package mutating func take(_ weight: Int, at now: Instant) {
        self.flow(to: now)
        precondition(weight > 0 && UInt64(weight) <= self.tokens, "only what is there is taken")
        self.tokens -= UInt64(weight)
    }

    /// Lets tokens flow at the share in force until now.
    mutating func flow(to now: Instant) {
        guard now > self.instant else { return }
        (self.tokens, self.parts) = self.content(at: now)
        self.instant = now
    }

    /// Has another share of the rate in force from now on.
    mutating func set(share: Int, at now: Instant) {
        precondition((1...AdaptiveRate.full).contains(share), "some of the rate remains")
        self.flow(to: now)
        self.share = share
    }

    /// Empties the bucket; tokens flow again from `until` on.
    mutating func close(until: Instant) {
        (self.tokens, self.parts) = (0, 0)
        self.instant = max(self.instant, until)
    }

    /// Ends a ``close(until:)`` before its time.
    mutating func reopen(at now: Instant) {
        guard self.instant > now else { return }
        self.instant = now
    }

    /// Has another limit in force from now on, without a token more than there are now.
    ///
    /// So what is taken in any window is at most the burst in force at its start and what flows at the rates in force.
    package mutating func change(_ limit: RateLimit, at now: Instant) {
        precondition(limit.problem() == nil, "a bucket needs a rate and a burst")
        self.flow(to: now)
        let before = self.partsPerToken
        self.limit = limit
        if self.tokens >= self.burst {
            (self.tokens, self.parts) = (self.burst, 0)
        } else if before != self.partsPerToken {
            let scaled = self.parts.multipliedFullWidth(by: self.partsPerToken)
            self.parts = before.dividingFullWidth(scaled).quotient
        }
    }

    private func content(at now: Instant) -> (tokens: UInt64, parts: UInt64) {
        guard now > self.instant else { return (self.tokens, self.parts) }
        guard self.tokens < self.burst else { return (self.burst, 0) }
        let elapsed = now.nanoseconds - self.instant.nanoseconds
        var flowed = elapsed.multipliedFullWidth(by: self.partsPerNanosecond)
        let (low, carry) = flowed.low.addingReportingOverflow(self.parts)
        flowed = (flowed.high + (carry ? 1 : 0), low)
        guard flowed.high < self.partsPerToken else { return (self.burst, 0) }
        let (whole, rest) = self.partsPerToken.dividingFullWidth(flowed)
        return whole >= self.burst - self.tokens ? (self.burst, 0) : (self.tokens + whole, rest)
    }

    package func checkInvariants() {
        precondition(self.tokens <= self.burst, "no more than the burst")
        precondition(self.parts < self.partsPerToken, "a whole token is counted as one")
        precondition(self.tokens < self.burst || self.parts == 0, "a full bucket takes nothing more")
        precondition((1...AdaptiveRate.full).contains(self.share), "some of the rate is in force")
    }
}
