import MartletCore
import Testing

@Suite struct ServiceLimitsTests {
    private static let perSecond = RateLimit(tokens: 100, per: .seconds(1), burst: 20)

    @Test func usefulLimitsHaveNoProblem() {
        let day = RateLimit(tokens: 50_000, per: .seconds(86400), burst: 1000)
        let tenant = KeyedLimits(rates: [RateLimit(tokens: 10, per: .seconds(1), burst: 10)], concurrency: 2)
        let all = ServiceLimits(rates: [Self.perSecond, day], concurrency: 10, perKey: tenant)
        #expect(all.problem(weightMax: 10) == nil)
        #expect(all.weightMax() == 10 && all.weightMax(hasKey: false) == 20)
        #expect(ServiceLimits(concurrency: 1).problem() == nil)
        #expect(ServiceLimits(concurrency: 1).weightMax() == .max)
        #expect(ServiceLimits(perKey: tenant, adaptive: nil, breaker: nil).problem() == nil)
        #expect(RateLimit(tokens: 100, per: .seconds(1)).burst == 10)
        #expect(RateLimit(tokens: 3, per: .seconds(1)).burst == 1)
    }

    @Test(arguments: [
        (RateLimit(tokens: 0, per: .seconds(1), burst: 1), "a rate of 0 is out of range"),
        (RateLimit(tokens: -5, per: .seconds(1), burst: 1), "a rate of -5 is out of range"),
        (RateLimit(tokens: 5, per: .zero, burst: 1), "a period of 0s is out of range"),
        (RateLimit(tokens: 5, per: .seconds(86400 * 32), burst: 1), "a period of 32d is out of range"),
        (RateLimit(tokens: 5, per: .seconds(1), burst: 0), "a burst of 0 is out of range"),
        (RateLimit(tokens: 5, per: .seconds(1), burst: 2), "a burst of 2 never holds the 3 tokens of one job"),
    ])
    func badRateIsRefusedWithTheReason(rate: RateLimit, reason: String) throws {
        let problem = try #require(ServiceLimits(rates: [rate]).problem(weightMax: 3))
        #expect(problem.hasPrefix(reason))
        let keyed = try #require(ServiceLimits(perKey: KeyedLimits(rates: [rate])).problem(weightMax: 3))
        #expect(keyed.hasPrefix("per key, " + reason))
    }

    @Test func limitsThatContradictEachOtherAreRefused() {
        func problem(_ limits: ServiceLimits) -> String { limits.problem() ?? "none" }
        #expect(problem(ServiceLimits()).hasPrefix("nothing is limited"))
        let other = RateLimit(tokens: 50, per: .seconds(1), burst: 50)
        #expect(problem(ServiceLimits(rates: [Self.perSecond, other])).hasPrefix("two rates have the period 1s"))
        let loose = RateLimit(tokens: 10_000, per: .seconds(60), burst: 20)
        #expect(
            problem(ServiceLimits(rates: [Self.perSecond, loose]))
                == "10000 per 1m, burst 20 allows all that 100 per 1s, burst 20 does, so that it says nothing: "
                + "leave it out")
        let many = (1...5).map { RateLimit(tokens: 100, per: .seconds($0), burst: $0) }
        #expect(problem(ServiceLimits(rates: many)).hasPrefix("there are 5 rates"))
        #expect(
            problem(ServiceLimits(concurrency: 3, perKey: KeyedLimits(concurrency: 4)))
                == "a key's concurrency of 4 is more than the service's 3")
        let ofKey = KeyedLimits(rates: [RateLimit(tokens: 200, per: .seconds(1), burst: 20)])
        #expect(
            problem(ServiceLimits(rates: [Self.perSecond], perKey: ofKey)).hasPrefix("200 per 1s, burst 20 per key"))
        #expect(problem(ServiceLimits(concurrency: 0)).hasPrefix("a concurrency of 0"))
        #expect(problem(ServiceLimits(perKey: KeyedLimits(concurrency: 1, keysMax: 0))).contains("0 keys"))
        #expect(
            problem(ServiceLimits(concurrency: 1, adaptive: AdaptiveLimits(floor: 0))).hasPrefix("a floor of 0"))
        #expect(
            problem(ServiceLimits(concurrency: 1, breaker: BreakerLimits(failuresToOpen: 0))).hasPrefix("0 failures"))
    }
}
