/// What an external service allows: "stripe" takes 100 calls a second, 20 at once, from 10 jobs.
package struct ServiceLimits: Hashable, Sendable {
    /// All of them hold: 100 a second and 50,000 a day, say.
    package let rates: [RateLimit]
    /// Leased jobs that use the service at once; nil is no limit.
    package let concurrency: Int?
    /// Limits of each key: `stripe/{tenant}`.
    package let perKey: KeyedLimits?
    /// How the rate answers a service that is unavailable; nil: it does not, apart from the wait that was asked for.
    package let adaptive: AdaptiveLimits?
    /// When to stop calling a service that keeps being unavailable; nil: never.
    package let breaker: BreakerLimits?

    package static let ratesMax = 4
    package static let concurrencyMax = 1_000_000

    /// Unchecked, so that ``problem(weightMax:)`` can say what is wrong.
    package init(
        rates: [RateLimit] = [], concurrency: Int? = nil, perKey: KeyedLimits? = nil,
        adaptive: AdaptiveLimits? = .standard, breaker: BreakerLimits? = .standard
    ) {
        self.rates = rates
        self.concurrency = concurrency
        self.perKey = perKey
        self.adaptive = adaptive
        self.breaker = breaker
    }

    /// Why a service cannot have these limits when a job takes up to `weightMax` tokens, or nil if it can.
    package func problem(weightMax: Int = 1) -> String? {
        if self.rates.isEmpty, self.concurrency == nil, self.perKey == nil {
            return "nothing is limited: give a rate, a concurrency or limits per key"
        }
        if let problem = Self.problem(self.rates, self.concurrency, weightMax: weightMax) { return problem }
        if let perKey = self.perKey {
            if let problem = perKey.problem(weightMax: weightMax) { return "per key, \(problem)" }
            if let problem = self.problem(beside: perKey) { return problem }
        }
        return self.adaptive?.problem ?? self.breaker?.problem
    }

    static func problem(_ rates: [RateLimit], _ concurrency: Int?, weightMax: Int) -> String? {
        if let concurrency, !(1...Self.concurrencyMax).contains(concurrency) {
            return "a concurrency of \(concurrency) is out of range: use 1 to \(Self.concurrencyMax)"
        }
        if rates.count > Self.ratesMax { return "there are \(rates.count) rates, \(Self.ratesMax) at most" }
        for rate in rates {
            if let problem = rate.problem(weightMax: weightMax) { return problem }
        }
        for (index, rate) in rates.enumerated() {
            for (otherIndex, other) in rates.enumerated() where index != otherIndex {
                if rate.period == other.period {
                    return "two rates have the period \(Quantity.text(rate.period)): keep the one that is meant"
                }
                if rate.allowsAll(of: other) {
                    return "\(rate.text) allows all that \(other.text) does, so that it says nothing: leave it out"
                }
            }
        }
        return nil
    }

    /// A key cannot have more than the service has.
    private func problem(beside perKey: KeyedLimits) -> String? {
        if let concurrency = self.concurrency, let ofKey = perKey.concurrency, ofKey > concurrency {
            return "a key's concurrency of \(ofKey) is more than the service's \(concurrency)"
        }
        for ofKey in perKey.rates {
            for rate in self.rates where ofKey.allowsAll(of: rate) && ofKey != rate {
                return "\(ofKey.text) per key is more than the service's \(rate.text)"
            }
        }
        return nil
    }

    /// The most that one job may weigh; those with a key keep to its limits too.
    package func weightMax(hasKey: Bool = true) -> Int {
        (self.rates + (hasKey ? self.perKey?.rates ?? [] : [])).map(\.burst).min() ?? .max
    }
}

/// Limits that each key of a service has for itself.
package struct KeyedLimits: Hashable, Sendable {
    package let rates: [RateLimit]
    /// Leased jobs with the same key at once; nil is no limit.
    package let concurrency: Int?
    /// Keys that are remembered at once; further ones wait until one of those was idle for long enough.
    package let keysMax: Int

    package static let keysMaxMax = 1_000_000

    /// For a service whose keys have no limits: they are remembered only while jobs hold them.
    static let none = KeyedLimits(keysMax: .max)

    /// Unchecked, so that ``problem(weightMax:)`` can say what is wrong.
    package init(rates: [RateLimit] = [], concurrency: Int? = nil, keysMax: Int = 10_000) {
        self.rates = rates
        self.concurrency = concurrency
        self.keysMax = keysMax
    }

    func problem(weightMax: Int) -> String? {
        if self.rates.isEmpty, self.concurrency == nil { return "nothing is limited: give a rate or a concurrency" }
        guard (1...Self.keysMaxMax).contains(self.keysMax) else {
            return "\(self.keysMax) keys are out of range: use 1 to \(Self.keysMaxMax)"
        }
        return ServiceLimits.problem(self.rates, self.concurrency, weightMax: weightMax)
    }
}

/// Additive increase, multiplicative decrease: the rate halves, say, whenever the service is unavailable, and climbs
/// back step by step.
package struct AdaptiveLimits: Hashable, Sendable {
    /// What the rate is multiplied with when the service is unavailable, in thousandths.
    package let decrease: Int
    /// The least that it falls to, in thousandths of the configured rate.
    package let floor: Int
    /// What it gains at each step, in thousandths of the configured rate.
    package let step: Int
    package let stepInterval: Duration
    /// How long the service is left alone when it did not say for how long.
    package let closedFor: Duration

    package static let standard = AdaptiveLimits()

    /// Unchecked, so that `problem` can say what is wrong.
    package init(
        decrease: Int = 500, floor: Int = 50, step: Int = 50, stepInterval: Duration = .seconds(1),
        closedFor: Duration = .seconds(1)
    ) {
        self.decrease = decrease
        self.floor = floor
        self.step = step
        self.stepInterval = stepInterval
        self.closedFor = closedFor
    }

    package var problem: String? {
        for (name, value) in [("decrease", self.decrease), ("floor", self.floor), ("step", self.step)]
        where !(1...AdaptiveRate.full).contains(value) {
            return "a \(name) of \(value) thousandths is out of range: use 1 to \(AdaptiveRate.full)"
        }
        return durationProblem("a step's interval", self.stepInterval)
            ?? durationProblem("the wait without a retry-after", self.closedFor)
    }
}

/// After so many failures in a row the service is not called at all for a time; then by one job, as a probe.
package struct BreakerLimits: Hashable, Sendable {
    package let failuresToOpen: Int
    /// How long the service is left alone, and how long a probe may take before the next one is let through.
    package let openFor: Duration

    package static let standard = BreakerLimits()
    package static let failuresMax = 1000

    /// Unchecked, so that `problem` can say what is wrong.
    package init(failuresToOpen: Int = 5, openFor: Duration = .seconds(30)) {
        self.failuresToOpen = failuresToOpen
        self.openFor = openFor
    }

    package var problem: String? {
        guard (1...Self.failuresMax).contains(self.failuresToOpen) else {
            return "\(self.failuresToOpen) failures are out of range: use 1 to \(Self.failuresMax)"
        }
        return durationProblem("an open breaker's time", self.openFor)
    }
}

private func durationProblem(_ name: String, _ duration: Duration) -> String? {
    let range = Duration.milliseconds(1) ... .seconds(86400)
    if range.contains(duration) { return nil }
    return "\(name) of \(Quantity.text(duration)) is out of range: use \(Quantity.text(range.lowerBound)) to "
        + Quantity.text(range.upperBound)
}
