/// How long to wait before a request is sent again: doubling, with jitter so that many peers do not return at once.
struct Backoff: Sendable {
    let initial: Duration
    let max: Duration

    /// Half of the full wait at least.
    ///
    /// - Parameters:
    ///   - failures: 1 after the first.
    ///   - random: uniform in `0..<1`.
    func pause(afterFailures failures: Int, random: Double) -> Duration {
        let full = min(self.initial * (1 << min(Swift.max(failures - 1, 0), 20)), self.max)
        return full * (0.5 + random / 2)
    }
}
