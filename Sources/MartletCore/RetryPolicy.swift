/// When a failed job runs again, and when it is given up.
///
/// The wait before attempt *n + 1* is `initialBackoff * 2^(n-1)`, capped at `maxBackoff`, of which a
/// random share of up to `jitter` is taken off, so that jobs that failed together do not return together.
public struct RetryPolicy: Hashable, Sendable {
    /// Attempts in all, the first included. 1 means no retry. At most 1,000.
    public let maxAttempts: Int
    public let initialBackoff: Duration
    public let maxBackoff: Duration
    /// The share of a wait that may be taken off at random, 0 to 1.
    public let jitter: Double

    /// One, two, four ... minutes, at most six hours, 15 attempts: about a day and a half in all.
    public static let standard = RetryPolicy()
    /// The first failure is final.
    public static let never = RetryPolicy(maxAttempts: 1)

    /// - Precondition: `maxAttempts` is 1 to 1,000, `jitter` 0 to 1, and
    ///   `0 < initialBackoff <= maxBackoff <= 365 days`.
    public init(
        maxAttempts: Int = 15,
        initialBackoff: Duration = .seconds(60),
        maxBackoff: Duration = .seconds(6 * 3600),
        jitter: Double = 0.25
    ) {
        if let problem = Self.problem(
            maxAttempts: maxAttempts, initialBackoff: initialBackoff, maxBackoff: maxBackoff, jitter: jitter)
        {
            preconditionFailure(problem)
        }
        self.maxAttempts = maxAttempts
        self.initialBackoff = initialBackoff
        self.maxBackoff = maxBackoff
        self.jitter = jitter
    }

    /// Why these numbers make no policy, or nil if they make one. For input from outside.
    package static func problem(
        maxAttempts: Int, initialBackoff: Duration, maxBackoff: Duration, jitter: Double
    ) -> String? {
        if !(1...1000).contains(maxAttempts) { return "maxAttempts must be 1 to 1000" }
        if initialBackoff <= .zero { return "initialBackoff must be positive" }
        if maxBackoff < initialBackoff { return "maxBackoff must not be below initialBackoff" }
        if maxBackoff > .seconds(365 * 86400) { return "maxBackoff must be at most 365 days" }
        if !(0...1).contains(jitter) { return "jitter must be 0 to 1" }
        return nil
    }

    /// The wait after failure number `failures` (1 for the first), or nil if the job is to be given up.
    ///
    /// - Parameter random: uniform in `0..<1`, supplied by the caller so that equal calls give equal answers.
    package func backoff(afterFailures failures: Int, random: Double) -> Duration? {
        guard failures < self.maxAttempts else { return nil }
        let doublings = min(max(failures - 1, 0), 62)
        let first = max(1, self.initialBackoff.wholeMicroseconds)
        let (whole, overflow) = first.multipliedReportingOverflow(by: 1 << doublings)
        let capped = min(overflow ? .max : whole, max(1, self.maxBackoff.wholeMicroseconds))
        return .microseconds(capped - Int64(Double(capped) * self.jitter * random))
    }
}
