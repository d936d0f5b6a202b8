/// Stops calls to a service that failed several times in a row, and lets one through at a time to see whether it is back.
///
/// While it is open nothing but probes goes, so a call is a probe if it was let through after the breaker opened; what
/// calls from before say does not decide. Calls inside of jobs are told of by their failures only: a probe among them is
/// taken to have gone well if nothing is heard of it in time.
struct CircuitBreaker: Hashable, Sendable {
    enum State: Hashable, Sendable {
        /// Calls go through; so many failures in a row.
        case closed(failures: Int)
        /// No call until then; from then on one at a time, as a probe.
        case open(until: Instant)
        /// A job is the probe; if nothing is heard of it by then, the next one may go.
        case probing(until: Instant)
        /// A call inside of a job is the probe.
        case probingInside(until: Instant)
    }

    private(set) var limits: BreakerLimits
    private(set) var state = State.closed(failures: 0)
    /// When it opened last.
    private var openedAt = Instant(nanoseconds: 0)
    /// Jobs with nodes that were let through as probes since.
    private var probesHeld = 0

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
        case .open(let until), .probing(let until), .probingInside(let until): until > now ? until : nil
        }
    }

    /// Closes it if a probe inside of a job has gone well.
    mutating func settle(at now: Instant) {
        guard case .probingInside(let until) = self.state, until <= now else { return }
        self.close()
    }

    /// A job goes: as a probe, if the service is not known to be back.
    mutating func took(at now: Instant) {
        guard self.isOpen else { return }
        self.probesHeld += 1
        self.state = .probing(until: now + self.limits.openFor)
    }

    /// Tokens for a call inside of a job go: as a probe, if the service is not known to be back.
    mutating func tookInside(at now: Instant) {
        guard self.isOpen else { return }
        self.state = .probingInside(until: now + self.limits.openFor)
    }

    /// A call failed. A time that the service asked for is waited for even if it is longer.
    ///
    /// - Parameter takenAt: when its job was let through; nil for a call inside of a job that was not.
    mutating func failed(takenAt: Instant?, at now: Instant, closedUntil: Instant) {
        switch self.state {
        case .closed(let failures) where failures + 1 < self.limits.failuresToOpen:
            self.state = .closed(failures: failures + 1)
        case .closed:
            self.open(at: now, closedUntil: closedUntil)
        case .open(let until):
            self.state = .open(until: max(until, closedUntil))
        case .probing:
            if self.isProbe(takenAt) { self.open(at: now, closedUntil: closedUntil) }
        case .probingInside:
            if takenAt == nil || self.isProbe(takenAt) { self.open(at: now, closedUntil: closedUntil) }
        }
    }

    /// The call of a job that was let through at `takenAt` succeeded.
    mutating func succeeded(takenAt: Instant) {
        if self.isOpen, !self.isProbe(takenAt) { return }
        self.close()
    }

    /// A job that was let through at `takenAt` is with no node any more: where it was the last probe and left no verdict,
    /// there is room for the next.
    mutating func released(takenAt: Instant, at now: Instant) {
        guard self.isOpen, self.isProbe(takenAt) else { return }
        self.probesHeld -= 1
        if self.probesHeld == 0, case .probing = self.state { self.state = .open(until: now) }
    }

    /// At the time of its opening nothing was let through after it.
    private func isProbe(_ takenAt: Instant?) -> Bool { takenAt.map { $0 > self.openedAt } ?? false }

    private mutating func open(at now: Instant, closedUntil: Instant) {
        self.openedAt = now
        self.probesHeld = 0
        self.state = .open(until: max(now + self.limits.openFor, closedUntil))
    }

    private mutating func close() {
        self.state = .closed(failures: 0)
    }

    mutating func change(_ limits: BreakerLimits) {
        self.limits = limits
        if case .closed(let failures) = self.state, failures >= limits.failuresToOpen {
            self.state = .closed(failures: limits.failuresToOpen - 1)
        }
    }

    mutating func reset() { self.close() }

    func checkInvariants() {
        precondition(self.probesHeld >= 0, "a probe is released once")
        guard case .closed(let failures) = self.state else { return }
        precondition((0..<self.limits.failuresToOpen).contains(failures), "enough failures open it")
    }
}
