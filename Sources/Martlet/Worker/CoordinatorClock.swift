import MartletCore

/// What a node knows of the coordinator's clock: a time that it has certainly not passed.
///
/// Each answer says what the coordinator's clock showed after the question had been asked, so the coordinator was no
/// further when it was. From then on both clocks go on alike, but for their drift. So what must start before some time
/// can only be taken for late too early, never too late.
package struct CoordinatorClock: Hashable, Sendable {
    /// By how much a clock may run faster than another: twice what a quartz of the cheapest kind is off.
    package static let driftPerMillion: UInt64 = 200

    private struct Sample: Hashable, Sendable {
        let coordinator: Instant
        let askedAt: Instant

        func latest(at now: Instant) -> Instant {
            let elapsed = now > self.askedAt ? now.nanoseconds - self.askedAt.nanoseconds : 0
            let drift = elapsed / (1_000_000 / CoordinatorClock.driftPerMillion)
            return self.coordinator + .nanoseconds(Int64(clamping: elapsed)) + .nanoseconds(Int64(clamping: drift))
        }
    }

    private var best: Sample?

    package init() {}

    /// The coordinator's clock showed `time`, some time after `askedAt` on this node's.
    ///
    /// Keeps what says most now: an old answer that came fast, or a new one that came slowly.
    package mutating func heard(_ time: Instant, askedAt: Instant, at now: Instant) {
        let sample = Sample(coordinator: time, askedAt: askedAt)
        if let best, best.latest(at: now) <= sample.latest(at: now) { return }
        self.best = sample
    }

    /// The latest time that the coordinator's clock can show; nil if nothing is known.
    package func latest(at now: Instant) -> Instant? { self.best?.latest(at: now) }

    /// Whether the coordinator's clock may have reached `time`.
    package func mayHaveReached(_ time: Instant, at now: Instant) -> Bool {
        self.latest(at: now).map { $0 >= time } ?? true
    }
}
