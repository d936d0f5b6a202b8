/// The share of a service's rate that is in force: cut at once when it is unavailable, climbing back step by step.
///
/// Additive increase, multiplicative decrease, as TCP does (D.-M. Chiu, R. Jain 1989): the one that gives way and
/// still finds what the service takes.
package struct AdaptiveRate: Hashable, Sendable {
    /// All of the rate, in the unit of shares: thousandths.
    package static let full = 1000

    private(set) var limits: AdaptiveLimits
    /// The share at `since`; it climbs from there.
    private var base = Self.full
    private var since = Instant(nanoseconds: 0)

    init(_ limits: AdaptiveLimits) {
        self.limits = limits
    }

    func share(at now: Instant) -> Int {
        guard self.base < Self.full, now > self.since else { return self.base }
        let steps = (now.nanoseconds - self.since.nanoseconds) / self.stepNanoseconds
        let missing = UInt64(Self.full - self.base)
        let (gained, overflow) = steps.multipliedReportingOverflow(by: UInt64(self.limits.step))
        return overflow || gained >= missing ? Self.full : self.base + Int(gained)
    }

    /// When the share grows next; nil if it is whole.
    func nextStep(after now: Instant) -> Instant? {
        guard self.share(at: now) < Self.full else { return nil }
        let steps = now > self.since ? (now.nanoseconds - self.since.nanoseconds) / self.stepNanoseconds : 0
        let wait = (steps + 1).multipliedReportingOverflow(by: self.stepNanoseconds)
        return wait.overflow ? nil : self.since + .nanoseconds(Int64(clamping: wait.partialValue))
    }

    /// Cuts the share; it climbs from `reopening` on.
    mutating func decrease(at now: Instant, reopening: Instant) {
        self.base = max(self.limits.floor, self.share(at: now) * self.limits.decrease / Self.full)
        self.since = reopening
    }

    /// Nothing climbs before then.
    mutating func postpone(to reopening: Instant) {
        self.since = max(self.since, reopening)
    }

    /// Keeps the share and climbs on in other steps.
    mutating func change(_ limits: AdaptiveLimits, at now: Instant) {
        self.base = max(limits.floor, self.share(at: now))
        self.since = max(self.since, now)
        self.limits = limits
    }

    mutating func reset() {
        self.base = Self.full
    }

    private var stepNanoseconds: UInt64 { UInt64(self.limits.stepInterval.wholeNanoseconds) }

    func checkInvariants() {
        precondition((self.limits.floor...Self.full).contains(self.base), "the share stays in its bounds")
    }
}
