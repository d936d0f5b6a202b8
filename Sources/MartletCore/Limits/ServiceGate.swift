/// One external service as the dispatcher sees it: what may use it now, and when the next may.
///
/// What is taken in any window of length *t* is at most the burst in force at its start and what flows at the rates in
/// force, whatever changes live: each limit is exact. Starts empty, so that a gate may follow one whose state is lost.
package struct ServiceGate: Sendable {
    package let name: String
    package internal(set) var limits: ServiceLimits
    package internal(set) var counters = Counters()
    package private(set) var isPaused = false
    /// Leases that use the service.
    package private(set) var held = 0
    /// The service asked to be left alone until then.
    package internal(set) var closedUntil = Instant(nanoseconds: 0)
    var buckets: [TokenBucket]
    var keys: KeyedBuckets
    var adaptive: AdaptiveRate?
    var breaker: CircuitBreaker?

    /// What happened at the gate since it was made, for `limits watch`.
    package struct Counters: Hashable, Sendable {
        /// Jobs that were let through, and chunks for calls inside of jobs.
        package var grants: UInt64
        package var tokens: UInt64
        /// Times that something was held up.
        package var waits: UInt64
        /// Times that the service said that it was unavailable.
        package var rejections: UInt64

        package init(grants: UInt64 = 0, tokens: UInt64 = 0, waits: UInt64 = 0, rejections: UInt64 = 0) {
            self.grants = grants
            self.tokens = tokens
            self.waits = waits
            self.rejections = rejections
        }
    }

    /// - Precondition: the limits have no problem.
    package init(name: String, limits: ServiceLimits, at now: Instant) {
        precondition(limits.problem() == nil, "limits are checked before they are in force")
        self.name = name
        self.limits = limits
        self.buckets = limits.rates.map { TokenBucket($0, at: now) }
        self.keys = KeyedBuckets(limits.perKey ?? .none, at: now)
        self.adaptive = limits.adaptive.map { AdaptiveRate($0) }
        self.breaker = limits.breaker.map { CircuitBreaker($0) }
    }

    /// What holds a job that takes `weight` tokens; nil if it may start now.
    ///
    /// - Parameter key: whose limits hold too, if the service has limits per key; nil for none.
    package func blocker(weight: Int, key: String?, at now: Instant) -> ServiceBlocker? {
        self.blocker(weight: weight, key: key, needsPlace: true, at: now)
    }

    /// What holds up a call of a job that runs already; nil if ``takeChunk(least:most:key:at:)`` has tokens for it.
    package func chunkBlocker(least: Int, key: String?, at now: Instant) -> ServiceBlocker? {
        self.blocker(weight: least, key: key, needsPlace: false, at: now)
    }

    private func blocker(weight: Int, key: String?, needsPlace: Bool, at now: Instant) -> ServiceBlocker? {
        precondition(weight > 0, "a use weighs something")
        if self.isPaused { return ServiceBlocker(.paused) }
        if self.buckets.contains(where: { $0.limit.burst < weight }) { return ServiceBlocker(.weight) }
        var ofKey: ServiceBlocker?
        if let key {
            ofKey = self.keys.blocker(weight: weight, key: key, needsPlace: needsPlace, at: now)
            if ofKey?.kind == .weight { return ofKey }
        }
        let tokensAt = self.ready(weight, at: now)
        // All of them have to be over, so that the latest says when.
        let until = max(tokensAt, max(ofKey?.until ?? now, self.closedUntil))
        if let probeAt = self.breaker?.blockedUntil(at: now) {
            return ServiceBlocker(.breaker, until: max(probeAt, until))
        }
        if self.closedUntil > now { return ServiceBlocker(.closed, until: until) }
        if needsPlace, let concurrency = self.limits.concurrency, self.held >= concurrency {
            return ServiceBlocker(.concurrency)
        }
        if let ofKey, ofKey.until == nil { return ofKey }
        if tokensAt > now, tokensAt >= ofKey?.until ?? now { return ServiceBlocker(.tokens, until: until) }
        return ofKey.map { ServiceBlocker($0.kind, until: until) }
    }

    /// Lets a job through; ``release(key:takenAt:at:)`` once its lease has ended.
    ///
    /// - Precondition: nothing holds it.
    package mutating func take(weight: Int, key: String?, at now: Instant) {
        precondition(self.blocker(weight: weight, key: key, at: now) == nil, "nothing is let through that must wait")
        self.breaker?.settle(at: now)
        self.spend(weight, key: key, at: now)
        self.breaker?.took(at: now)
        self.hold(key: key)
    }

    /// Tokens for calls that jobs make while they run: as many as are there, `least` to `most`, or none.
    ///
    /// They are spent whether or not they are used.
    package mutating func takeChunk(least: Int = 1, most: Int, key: String? = nil, at now: Instant) -> Int {
        precondition(least > 0 && least <= most, "a chunk has tokens")
        self.breaker?.settle(at: now)
        guard self.blocker(weight: least, key: key, needsPlace: false, at: now) == nil else { return 0 }
        var chunk = min(most, self.level(at: now) ?? most)
        if let key, let ofKey = self.keys.level(of: key, at: now) { chunk = min(chunk, ofKey) }
        // A probe is one call.
        if let breaker = self.breaker, breaker.isOpen { chunk = least }
        self.spend(chunk, key: key, at: now)
        self.breaker?.tookInside(at: now)
        return chunk
    }

    private mutating func spend(_ weight: Int, key: String?, at now: Instant) {
        self.flow(to: now)
        for index in self.buckets.indices { self.buckets[index].take(weight, at: now) }
        if let key { self.keys.take(weight, key: key, at: now) }
        self.counters.grants += 1
        self.counters.tokens += UInt64(weight)
    }

    /// Counts a lease that was not let through here: one of before the takeover. It takes no tokens.
    package mutating func hold(key: String?) {
        self.held += 1
        if let key { self.keys.hold(key) }
    }

    /// A lease that used the service ended; its tokens stay spent.
    ///
    /// - Parameter takenAt: when it was let through; the beginning of time if that was before the takeover.
    package mutating func release(key: String?, takenAt: Instant, at now: Instant) {
        precondition(self.held > 0, "what was held is released")
        self.held -= 1
        if let key { self.keys.release(key, at: now) }
        self.breaker?.released(takenAt: takenAt, at: now)
    }

    package mutating func pause() { self.isPaused = true }
    package mutating func resume() { self.isPaused = false }

    /// Counts that something was held up, for `limits watch`.
    package mutating func countWait() { self.counters.waits += 1 }

    /// Whole tokens in the bucket that has least; nil if the service has no rate of its own.
    package func level(at now: Instant) -> Int? {
        if self.share == AdaptiveRate.full { return self.buckets.map { $0.level(at: now) }.min() }
        var later = self
        later.flow(to: now)
        return later.buckets.map { $0.level(at: now) }.min()
    }

    // MARK: Time

    /// The share of the rate that was in force last, in thousandths.
    private var share: Int { self.buckets.first?.share ?? AdaptiveRate.full }

    /// When all buckets have `weight` tokens, the steps by which the rate climbs back included.
    private func ready(_ weight: Int, at now: Instant) -> Instant {
        if self.share == AdaptiveRate.full { return self.latest(weight, at: now) }
        var buckets = self.buckets
        var time = now
        Self.flow(&buckets, to: now, self.adaptive)
        while true {
            let ready = buckets.map { $0.ready(weight, at: time) }.max() ?? time
            guard let step = self.adaptive?.nextStep(after: time), step < ready else { return ready }
            Self.flow(&buckets, to: step, self.adaptive)
            time = step
        }
    }

    private func latest(_ weight: Int, at now: Instant) -> Instant {
        var latest = now
        for bucket in self.buckets { latest = max(latest, bucket.ready(weight, at: now)) }
        return latest
    }

    /// Lets tokens flow until now, at the share of the rate that was in force at each time.
    mutating func flow(to now: Instant) {
        guard self.share < AdaptiveRate.full else { return }
        Self.flow(&self.buckets, to: now, self.adaptive)
    }

    /// At most as many rounds as the rate has steps.
    private static func flow(_ buckets: inout [TokenBucket], to now: Instant, _ adaptive: AdaptiveRate?) {
        guard let adaptive, let flowed = buckets.first?.instant else { return }
        var time = flowed
        while let step = adaptive.nextStep(after: time), step <= now {
            for index in buckets.indices { buckets[index].set(share: adaptive.share(at: step), at: step) }
            time = step
        }
    }
}
