import MartletCore

/// What the handler of a simulated job does, by its number: equal numbers behave alike on every node.
enum SimulatedHandler {
    enum Act {
        case succeed(after: Duration)
        /// Fails this attempt.
        case fail(after: Duration, isRetryable: Bool)
        /// Sleeps until it is cancelled.
        case hang
        /// Takes its node down with it.
        case killNode
    }

    /// What a handler leaves when it succeeds, and on its way there.
    struct Leaving {
        let followUps: Int
        let hasResult: Bool
        let checkpoints: Int
    }

    static func leaving(number: UInt64) -> Leaving {
        var random = SeededRandom(seed: number ^ 0x1EAF)
        let followUps = random.chance(0.12) ? 1 + random.below(3) : 0
        return Leaving(
            followUps: followUps, hasResult: random.chance(0.3),
            checkpoints: random.chance(0.3) ? 1 + random.below(3) : 0)
    }

    /// Whether it succeeds at once and within a few milliseconds.
    static func isShort(number: UInt64) -> Bool {
        guard case .succeed(let duration) = Self.act(number: number, attempt: 1) else { return false }
        return duration < .milliseconds(6)
    }

    /// What a handler meets at services.
    struct Calls {
        /// How often one turns it away, and for how long that wants to be left alone.
        let turnedAway: Int
        let retryAfter: Duration?
        /// Tokens for calls that nobody knew of before.
        let inside: ServiceUse?
    }

    static func calls(number: UInt64, usesServices: Bool) -> Calls {
        var random = SeededRandom(seed: number ^ 0x5E41)
        let inside = random.chance(0.1) ? ServiceUse(random.chance(0.7) ? "c" : "s", weight: 1 + random.below(2)) : nil
        let turnedAway = random.chance(usesServices ? 0.2 : 0.01) ? 1 + random.below(2) : 0
        let retryAfter = random.chance(0.8) ? random.duration(.milliseconds(100), .seconds(5)) : nil
        return Calls(turnedAway: turnedAway, retryAfter: retryAfter, inside: inside)
    }

    static func act(number: UInt64, attempt: Int) -> Act {
        var random = SeededRandom(seed: number)
        let kind = random.unit()
        let long = random.chance(0.05)
        let duration =
            long
            ? random.duration(.milliseconds(500), .seconds(6)) : random.duration(.milliseconds(1), .milliseconds(60))
        switch kind {
        case ..<0.80: return .succeed(after: duration)
        case ..<0.90: return attempt <= 2 ? .fail(after: duration, isRetryable: true) : .succeed(after: duration)
        case ..<0.93: return .fail(after: duration, isRetryable: true)
        case ..<0.96: return .fail(after: duration, isRetryable: false)
        case ..<0.995: return attempt == 1 ? .hang : .succeed(after: duration)
        default: return .killNode
        }
    }
}
