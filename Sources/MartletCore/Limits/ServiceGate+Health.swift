/// What the service says of itself, and what people change.
extension ServiceGate {
    /// Between these a service may ask to be left alone for.
    package static let retryAfterMin = Duration.milliseconds(100)
    package static let retryAfterMax = Duration.seconds(86400)

    /// The service said that it is unavailable (429, 503): closes for everybody until it wants to be asked again.
    ///
    /// Reports that arrive while it is closed are of the same burst: they may lengthen it, and count as one failure.
    ///
    /// - Parameter takenAt: when the job that was told so was let through; nil for one that called without saying that it
    ///   uses the service.
    package mutating func unavailable(retryAfter: Duration?, takenAt: Instant?, at now: Instant) {
        self.counters.rejections += 1
        let asked = retryAfter ?? self.limits.adaptive?.closedFor ?? AdaptiveLimits.standard.closedFor
        let until = max(self.closedUntil, now + min(max(asked, Self.retryAfterMin), Self.retryAfterMax))
        let isSameBurst = self.closedUntil > now
        self.flow(to: now)
        self.closedUntil = until
        if isSameBurst {
            self.adaptive?.postpone(to: until)
        } else {
            self.adaptive?.decrease(at: now, reopening: until)
            self.breaker?.failed(takenAt: takenAt, at: now, closedUntil: until)
        }
        self.applyShare(at: now)
        for index in self.buckets.indices { self.buckets[index].close(until: until) }
    }

    /// Leaves the service alone until then, as it asked of a coordinator before.
    package mutating func close(until: Instant) {
        self.closedUntil = max(self.closedUntil, until)
        for index in self.buckets.indices { self.buckets[index].close(until: self.closedUntil) }
    }

    /// A job that used the service, and was let through at `takenAt`, succeeded.
    package mutating func succeeded(takenAt: Instant) {
        self.breaker?.succeeded(takenAt: takenAt)
    }

    /// Has other limits in force from now on: not a token more is there than before, leases stay counted, what is
    /// closed stays closed.
    ///
    /// A rate keeps the level of the one with the same period; one with a new period starts with the least of them.
    ///
    /// - Precondition: the limits have no problem.
    package mutating func change(_ limits: ServiceLimits, at now: Instant) {
        precondition(limits.problem() == nil, "limits are checked before they are in force")
        self.flow(to: now)
        self.adaptive = limits.adaptive.map { settings in
            guard var adaptive = self.adaptive else { return AdaptiveRate(settings) }
            adaptive.change(settings, at: now)
            return adaptive
        }
        self.breaker = limits.breaker.map { settings in
            guard var breaker = self.breaker else { return CircuitBreaker(settings) }
            breaker.change(settings)
            return breaker
        }
        self.buckets = Self.changed(self.buckets, to: limits.rates, at: now)
        self.applyShare(at: now)
        if self.closedUntil > now {
            for index in self.buckets.indices { self.buckets[index].close(until: self.closedUntil) }
        }
        self.keys.change(limits.perKey ?? .none, at: now)
        self.limits = limits
    }

    /// Forgets that the service was unavailable: it opens now, at its whole rate, from empty.
    package mutating func reopen(at now: Instant) {
        self.flow(to: now)
        self.closedUntil = min(self.closedUntil, now)
        self.adaptive?.reset()
        self.breaker?.reset()
        for index in self.buckets.indices { self.buckets[index].reopen(at: now) }
        self.applyShare(at: now)
    }

    /// The share of the rate that is in force, in thousandths.
    package func rateShare(at now: Instant) -> Int { self.adaptive?.share(at: now) ?? AdaptiveRate.full }

    /// Whether calls are stopped, but for a probe, because the service failed too often.
    package var isBroken: Bool { self.breaker?.isOpen ?? false }

    /// Keys that are remembered.
    package var keysCount: Int { self.keys.count }

    private mutating func applyShare(at now: Instant) {
        let share = self.rateShare(at: now)
        for index in self.buckets.indices { self.buckets[index].set(share: share, at: now) }
    }

    static func changed(_ buckets: [TokenBucket], to rates: [RateLimit], at now: Instant) -> [TokenBucket] {
        let level = buckets.map { $0.level(at: now) }.min() ?? 0
        return rates.map { rate in
            guard var bucket = buckets.first(where: { $0.limit.period == rate.period }) else {
                return TokenBucket(rate, level: min(level, rate.burst), at: now)
            }
            bucket.change(rate, at: now)
            return bucket
        }
    }

    package func checkInvariants() {
        precondition(self.buckets.map(\.limit) == self.limits.rates, "each rate has its bucket")
        for bucket in self.buckets {
            bucket.checkInvariants()
            precondition(bucket.share == self.buckets[0].share, "the share is the same for all rates")
        }
        self.adaptive?.checkInvariants()
        self.breaker?.checkInvariants()
        self.keys.checkInvariants()
        precondition(self.keys.held <= self.held, "a lease with a key is a lease")
        precondition((self.adaptive == nil) == (self.limits.adaptive == nil), "settings are in force")
        precondition((self.breaker == nil) == (self.limits.breaker == nil), "settings are in force")
    }
}
