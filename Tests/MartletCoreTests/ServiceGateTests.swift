import MartletCore
import MartletVirtualTime
import Testing

@Suite struct ServiceGateTests {
    private static let stripe = RateLimit(tokens: 100, per: .seconds(1), burst: 20)

    private static func gate(_ limits: ServiceLimits) -> ServiceGate {
        ServiceGate(name: "stripe", limits: limits, at: .seconds(0))
    }

    private static func rates(_ rates: RateLimit...) -> ServiceLimits {
        ServiceLimits(rates: rates, adaptive: nil, breaker: nil)
    }

    // MARK: Rates

    /// Per second and per twelve seconds, with keys, weights, failures and changes: each limit holds for itself.
    @Test(arguments: 1...100 as ClosedRange<UInt64>)
    func everyRateAndEveryKeysRateHoldInEveryWindow(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        func limits() -> ServiceLimits {
            ServiceLimits(
                rates: [
                    RateLimit(tokens: 20 + random.below(80), per: .seconds(1), burst: 6 + random.below(20)),
                    RateLimit(tokens: 100 + random.below(100), per: .seconds(12), burst: 40 + random.below(40)),
                ],
                perKey: KeyedLimits(
                    rates: [RateLimit(tokens: 5 + random.below(10), per: .seconds(1), burst: 5)], keysMax: 4),
                adaptive: AdaptiveLimits(stepInterval: .milliseconds(200)), breaker: nil)
        }
        var now = Instant(nanoseconds: 1 << 40)
        var current = limits()
        var gate = ServiceGate(name: "s", limits: current, at: now)
        var logs = current.rates.map { GrantLog($0, at: now) }
        let keys = (0..<8).map { "tenant-\($0)" }
        var keyLogs = keys.map { _ in GrantLog(current.perKey!.rates[0], at: now) }
        for _ in 0..<1500 {
            now = now + .nanoseconds(random.once(in: 40) ? random.below(2_000_000_000) : random.below(20_000_000))
            if random.once(in: 200) {
                current = limits()
                gate.change(current, at: now)
                for index in logs.indices { logs[index].change(current.rates[index], at: now) }
                for index in keyLogs.indices { keyLogs[index].change(current.perKey!.rates[0], at: now) }
            }
            if random.once(in: 150) {
                gate.unavailable(retryAfter: .milliseconds(random.below(900)), takenAt: now, at: now)
            }
            let weight = 1 + random.below(3)
            let key = random.below(keys.count)
            if gate.blocker(weight: weight, key: keys[key], at: now) == nil {
                gate.take(weight: weight, key: keys[key], at: now)
                gate.release(key: keys[key], takenAt: .seconds(0), at: now)
                for index in logs.indices { logs[index].grant(weight, at: now) }
                keyLogs[key].grant(weight, at: now)
            }
            gate.checkInvariants()
            #expect(gate.keysCount <= 4)
        }
        #expect(logs[0].tokens > 50)
        for log in logs + keyLogs { #expect(log.excess == nil) }
    }

    /// A gate that follows another starts empty, so that both together keep the bound of one.
    @Test(arguments: 1...50 as ClosedRange<UInt64>)
    func takeoversAtAnyTimeKeepTheBound(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let limit = RateLimit(tokens: 10 + random.below(50), per: .seconds(1), burst: 5 + random.below(20))
        let limits = ServiceLimits(
            rates: [limit], perKey: KeyedLimits(rates: [RateLimit(tokens: 4, per: .seconds(1), burst: 3)]))
        var now = Instant(nanoseconds: 77)
        var log = GrantLog(limit, at: now)
        var ofKey = GrantLog(limits.perKey!.rates[0], at: now)
        var gate = ServiceGate(name: "s", limits: limits, at: now)
        for _ in 0..<1000 {
            now = now + .nanoseconds(random.below(40_000_000))
            if random.once(in: 60) { gate = ServiceGate(name: "s", limits: limits, at: now) }
            let key = random.once(in: 3) ? "tenant" : nil
            guard gate.blocker(weight: 1, key: key, at: now) == nil else { continue }
            gate.take(weight: 1, key: key, at: now)
            log.grant(1, at: now)
            if key != nil { ofKey.grant(1, at: now) }
        }
        #expect(log.tokens > 50)
        #expect(log.excess == nil)
        #expect(ofKey.excess == nil, "a key that the new gate has not seen starts empty too")
    }

    /// With a dispatcher that wakes when the gate says, up to 5 ms late, and a backlog of mixed weights.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func backlogUsesTheRate(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let day = RateLimit(tokens: 4_000, per: .seconds(60), burst: 500)
        let rates = random.once(in: 2) ? [Self.stripe] : [Self.stripe, day]
        var gate = Self.gate(ServiceLimits(rates: rates))
        var now = Instant.seconds(0)
        var taken = 0
        var weight = 1
        while now < .seconds(100) {
            guard let blocker = gate.blocker(weight: weight, key: nil, at: now) else {
                gate.take(weight: weight, key: nil, at: now)
                gate.release(key: nil, takenAt: .seconds(0), at: now)
                taken += weight
                weight = 1 + random.below(8)
                continue
            }
            #expect(blocker.kind == .tokens)
            now = blocker.until! + .microseconds(random.below(5000))
        }
        let most = rates.count == 1 ? 10_000 : 4_000 * 100 / 60
        #expect(taken <= most + 20 && taken * 100 >= most * 97)
    }

    @Test func severalRatesWaitForTheSlowest() {
        var gate = Self.gate(Self.rates(Self.stripe, RateLimit(tokens: 60, per: .seconds(60), burst: 30)))
        gate.take(weight: 10, key: nil, at: .seconds(10))
        #expect(gate.level(at: .seconds(10)) == 0)
        #expect(gate.blocker(weight: 2, key: nil, at: .seconds(10)) == ServiceBlocker(.tokens, until: .seconds(12)))
        #expect(gate.counters == .init(grants: 1, tokens: 10))
    }

    @Test func jobHeavierThanALoweredBurstIsNamed() {
        var gate = Self.gate(Self.rates(Self.stripe))
        gate.change(Self.rates(RateLimit(tokens: 100, per: .seconds(1), burst: 4)), at: .seconds(1))
        #expect(gate.blocker(weight: 5, key: nil, at: .seconds(9)) == ServiceBlocker(.weight))
        #expect(gate.blocker(weight: 4, key: nil, at: .seconds(9)) == nil)
    }

    @Test func addedRateStartsAtTheLevelOfTheService() {
        let hour = RateLimit(tokens: 360, per: .seconds(3600), burst: 100)
        var gate = Self.gate(Self.rates(Self.stripe))
        gate.take(weight: 12, key: nil, at: .seconds(1))
        gate.change(Self.rates(Self.stripe, hour), at: .seconds(1))
        #expect(gate.level(at: .seconds(1)) == 8)
        gate.change(Self.rates(hour), at: .seconds(1))
        gate.change(Self.rates(RateLimit(tokens: 1000, per: .seconds(2), burst: 900)), at: .seconds(1))
        #expect(gate.level(at: .seconds(1)) == 8, "no way of change makes tokens")
    }

    // MARK: Concurrency

    @Test func jobsWaitForAPlaceThatHasNoTime() {
        var gate = Self.gate(ServiceLimits(concurrency: 2))
        gate.take(weight: 1, key: nil, at: .seconds(1))
        gate.hold(key: "before the takeover")
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(1)) == ServiceBlocker(.concurrency))
        gate.release(key: "before the takeover", takenAt: .seconds(0), at: .seconds(2))
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(2)) == nil)
        gate.change(ServiceLimits(concurrency: 1), at: .seconds(2))
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(2)) == ServiceBlocker(.concurrency))
        gate.checkInvariants()
    }

    @Test func keyHasPlacesOfItsOwn() {
        var gate = Self.gate(ServiceLimits(concurrency: 3, perKey: KeyedLimits(concurrency: 1)))
        gate.take(weight: 1, key: "a", at: .seconds(1))
        #expect(gate.blocker(weight: 1, key: "a", at: .seconds(1)) == ServiceBlocker(.keyConcurrency))
        gate.take(weight: 1, key: "b", at: .seconds(1))
        gate.take(weight: 1, key: nil, at: .seconds(1))
        #expect(gate.blocker(weight: 1, key: "c", at: .seconds(1)) == ServiceBlocker(.concurrency))
        gate.release(key: "a", takenAt: .seconds(0), at: .seconds(1))
        #expect(gate.blocker(weight: 1, key: "a", at: .seconds(1)) == nil)
        gate.checkInvariants()
    }

    /// Leases that began while keys had no limits are counted when they get some.
    @Test func limitsPerKeyMayComeAndGoWhileKeysAreHeld() {
        var gate = Self.gate(ServiceLimits(concurrency: 9))
        gate.take(weight: 1, key: "a", at: .seconds(1))
        gate.change(ServiceLimits(perKey: KeyedLimits(concurrency: 1)), at: .seconds(1))
        #expect(gate.blocker(weight: 1, key: "a", at: .seconds(1)) == ServiceBlocker(.keyConcurrency))
        gate.change(ServiceLimits(concurrency: 9), at: .seconds(1))
        gate.release(key: "a", takenAt: .seconds(0), at: .seconds(1))
        gate.checkInvariants()
        #expect(gate.keysCount == 0)
    }

    // MARK: Keys

    @Test func keysAreForgottenWhenFullAndFurtherOnesWaitMeanwhile() {
        let perKey = KeyedLimits(rates: [RateLimit(tokens: 1, per: .seconds(1), burst: 2)], keysMax: 3)
        var gate = Self.gate(ServiceLimits(perKey: perKey))
        for key in ["a", "b", "c"] {
            gate.take(weight: 1, key: key, at: .seconds(10))
            if key != "a" { gate.release(key: key, takenAt: .seconds(0), at: .seconds(10)) }
        }
        #expect(
            gate.blocker(weight: 1, key: "d", at: .seconds(10)) == ServiceBlocker(.keys, until: .seconds(11)))
        #expect(gate.blocker(weight: 1, key: "b", at: .seconds(10)) == nil, "a known key is served")
        #expect(gate.blocker(weight: 2, key: "d", at: .seconds(11)) == nil)
        gate.take(weight: 2, key: "d", at: .seconds(11))
        #expect(gate.keysCount == 2, "a, which is held, and d")
        gate.checkInvariants()
    }

    @Test func unseenKeyStartsEmptyAtTakeoverAndIsFullLater() {
        let perKey = KeyedLimits(rates: [RateLimit(tokens: 1, per: .seconds(1), burst: 5)])
        var gate = Self.gate(ServiceLimits(perKey: perKey))
        #expect(
            gate.blocker(weight: 1, key: "a", at: .seconds(0)) == ServiceBlocker(.keyTokens, until: .seconds(1)))
        gate.take(weight: 2, key: "a", at: .seconds(2))
        #expect(gate.blocker(weight: 5, key: "b", at: .seconds(4))?.until == .seconds(5))
        #expect(gate.blocker(weight: 5, key: "b", at: .seconds(5)) == nil)
        let raised = KeyedLimits(rates: [RateLimit(tokens: 1, per: .seconds(1), burst: 50)])
        gate.change(ServiceLimits(perKey: raised), at: .seconds(100))
        #expect(gate.blocker(weight: 6, key: "unseen", at: .seconds(100))?.until == .seconds(101))
        #expect(gate.blocker(weight: 6, key: "a", at: .seconds(100))?.until == .seconds(101))
    }

    // MARK: Chunks

    @Test func chunkTakesWhatIsThereAndNoPlace() {
        var gate = Self.gate(ServiceLimits(rates: [Self.stripe], concurrency: 1))
        gate.take(weight: 5, key: nil, at: .seconds(1))
        #expect(gate.takeChunk(least: 3, most: 100, at: .seconds(1)) == 15)
        #expect(gate.takeChunk(least: 3, most: 100, at: .seconds(1) + .milliseconds(29)) == 0)
        #expect(gate.takeChunk(least: 3, most: 100, at: .seconds(1) + .milliseconds(30)) == 3)
        gate.pause()
        #expect(gate.takeChunk(most: 1, at: .seconds(9)) == 0)
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(9)) == ServiceBlocker(.paused))
        gate.resume()
        #expect(gate.takeChunk(most: 7, at: .seconds(9)) == 7)
        #expect(gate.counters.tokens == 30)
    }
}
