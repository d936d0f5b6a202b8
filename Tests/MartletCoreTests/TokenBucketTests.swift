import MartletCore
import MartletVirtualTime
import Testing

@Suite struct TokenBucketTests {
    private static let periods: [Duration] = [.milliseconds(10), .milliseconds(500), .seconds(1), .seconds(3)]

    private static func limit(_ random: inout SeededRandom) -> RateLimit {
        RateLimit(
            tokens: 1 + random.below(60), per: Self.periods[random.below(Self.periods.count)],
            burst: 5 + random.below(30))
    }

    // MARK: The promise

    /// For any requests, whatever changes live, while time stands still, runs, leaps or goes back.
    @Test(arguments: 1...200 as ClosedRange<UInt64>)
    func noWindowExceedsTheBurstAndWhatFlowed(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var now = Instant(nanoseconds: random.next() >> 24)
        let limit = Self.limit(&random)
        var bucket = TokenBucket(limit, at: now)
        var log = GrantLog(limit, at: now)
        var seen = now
        for _ in 0..<400 {
            switch random.below(10) {
            case 0: now = now + .nanoseconds(random.below(2_000_000_000))
            case 1...3: now = now + .nanoseconds(random.below(30_000_000))
            case 4 where random.once(in: 10):
                let limit = Self.limit(&random)
                bucket.change(limit, at: now)
                log.change(limit, at: now)
                seen = now
            case 5:
                let ready = bucket.ready(1 + random.below(5), at: now)
                if ready != .distantFuture { now = ready }
            default: break
            }
            let weight = 1 + random.below(5)
            // A clock that goes back: by the latest time that was read, the bound holds all the same.
            let read = random.once(in: 8) ? now + .milliseconds(-random.below(500)) : now
            seen = max(seen, read)
            if bucket.ready(weight, at: read) <= read {
                bucket.take(weight, at: read)
                log.grant(weight, at: seen)
            }
            bucket.checkInvariants()
        }
        #expect(log.tokens > 20)
        #expect(log.excess == nil)
    }

    @Test(arguments: 1...200 as ClosedRange<UInt64>)
    func tokensAreThereWhenTheBucketSaysAndNotANanosecondBefore(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var now = Instant(nanoseconds: 1_000_000)
        let limit = RateLimit(
            tokens: 1 + random.below(1_000_000), per: .nanoseconds(1_000_000 + random.below(1_000_000_000_000)),
            burst: 1 + random.below(10_000))
        var bucket = TokenBucket(limit, at: now)
        for _ in 0..<50 {
            let weight = 1 + random.below(limit.burst)
            let ready = bucket.ready(weight, at: now)
            if ready > now {
                let before = Instant(nanoseconds: ready.nanoseconds - 1)
                #expect(bucket.level(at: before) < weight && bucket.ready(weight, at: before) == ready)
                now = ready
            }
            #expect(bucket.level(at: now) >= weight)
            bucket.take(weight, at: now)
            now = now + .nanoseconds(random.below(3))
        }
    }

    /// No fraction of a token is lost, however often the bucket is looked at.
    @Test func everyTokenThatFlowsIsThereHoweverOftenItIsTaken() {
        var bucket = TokenBucket(RateLimit(tokens: 7, per: .seconds(3), burst: 5), at: Instant(nanoseconds: 0))
        var taken = 0
        for tick in stride(from: 997, through: 3_000_000, by: 997) {
            let now = Instant(nanoseconds: UInt64(tick) * 1_000_000)
            while bucket.ready(1, at: now) == now {
                bucket.take(1, at: now)
                taken += 1
            }
        }
        #expect(taken == 6999, "7 in 3 s for 3,000 s, less what flows in the last second that is not asked for")
    }

    @Test func startsEmpty() {
        let bucket = TokenBucket(RateLimit(tokens: 100, per: .seconds(1), burst: 20), at: .seconds(5))
        #expect(bucket.level(at: .seconds(5)) == 0)
        #expect(bucket.ready(1, at: .seconds(5)) == .seconds(5) + .milliseconds(10))
        #expect(bucket.ready(20, at: .seconds(5)) == .seconds(5) + .milliseconds(200))
        #expect(bucket.level(at: .seconds(50)) == 20)
    }

    @Test func timeThatStandsStillOrGoesBackBringsNothing() {
        var bucket = TokenBucket(RateLimit(tokens: 10, per: .seconds(1), burst: 10), at: .seconds(1))
        bucket.take(10, at: .seconds(2))
        #expect(bucket.level(at: .seconds(2)) == 0)
        #expect(bucket.level(at: .seconds(1)) == 0)
        #expect(bucket.ready(1, at: .seconds(1)) == .seconds(2) + .milliseconds(100), "counted from the latest time")
        bucket.change(RateLimit(tokens: 10, per: .seconds(1), burst: 5), at: .seconds(1))
        #expect(bucket.level(at: .seconds(2)) == 0)
    }

    @Test func changeKeepsWhatIsThereButForTheBurst() {
        var bucket = TokenBucket(RateLimit(tokens: 10, per: .seconds(1), burst: 20), at: .seconds(0))
        bucket.change(RateLimit(tokens: 1000, per: .seconds(1), burst: 500), at: .seconds(1))
        #expect(bucket.level(at: .seconds(1)) == 10, "a higher rate counts from now on")
        bucket.change(RateLimit(tokens: 1, per: .seconds(3), burst: 4), at: .seconds(1))
        #expect(bucket.level(at: .seconds(1)) == 4)
        bucket.change(RateLimit(tokens: 1, per: .seconds(3), burst: 40), at: .seconds(1))
        #expect(bucket.level(at: .seconds(1)) == 4, "no way there and back makes tokens")
    }

    @Test func extremesNeitherOverflowNorTrap() {
        let most = RateLimit(tokens: RateLimit.tokensMax, per: RateLimit.periodMin, burst: RateLimit.tokensMax)
        let least = RateLimit(tokens: 1, per: RateLimit.periodMax, burst: RateLimit.tokensMax)
        for limit in [most, least] {
            var bucket = TokenBucket(limit, at: Instant(nanoseconds: 0))
            #expect(bucket.level(at: .distantFuture) <= limit.burst)
            #expect(bucket.ready(limit.burst, at: Instant(nanoseconds: .max - 1)) <= .distantFuture)
            bucket.change(limit == most ? least : most, at: Instant(nanoseconds: 1))
            #expect(bucket.level(at: .distantFuture) <= limit.burst)
            bucket.checkInvariants()
        }
        let idle = TokenBucket(least, at: Instant(nanoseconds: 0))
        #expect(idle.ready(least.burst, at: Instant(nanoseconds: 0)) == .distantFuture)
        #expect(TokenBucket(most, at: Instant(nanoseconds: 0)).level(at: .distantFuture) == most.burst)
    }
}
