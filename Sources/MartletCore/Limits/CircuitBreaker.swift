/// Stops calls to a service that failed several times in a row, and lets one through at a time to see whether it is back.
struct CircuitBreaker: Hashable, Sendable {
    enum State: Hashable, Sendable {
        /// Calls go through; so many failures in a row.
        case closed(failures: Int)
        /// No call until then; from then on one at a time, as a probe.
        case open(until: Instant)
        /// A probe is under way; if nothing is heard of it by then, the next one may go.
        case probing(until: Instant)
    }

    private(set) var limits: BreakerLimits
    private(set) var state = State.closed(failures: 0)

    init(_ limits: BreakerLimits) {
        self.limits = limits
    }

    /// Whether the service is not known to be back.
    var isOpen: Bool {
        if case .closed = self.state { false } else { true }
    }

    /// When the next call may go; nil: now.
    func blockedUntil(at now: Instant) -> Instant? {
        switch self.state {
        case .closed: nil
        case .open(let until), .probing(let until): until > now ? until : nil
        }
    }

    /// A call goes: as a probe, if the service is not known to be back.
    mutating func took(at now: Instant) {
        guard self.isOpen else { return }
        self.state = .probing(until: now + self.limits.openFor)
    }

    /// A call failed. A time that the service asked for is waited for even if it is longer.
    mutating func failed(at now: Instant, closedUntil: Instant) {
        switch self.state {
        case .closed(let failures) where failures + 1 < self.limits.failuresToOpen:
            self.state = .closed(failures: failures + 1)
        case .closed, .probing:
            self.state = .open(until: max(now + self.limits.openFor, closedUntil))
        case .open(let until):
            self.state = .open(until: max(until, closedUntil))
        }
    }

    /// A call succeeded. One that began before the breaker opened says nothing of the service as it is now.
    mutating func succeeded() {
        if case .open = self.state { return }
        self.state = .closed(failures: 0)
    }

    /// No call is under way any more: a probe that ended without a verdict makes room for the next.
    mutating func idle(at now: Instant) {
        if case .probing = self.state { self.state = .open(until: now) }
    }

    mutating func change(_ limits: BreakerLimits) {
        self.limits = limits
        if case .closed(let failures) = self.state, failures >= limits.failuresToOpen {
            self.state = .closed(failures: limits.failuresToOpen - 1)
        }
    }

    mutating func reset() {
        self.state = .closed(failures: 0)
    }

    func checkInvariants() {
        guard case .closed(let failures) = self.state else { return }
        precondition((0..<self.limits.failuresToOpen).contains(failures), "enough failures open it")
    }
}
