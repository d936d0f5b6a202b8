/// So many tokens a period, and so many at once: in any window of length *t*, at most `burst + tokens / period * t`.
package struct RateLimit: Hashable, Sendable {
    /// Tokens that flow in a period.
    package let tokens: Int
    package let period: Duration
    /// Tokens that may be taken at once after a pause.
    package let burst: Int

    package static let tokensMax = 1_000_000_000
    package static let periodMin = Duration.milliseconds(1)
    package static let periodMax = Duration.seconds(31 * 86400)

    /// Unchecked, so that ``problem(weightMax:)`` can say what is wrong.
    ///
    /// - Parameter burst: without it a tenth of what flows in a period, at least 1.
    package init(tokens: Int, per period: Duration, burst: Int? = nil) {
        self.tokens = tokens
        self.period = period
        self.burst = burst ?? max(1, tokens / 10)
    }

    /// Why this cannot be a limit for calls that weigh up to `weightMax`, or nil if it can.
    package func problem(weightMax: Int = 1) -> String? {
        guard (1...Self.tokensMax).contains(self.tokens) else {
            return "a rate of \(self.tokens) is out of range: use 1 to \(Self.tokensMax)"
        }
        guard (Self.periodMin...Self.periodMax).contains(self.period) else {
            return "a period of \(Quantity.text(self.period)) is out of range: use \(Quantity.text(Self.periodMin)) to "
                + Quantity.text(Self.periodMax)
        }
        guard (1...Self.tokensMax).contains(self.burst) else {
            return "a burst of \(self.burst) is out of range: use 1 to \(Self.tokensMax)"
        }
        guard self.burst >= weightMax else {
            return "a burst of \(self.burst) never holds the \(weightMax) tokens of one job"
        }
        return nil
    }

    /// Whether everything that `other` allows, this allows too, so that it says nothing beside `other`.
    func allowsAll(of other: Self) -> Bool {
        self.burst >= other.burst
            && UInt64(self.tokens).multipliedFullWidth(by: other.periodNanoseconds)
                >= UInt64(other.tokens).multipliedFullWidth(by: self.periodNanoseconds)
    }

    var periodNanoseconds: UInt64 { UInt64(self.period.wholeNanoseconds) }

    /// For people: `100 per 1s, burst 20`.
    package var text: String { "\(self.tokens) per \(Quantity.text(self.period)), burst \(self.burst)" }
}
