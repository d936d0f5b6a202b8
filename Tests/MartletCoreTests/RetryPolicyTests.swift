import MartletCore
import MartletVirtualTime
import Testing

@Suite struct RetryPolicyTests {
    @Test func standardPolicyWaitsOneTwoFourMinutesUpToSixHours() {
        let waits = (1...14).map { RetryPolicy.standard.backoff(afterFailures: $0, random: 0) }
        let minutes: [Int64] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360, 360, 360]
        #expect(waits == minutes.map { .seconds($0 * 60) })
    }

    @Test func jobIsGivenUpAfterItsLastAttempt() {
        #expect(RetryPolicy.standard.backoff(afterFailures: 14, random: 0) != nil)
        #expect(RetryPolicy.standard.backoff(afterFailures: 15, random: 0) == nil)
        #expect(RetryPolicy.never.backoff(afterFailures: 1, random: 0) == nil)
        #expect(RetryPolicy(maxAttempts: 2).backoff(afterFailures: 1, random: 0) != nil)
    }

    @Test func jitterTakesOffUpToItsShare() throws {
        let policy = RetryPolicy(initialBackoff: .seconds(100), jitter: 0.25)
        var random = SeededRandom(seed: 5)
        for _ in 0..<1000 {
            let wait = try #require(policy.backoff(afterFailures: 1, random: random.unit()))
            #expect(wait > .seconds(75) - .microseconds(1) && wait <= .seconds(100))
        }
        #expect(policy.backoff(afterFailures: 1, random: 0) == .seconds(100))
        #expect(policy.backoff(afterFailures: 1, random: 0.5) == .milliseconds(87_500))
    }

    @Test func doublingSaturatesAtTheCap() {
        let policy = RetryPolicy(
            maxAttempts: 1000, initialBackoff: .seconds(86_400), maxBackoff: .seconds(365 * 86_400), jitter: 0)
        for failures in [10, 62, 63, 64, 65, 999] {
            #expect(policy.backoff(afterFailures: failures, random: 0.9) == .seconds(365 * 86_400))
        }
        let tiny = RetryPolicy(maxAttempts: 1000, initialBackoff: .nanoseconds(1), maxBackoff: .seconds(1), jitter: 0)
        #expect(tiny.backoff(afterFailures: 1, random: 0) == .microseconds(1))
        #expect(tiny.backoff(afterFailures: 30, random: 0) == .seconds(1))
    }

    @Test func numbersThatMakeNoPolicyAreNamed() {
        func problem(
            _ attempts: Int = 3, _ first: Duration = .seconds(1), _ last: Duration = .seconds(2), _ jitter: Double = 0
        )
            -> String?
        {
            RetryPolicy.problem(maxAttempts: attempts, initialBackoff: first, maxBackoff: last, jitter: jitter)
        }
        #expect(problem() == nil)
        #expect(problem(0) != nil && problem(1001) != nil && problem(1000) == nil)
        #expect(problem(3, .zero) != nil && problem(3, .seconds(3)) != nil)
        #expect(problem(3, .seconds(1), .seconds(366 * 86_400)) != nil)
        #expect(problem(3, .seconds(1), .seconds(2), 1.1) != nil && problem(3, .seconds(1), .seconds(2), -0.1) != nil)
        #expect(problem(3, .seconds(1), .seconds(2), .nan) != nil)
    }

    @Test func errorsThatCannotBeRetriedAreFinalAtOnce() {
        let failure = JobFailure(kind: "Refused", message: "no such customer")
        let retryable = FailedAttempt(failure, isRetryable: true, of: .sample(1, failures: 2), random: 0)
        #expect(retryable.next == .retry(after: .seconds(4 * 60)) && retryable.history.failures == 3)
        let final = FailedAttempt(failure, isRetryable: false, of: .sample(1), random: 0)
        #expect(final.next == .dead && final.history.failures == 1)
        #expect(FailedAttempt(failure, isRetryable: true, of: .sample(1, failures: 14), random: 0).next == .dead)
    }

    @Test func nodeDeathsCountApartAndOnlyADeathAloneIsFinal() {
        let first = FailedAttempt(nodeDied: "n", with: .sample(1, failures: 3))
        #expect(first.next == .again && first.history == JobHistory(failures: 3, nodeDeaths: 1))
        #expect(FailedAttempt(nodeDied: "n", with: .sample(1, nodeDeaths: 1)).next == .again)
        let last = FailedAttempt(nodeDied: "n", with: .sample(1, nodeDeaths: 2))
        #expect(last.next == .dead && last.history.nodeDeaths == 3 && last.failure.kind == "quarantined")
        #expect(FailedAttempt(nodeDied: "n", with: .sample(1, nodeDeaths: 255)).history.nodeDeaths == 255)
        let counted = FailedAttempt(
            .init(kind: "", message: ""), isRetryable: true, of: .sample(1, failures: .max), random: 0)
        #expect(counted.history.failures == .max && counted.next == .dead)
    }
}
