import MartletCore
import Testing

/// What a gate makes of a service that says that it is unavailable.
@Suite struct ServiceHealthTests {
    private static let rate = RateLimit(tokens: 100, per: .seconds(1), burst: 20)

    private static func gate(breaker: BreakerLimits? = nil, adaptive: AdaptiveLimits? = .standard) -> ServiceGate {
        ServiceGate(
            name: "stripe", limits: ServiceLimits(rates: [Self.rate], adaptive: adaptive, breaker: breaker),
            at: .seconds(0))
    }

    /// Takes single tokens from a time on, whenever the gate lets one through; the counts of each second.
    private func drain(_ gate: inout ServiceGate, from start: Instant, seconds: Int) -> [Int] {
        var counts = Array(repeating: 0, count: seconds)
        var now = start
        while now < start + .seconds(seconds) {
            guard let blocker = gate.blocker(weight: 1, key: nil, at: now) else {
                gate.take(weight: 1, key: nil, at: now)
                gate.release(key: nil, takenAt: now, at: now)
                counts[Int((now - start).components.seconds)] += 1
                continue
            }
            now = blocker.until!
        }
        gate.checkInvariants()
        return counts
    }

    // MARK: Adaptive rate

    @Test func closesUntilTheServiceWantsToBeAskedAgainAndClimbsBack() {
        var gate = Self.gate()
        gate.unavailable(retryAfter: .seconds(3), takenAt: nil, at: .seconds(10))
        #expect(
            gate.blocker(weight: 1, key: nil, at: .seconds(10))
                == ServiceBlocker(.closed, until: .seconds(13) + .milliseconds(20)), "from empty, at half the rate")
        #expect(gate.level(at: .seconds(13)) == 0)
        let counts = self.drain(&gate, from: .seconds(13), seconds: 15)
        #expect(counts.prefix(3) == [49, 55, 60] || counts.prefix(3) == [49, 55, 59], "5 more each second")
        #expect(counts.suffix(4).allSatisfy { (99...101).contains($0) }, "back at its ceiling")
        #expect(gate.rateShare(at: .seconds(28)) == 1000)
        #expect(gate.counters.rejections == 1)
    }

    @Test func burstOfFailuresCutsOnceAndTheLongestWaitHolds() {
        var gate = Self.gate()
        for wait in [2, 7, 1] { gate.unavailable(retryAfter: .seconds(wait), takenAt: nil, at: .seconds(10)) }
        #expect(gate.rateShare(at: .seconds(10)) == 500)
        #expect(gate.closedUntil == .seconds(17))
        #expect(gate.rateShare(at: .seconds(17)) == 500, "it climbs once it is open")
        #expect(gate.rateShare(at: .seconds(18)) == 550)
        #expect(gate.counters.rejections == 3)
    }

    @Test func cutsDownToItsFloor() {
        var gate = Self.gate()
        var now = Instant.seconds(10)
        for _ in 0..<10 {
            gate.unavailable(retryAfter: nil, takenAt: nil, at: now)
            now = gate.closedUntil
        }
        #expect(gate.rateShare(at: now) == 50)
        #expect(self.drain(&gate, from: now, seconds: 1)[0] <= 5)
    }

    @Test func predictionCountsTheStepsOfTheClimb() {
        var gate = Self.gate(adaptive: AdaptiveLimits(decrease: 50, floor: 50, step: 950))
        gate.unavailable(retryAfter: .seconds(1), takenAt: nil, at: .seconds(10))
        // 5 tokens flow in the first second, then 100 a second.
        let until = gate.blocker(weight: 20, key: nil, at: .seconds(10))!.until!
        #expect(until == .seconds(12) + .milliseconds(150))
        #expect(gate.blocker(weight: 20, key: nil, at: until) == nil)
        #expect(gate.blocker(weight: 20, key: nil, at: until + .nanoseconds(-1)) != nil)
        gate.take(weight: 20, key: nil, at: until)
        #expect(gate.level(at: until) == 0)
    }

    @Test func withoutAdaptiveSettingsOnlyTheWaitCounts() {
        var gate = Self.gate(adaptive: nil)
        gate.unavailable(retryAfter: .seconds(1), takenAt: nil, at: .seconds(10))
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(10))?.kind == .closed)
        #expect(self.drain(&gate, from: .seconds(11), seconds: 2) == [99, 100])
    }

    @Test func waitIsBounded() {
        var gate = Self.gate()
        gate.unavailable(retryAfter: .seconds(1 << 40), takenAt: nil, at: .seconds(10))
        #expect(gate.closedUntil == Instant.seconds(10) + ServiceGate.retryAfterMax)
        var other = Self.gate()
        other.unavailable(retryAfter: .seconds(-5), takenAt: nil, at: .seconds(10))
        #expect(other.closedUntil == Instant.seconds(10) + ServiceGate.retryAfterMin)
    }

    @Test func reopeningForgetsFailuresAndStartsEmpty() {
        var gate = Self.gate(breaker: BreakerLimits(failuresToOpen: 1))
        gate.unavailable(retryAfter: .seconds(3600), takenAt: nil, at: .seconds(10))
        gate.reopen(at: .seconds(11))
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(11))?.kind == .tokens)
        #expect(gate.level(at: .seconds(11)) == 0)
        #expect(self.drain(&gate, from: .seconds(11), seconds: 1) == [99])
    }

    @Test func changeWhileClosedKeepsItClosed() {
        var gate = Self.gate()
        gate.unavailable(retryAfter: .seconds(5), takenAt: nil, at: .seconds(10))
        let minute = RateLimit(tokens: 60, per: .seconds(60), burst: 50)
        gate.change(ServiceLimits(rates: [Self.rate, minute]), at: .seconds(11))
        gate.checkInvariants()
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(11))?.kind == .closed)
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(15))?.kind == .tokens)
    }

    // MARK: Breaker

    private static let breaker = BreakerLimits(failuresToOpen: 3, openFor: .seconds(30))

    /// Fails three times in a row, the last time at 14 s.
    private func broken() -> ServiceGate {
        var gate = Self.gate(breaker: Self.breaker)
        for second in [10, 12, 14] as [Double] {
            #expect(!gate.isBroken)
            gate.unavailable(retryAfter: nil, takenAt: nil, at: .seconds(second))
        }
        return gate
    }

    @Test func opensAfterFailuresInARowAndLetsOneProbeThrough() {
        var gate = self.broken()
        #expect(gate.isBroken)
        let blocker = gate.blocker(weight: 1, key: nil, at: .seconds(15))
        #expect(blocker == ServiceBlocker(.breaker, until: .seconds(44)))
        gate.hold(key: nil)
        gate.take(weight: 1, key: nil, at: .seconds(44))
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(45)) == ServiceBlocker(.breaker, until: .seconds(74)))
        gate.succeeded(takenAt: .seconds(44))
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(45)) == nil && !gate.isBroken)
    }

    @Test func probeThatFailsOpensItAgain() {
        var gate = self.broken()
        gate.take(weight: 1, key: nil, at: .seconds(50))
        gate.unavailable(retryAfter: .seconds(60), takenAt: .seconds(50), at: .seconds(51))
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(51))?.kind == .breaker)
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(110)) != nil, "the service asked for more time")
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(112)) == nil)
    }

    @Test func probeWithoutAVerdictMakesRoomForTheNext() {
        var gate = self.broken()
        gate.take(weight: 1, key: nil, at: .seconds(50))
        gate.release(key: nil, takenAt: .seconds(50), at: .seconds(51))
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(51)) == nil, "its job ended in another way")
        gate.hold(key: nil)
        gate.take(weight: 1, key: nil, at: .seconds(52))
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(81))?.kind == .breaker)
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(82)) == nil, "nothing was heard of it")
    }

    @Test func successBetweenFailuresKeepsItClosed() {
        var gate = Self.gate(breaker: Self.breaker)
        for round in 1...20 {
            let second = Double(round)
            gate.unavailable(retryAfter: .milliseconds(500), takenAt: nil, at: .seconds(2 * second))
            if round % 2 == 0 { gate.succeeded(takenAt: .seconds(2 * second)) }
        }
        #expect(!gate.isBroken)
    }

    /// It says nothing of the service as it is now.
    @Test func successOfAJobFromBeforeDoesNotCloseTheBreaker() {
        var gate = self.broken()
        gate.succeeded(takenAt: .seconds(13))
        #expect(gate.isBroken)
    }

    /// Half open, what calls from before it opened say is no verdict on the probe.
    @Test func onlyTheProbeDecides() {
        var gate = self.broken()
        gate.hold(key: nil)
        gate.take(weight: 1, key: nil, at: .seconds(50))
        gate.succeeded(takenAt: .seconds(13))
        gate.release(key: nil, takenAt: .seconds(13), at: .seconds(51))
        #expect(gate.isBroken, "an older job's success")
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(51))?.kind == .breaker, "nor does its end make room")
        gate.unavailable(retryAfter: .seconds(1), takenAt: .seconds(14), at: .seconds(52))
        gate.unavailable(retryAfter: .seconds(1), takenAt: nil, at: .seconds(54))
        #expect(gate.closedUntil == .seconds(55), "the service is left alone for as long as it asks")
        gate.succeeded(takenAt: .seconds(50))
        #expect(!gate.isBroken, "an older job's failure had not decided")
    }

    /// A probe that takes longer than the breaker waits for one still says how the service is.
    @Test func slowProbeDecidesBesideTheNext() {
        var gate = self.broken()
        gate.take(weight: 1, key: nil, at: .seconds(50))
        gate.take(weight: 1, key: nil, at: .seconds(80))
        gate.release(key: nil, takenAt: .seconds(80), at: .seconds(81))
        #expect(gate.blocker(weight: 1, key: nil, at: .seconds(81))?.kind == .breaker, "one is under way")
        gate.succeeded(takenAt: .seconds(50))
        gate.release(key: nil, takenAt: .seconds(50), at: .seconds(85))
        #expect(!gate.isBroken)
        gate.checkInvariants()
    }

    /// Only failures are heard of calls inside of jobs.
    @Test func callInsideOfAJobOfWhichNothingIsHeardHasGoneWell() {
        var gate = self.broken()
        gate.hold(key: nil)
        #expect(gate.takeChunk(most: 10, at: .seconds(50)) == 1)
        gate.release(key: nil, takenAt: .seconds(0), at: .seconds(51))
        #expect(gate.takeChunk(most: 10, at: .seconds(79)) == 0)
        #expect(gate.takeChunk(most: 10, at: .seconds(80)) == 10)
        #expect(!gate.isBroken)
        var other = self.broken()
        #expect(other.takeChunk(most: 10, at: .seconds(50)) == 1)
        other.unavailable(retryAfter: nil, takenAt: nil, at: .seconds(51))
        #expect(other.takeChunk(most: 10, at: .seconds(80)) == 0, "it has failed")
    }

    @Test func chunkIsOneProbeToo() {
        var gate = self.broken()
        #expect(gate.takeChunk(most: 10, at: .seconds(20)) == 0)
        #expect(gate.takeChunk(most: 10, at: .seconds(60)) == 1)
        #expect(gate.takeChunk(most: 10, at: .seconds(61)) == 0)
    }
}
