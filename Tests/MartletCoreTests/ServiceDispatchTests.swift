import MartletCore
import Testing

/// Services `s` (10 a second, burst 2) and `t` (one job at once), and keys of `k`.
@Suite struct ServiceDispatchTests {
    private static let limits = DispatchLimits(services: [
        "s": ServiceLimits(rates: [RateLimit(tokens: 10, per: .seconds(1), burst: 2)]),
        "t": ServiceLimits(concurrency: 1),
        "k": ServiceLimits(
            rates: [RateLimit(tokens: 100, per: .seconds(1), burst: 10)],
            perKey: KeyedLimits(rates: [RateLimit(tokens: 1, per: .seconds(1), burst: 1)], keysMax: 2)),
    ])

    private static func bench(_ limits: DispatchLimits = Self.limits, isRecovering: Bool = false) -> DispatchBench {
        DispatchBench(limits, isRecovering: isRecovering)
    }

    private static func using(_ uses: ServiceUse..., group: String = "") -> LaneShare {
        LaneShare(group: group, services: Boxed(uses))
    }

    private static let lane = LaneID(rawValue: 0)

    @Test func jobsGoAsTokensCome() {
        let bench = Self.bench()
        bench.submit(1...9, share: Self.using("s"))
        bench.join(1, slots: 20)
        #expect(bench.assign() == [], "at takeover every bucket is empty")
        #expect(bench.core.nextWake == bench.now + .milliseconds(100))
        bench.now = bench.now + .milliseconds(100)
        #expect(bench.assign() == [1])
        #expect(bench.held[1]!.map(\.startBy) == [bench.now + .milliseconds(100)])
        bench.now = bench.now + .milliseconds(1000)
        #expect(bench.assign() == [2, 3], "no more than the burst at once")
        #expect(
            bench.core.blocker(of: Self.lane, share: Self.using("s"), at: bench.now)
                == .service("s", ServiceBlocker(.tokens, until: bench.now + .milliseconds(100))))
    }

    /// What a service lets through at once goes to all who are free, not to the first that asks.
    @Test func aBurstIsSpreadOverTheNodes() {
        let bench = Self.bench()
        bench.submit(1...9, share: Self.using("k"))
        for node in 1...4 as ClosedRange<UInt64> { bench.join(node, slots: 8) }
        bench.now = bench.now + .milliseconds(40)
        #expect(bench.assign().sorted() == [1, 2, 3, 4])
        #expect((1...4).map { bench.held[$0]?.count ?? 0 } == [1, 1, 1, 1])
    }

    /// Many slots and a service with room: jobs go many at a time, and no more than there are tokens.
    @Test func manyGoAtOnceAsFarAsTheTokensGo() {
        let bench = Self.bench(
            DispatchLimits(services: ["s": ServiceLimits(rates: [RateLimit(tokens: 20, per: .seconds(1), burst: 20)])]))
        bench.submit(1...100, share: Self.using(ServiceUse("s", weight: 3)))
        bench.join(1, slots: 256)
        bench.now = bench.now + .seconds(5)
        #expect(bench.assign() == [1, 2, 3, 4, 5, 6])
        #expect(bench.held[1]!.allSatisfy { $0.startBy == bench.now + .milliseconds(100) })
    }

    /// A token must not be spent on a job that waits behind others.
    @Test func whatTakesTokensGoesToFreeSlotsOnly() {
        let bench = Self.bench()
        bench.submit(1...9, share: Self.using("s"))
        bench.join(1, slots: 1, prefetch: 50)
        bench.now = bench.now + .seconds(10)
        #expect(bench.assign() == [1])
        bench.finish([1])
        #expect(bench.assign() == [2], "the second token was kept")
    }

    @Test func blockedJobsDelayNobodyElse() {
        let bench = Self.bench()
        bench.submit(1...1000, share: Self.using("s"))
        bench.join(1, slots: 4, prefetch: 40)
        bench.submit(2001...2100)
        #expect(bench.assign() == Array(2001...2044), "prefetch goes on behind a lane that waits for a service")
    }

    /// A blocked lane leaves the work at once, and is looked at once a token, however many wait.
    @Test func aLaneThatWaitsCostsNoSteps() {
        let bench = Self.bench()
        for tenant in 0..<200 as Range<UInt64> {
            bench.submit(1000 * tenant + 1...1000 * tenant + 9, share: Self.using(ServiceUse("s"), group: "\(tenant)"))
        }
        bench.join(1, slots: 1)
        _ = bench.assign()
        let before = bench.core.serviceStates.first { $0.gate.name == "s" }!.gate.counters.waits
        for id in 1_000_001...1_000_500 as ClosedRange<UInt64> {
            bench.submit(id...id, lane: 1)
            #expect(bench.assign() == [id])
            bench.finish([id])
        }
        let after = bench.core.serviceStates.first { $0.gate.name == "s" }!
        #expect(after.gate.counters.waits == before, "nobody looked there")
        #expect(after.waiting == 1800)
    }

    @Test func theMostUrgentOfAllClassesIsFirst() {
        let bench = Self.bench()
        bench.submit(10...19, lane: 0, share: Self.using("s"))
        bench.submit(1...5, lane: 1, share: Self.using("s"))
        bench.join(1, types: ["X"], slots: 4)
        bench.join(2, types: ["Y"], slots: 4)
        _ = bench.assign()
        bench.now = bench.now + .milliseconds(100)
        #expect(bench.assign() == [1], "the older job, whatever node serves it")
        bench.finish([1])
        bench.now = bench.now + .milliseconds(200)
        #expect(bench.assign() == [2, 3])
    }

    /// No place is kept free for jobs that no node has room for.
    @Test func whatHasNoSlotLeavesTheTokensToOthers() {
        let bench = Self.bench()
        bench.submit(1...5, lane: 0, share: Self.using("s"))
        bench.submit(10...19, lane: 1, share: Self.using("s"))
        bench.join(1, types: ["X"], slots: 1)
        bench.join(2, types: ["Y"], slots: 4)
        bench.now = bench.now + .milliseconds(100)
        #expect(bench.assign() == [1])
        bench.now = bench.now + .milliseconds(200)
        #expect(bench.assign() == [10, 11])
    }

    @Test func groupsTakeTurnsForTokens() {
        let bench = Self.bench()
        bench.submit(1...9, share: Self.using("s", group: "a"))
        bench.submit(11...19, share: Self.using("s", group: "b"))
        bench.submit(21...29, lane: 1, share: Self.using("s", group: "c"))
        bench.join(1, slots: 50)
        var got: [UInt64] = []
        for _ in 0..<9 {
            bench.now = bench.now + .milliseconds(100)
            got += bench.assign()
        }
        #expect(got.sorted() == [1, 2, 3, 11, 12, 13, 21, 22, 23])
    }

    /// Else light ones would keep it waiting for ever.
    @Test func aHeavyJobIsNotOvertaken() {
        let bench = Self.bench()
        bench.submit(1...1, share: Self.using(ServiceUse("s", weight: 2)))
        bench.submit(2...9, share: Self.using("s"))
        bench.join(1, slots: 50)
        _ = bench.assign()
        bench.now = bench.now + .milliseconds(100)
        #expect(bench.assign() == [])
        #expect(bench.core.blocker(of: Self.lane, share: Self.using("s"), at: bench.now) != .none)
        bench.now = bench.now + .milliseconds(100)
        #expect(bench.assign() == [1])
        bench.now = bench.now + .milliseconds(100)
        #expect(bench.assign() == [2])
    }

    @Test func allServicesOfAJobMustLetItThrough() {
        let bench = Self.bench()
        bench.submit(1...3, share: Self.using("s", "t"))
        bench.submit(11...13, share: Self.using("s"))
        bench.join(1, slots: 50)
        bench.now = bench.now + .seconds(1)
        #expect(bench.assign() == [1, 11], "the place at t is taken; s has a token left for others")
        bench.now = bench.now + .seconds(1)
        #expect(bench.assign() == [12, 13])
        bench.finish([1])
        #expect(bench.assign() == [], "the place is free, the tokens are used up")
        bench.now = bench.now + .milliseconds(100)
        #expect(bench.assign() == [2])
    }

    @Test func aPlaceIsFreeWhenTheLeaseEnds() {
        let bench = Self.bench()
        bench.submit(1...3, share: Self.using("t"))
        bench.join(1, slots: 50)
        #expect(bench.assign() == [1])
        #expect(bench.core.nextWake == nil, "no time says when a place will be free")
        bench.core.giveBack([bench.held[1]![0]], at: bench.now)
        #expect(bench.assign() == [1])
    }

    @Test func aKeyHoldsUpItsOwnJobsOnly() {
        let bench = Self.bench()
        bench.submit(1...3, share: Self.using(ServiceUse("k", key: "a")))
        bench.submit(11...13, share: Self.using(ServiceUse("k", key: "b")))
        bench.submit(21...23, share: Self.using("k"))
        bench.join(1, slots: 50)
        bench.now = bench.now + .seconds(1)
        #expect(bench.assign() == [1, 11, 21, 22, 23])
        bench.now = bench.now + .seconds(1)
        #expect(bench.assign() == [2, 12])
    }

    @Test func keysBeyondTheBoundWait() {
        let bench = Self.bench()
        bench.join(1, slots: 50)
        bench.now = bench.now + .seconds(1)
        for (place, key) in ["a", "b", "c"].enumerated() {
            bench.submit(UInt64(place)...UInt64(place), share: Self.using(ServiceUse("k", key: key)))
        }
        #expect(bench.assign() == [0, 1])
        bench.now = bench.now + .seconds(1)
        #expect(bench.assign() == [], "both keys are held")
        bench.finish([0])
        #expect(bench.assign() == [2])
    }

    @Test func theTypeSaysWhatItsJobsUseUnlessTheySay() {
        let limits = DispatchLimits(services: Self.limits.services, typeServices: ["X": ["s"]])
        let bench = Self.bench(limits)
        bench.submit(1...4)
        bench.submit(11...14, share: Self.using())
        bench.submit(21...24, share: Self.using("t"))
        bench.submit(31...34, share: LaneShare(group: "g"))
        bench.join(1, slots: 50)
        #expect(bench.assign() == [11, 12, 13, 14, 21])
        bench.now = bench.now + .milliseconds(200)
        #expect(bench.assign().count == 2)
        #expect(bench.core.census.lines > 3)
        _ = bench.remove([3, 4, 22, 23, 24, 31, 32, 33, 34])
    }

    @Test func anUnknownServiceHoldsItsJobsUntilItIsSet() {
        let bench = Self.bench()
        bench.submit(1...2, share: Self.using("new"))
        bench.submit(11...12)
        bench.join(1, slots: 50)
        bench.now = bench.now + .seconds(5)
        #expect(bench.assign() == [11, 12])
        #expect(
            bench.core.blocker(of: Self.lane, share: Self.using("new"), at: bench.now) == .service("new", nil))
        bench.core.setLimits(ServiceLimits(concurrency: 1), of: "new", at: bench.now)
        #expect(bench.assign() == [1])
        bench.core.setLimits(nil, of: "new", at: bench.now)
        bench.core.setLimits(ServiceLimits(concurrency: 1), of: "new", at: bench.now)
        #expect(bench.assign() == [], "the one that runs is still counted")
    }

    @Test func aPauseHoldsAndTheEndOfItReleases() {
        let bench = Self.bench()
        bench.submit(1...2, share: Self.using("t"))
        bench.join(1, slots: 50)
        bench.core.pause(service: "t", at: bench.now)
        #expect(bench.assign() == [])
        bench.core.resume(service: "t", at: bench.now)
        #expect(bench.assign() == [1])
    }

    @Test func anUnavailableServiceIsLeftAloneByAll() {
        let bench = Self.bench()
        bench.submit(1...9, share: Self.using("s"))
        bench.join(1, slots: 50)
        bench.now = bench.now + .seconds(1)
        #expect(bench.assign() == [1, 2])
        bench.core.serviceUnavailable("s", retryAfter: .seconds(7), for: JobID(rawValue: 1), at: bench.now)
        bench.now = bench.now + .seconds(6)
        #expect(bench.assign() == [])
        bench.now = bench.now + .seconds(2)
        #expect(!bench.assign().isEmpty)
    }

    /// Places of jobs that nodes have from an earlier epoch are taken; those that only take tokens need not wait.
    @Test func claimsTakePlacesAfterATakeover() {
        let bench = Self.bench(isRecovering: true)
        bench.core.recover(JobID(rawValue: 1), lane: Self.lane, share: Self.using("t"), at: bench.now)
        bench.submit(11...12, share: Self.using("t"))
        bench.submit(21...22, share: Self.using("s"))
        bench.join(1, slots: 50)
        bench.now = bench.now + .milliseconds(100)
        #expect(bench.assign() == [21])
        let isClaimed = bench.core.claim(JobID(rawValue: 1), lane: Self.lane, share: Self.using("t"))
        #expect(isClaimed)
        bench.core.finishRecovery(at: bench.now)
        #expect(bench.assign() == [])
        bench.core.settled(JobID(rawValue: 1), at: bench.now)
        #expect(bench.assign() == [11])
    }

    /// A node may have the job before it.
    @Test func orderedJobsThatUseServicesWaitForInventories() {
        let bench = Self.bench(isRecovering: true)
        let share = LaneShare(key: "o", isOrdered: true, services: Boxed(["s"]))
        bench.core.recover(JobID(rawValue: 1), lane: Self.lane, share: share, at: bench.now)
        bench.submit(11...12, share: share)
        bench.join(1, slots: 50)
        bench.now = bench.now + .seconds(1)
        #expect(bench.assign() == [])
        let isClaimed = bench.core.claim(JobID(rawValue: 1), lane: Self.lane, share: share)
        bench.core.finishRecovery(at: bench.now)
        #expect(isClaimed && bench.assign() == [], "job 1 is at work")
        bench.core.settled(JobID(rawValue: 1), at: bench.now)
        bench.core.ended(JobID(rawValue: 1), lane: Self.lane, share: share, at: bench.now)
        #expect(bench.assign() == [11])
    }

    @Test func theRateIsUsedWhileThereIsABacklog() {
        let rate = 50
        let limits = ServiceLimits(rates: [RateLimit(tokens: rate, per: .seconds(1), burst: 3)])
        let bench = Self.bench(DispatchLimits(services: ["s": limits]))
        bench.submit(1...100_000, share: Self.using("s"))
        bench.submit(200_001...200_100, lane: 1, share: Self.using(ServiceUse("s", weight: 3)))
        bench.join(1, slots: 200)
        let end = bench.now + .seconds(60)
        var tokens = 0
        while bench.now < end {
            let got = bench.assign()
            tokens += got.reduce(0) { $0 + ($1 > 200_000 ? 3 : 1) }
            bench.finish(got)
            bench.now = max(bench.core.nextWake ?? bench.now, bench.now + .milliseconds(1))
        }
        #expect(tokens <= 3 + rate * 60 && Double(tokens) >= 0.97 * Double(rate * 60))
    }

    @Test func aJobThatRunsAloneWaitsForItsServices() {
        let bench = Self.bench()
        bench.submit(1...1, share: Self.using("s"))
        bench.join(1, slots: 2)
        _ = bench.remove([1])
        var suspect = bench.job(1)
        suspect.body.history.nodeDeaths = UInt8(DispatchCore.deathsMax)
        bench.core.giveBack([suspect], at: bench.now)
        #expect(bench.assign() == [])
        #expect(bench.core.nextWake == bench.now + .milliseconds(100))
        bench.now = bench.now + .milliseconds(100)
        #expect(bench.assign() == [1])
        #expect(bench.held[1]!.map(\.startBy) == [bench.now + .milliseconds(100)])
    }
}
