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
