import Martlet
import MartletCore
import MartletSimulation
import MartletWire
import Testing

/// The worker's decisions, without a worker.
@Suite struct WorkerCoreTests {
    // MARK: Fetching

    @Test func aNewWorkerAsksForItsSlotsAndFetchesAheadOnceJobsProveShort() throws {
        let driver = CoreDriver(slots: 4, prefetchMax: 100)
        driver.register()
        #expect(driver.fetch?.creditTotal == 4)
        driver.deliver(4)
        for slot in 0..<4 { driver.ask(slot) }
        driver.pass(.microseconds(10))
        for slot in 0..<4 { driver.finish(slot, .succeeded) }
        #expect(driver.fetch?.creditTotal == 4 + 4 + 100, "received, slots, prefetch at its maximum")
    }

    @Test func longJobsAreNotFetchedAhead() throws {
        let driver = CoreDriver(slots: 4, prefetchMax: 100)
        driver.register()
        driver.deliver(4)
        for slot in 0..<4 { driver.ask(slot) }
        driver.pass(.milliseconds(25))
        for slot in 0..<4 { driver.finish(slot, .succeeded) }
        #expect(driver.fetch?.creditTotal == 4 + 4)
    }

    @Test func prefetchCoversTwentyMilliseconds() throws {
        let driver = CoreDriver(slots: 4, prefetchMax: 1000)
        driver.register()
        driver.deliver(1)
        driver.ask(0)
        driver.pass(.milliseconds(2))
        driver.finish(0, .succeeded)
        #expect(driver.core.prefetch(at: driver.now) == 40, "4 slots, 20 ms of jobs of 2 ms each")
    }

    @Test func aRepeatedDeliveryIsIgnored() throws {
        let driver = CoreDriver(slots: 4)
        driver.register()
        driver.deliver(2, number: 1)
        driver.deliver(2, number: 1)
        #expect(driver.fetch?.lastDelivery == 1)
        #expect(driver.held == 2)
    }

    @Test func aDeliveryAskedForUnderAnEarlierRegistrationIsIgnored() throws {
        let driver = CoreDriver(slots: 4)
        driver.register()
        let earlier = driver.core.generation
        driver.register()
        driver.deliver(2, number: 1, generation: earlier)
        #expect(driver.held == 0)
    }

    // MARK: Reporting

    @Test func aReportIsRepeatedUntilAnsweredAndEachVerdictEndsItsItem() throws {
        let driver = CoreDriver(slots: 3)
        driver.register()
        driver.deliver(3)
        for slot in 0..<3 { driver.ask(slot) }
        driver.finish(0, .succeeded)
        driver.finish(1, .failed(JobFailure(kind: "E", message: "m"), isRetryable: true))
        driver.finish(2, .succeeded)
        let first = try #require(driver.report())
        #expect(driver.report()?.frame == first.frame)
        let report = try Report.decode(first.frame)
        #expect(report.items.map(\.id.rawValue) == [1, 2, 3])
        driver.answer(first, [.accepted, .refused, .unknown])
        #expect(driver.report() == nil)
        #expect(driver.core.counts.accepted == 1)
        #expect(driver.core.counts.refused == 2)
        #expect(driver.notes == [.refused(JobID(rawValue: 2)), .refused(JobID(rawValue: 3))])
        #expect(driver.held == 0)
    }

    @Test func aReportHoldsAtMostItsMaximumAndTheRestFollows() throws {
        let count = Report.itemsMax + 10
        let driver = CoreDriver(slots: 1, prefetchMax: 60_000)
        driver.register()
        driver.deliver(count)
        driver.ask(0)
        for _ in 0..<count { driver.finish(0, .succeeded) }
        let first = try #require(driver.report())
        #expect(try Report.decode(first.frame).items.count == Report.itemsMax)
        driver.answer(first, Array(repeating: .accepted, count: Report.itemsMax))
        let second = try #require(driver.report())
        #expect(second.number == first.number + 1)
        #expect(try Report.decode(second.frame).items.count == 10)
    }

    @Test func longFailureTextsDoNotMakeAReportTooLong() throws {
        let failure = JobFailure(kind: "E", message: String(repeating: "x", count: 2048))
        let driver = CoreDriver(slots: 1, prefetchMax: 60_000)
        driver.register()
        driver.deliver(2000)
        driver.ask(0)
        for _ in 0..<2000 { driver.finish(0, .failed(failure, isRetryable: true)) }
        var total = 0
        while let report = driver.report() {
            let items = try Report.decode(report.frame).items
            #expect(report.frame.count < 2 << 20)
            total += items.count
            driver.answer(report, items.map { _ in .accepted })
        }
        #expect(total == 2000)
    }

    @Test func resultsThatPileUpStopTheFetching() throws {
        let driver = CoreDriver(slots: 1, prefetchMax: 60_000)
        driver.register()
        driver.deliver(4 * Report.itemsMax)
        driver.ask(0)
        for _ in 0..<4 * Report.itemsMax { driver.finish(0, .succeeded) }
        #expect(driver.fetch?.creditTotal == UInt64(4 * Report.itemsMax), "nothing beyond what was received")
    }

    @Test func aHeartbeatIsDueWithoutResults() throws {
        let driver = CoreDriver(slots: 1)
        driver.register()
        #expect(driver.report() == nil)
        driver.pass(.seconds(1))
        let report = try #require(driver.report())
        #expect(try Report.decode(report.frame).items.isEmpty)
    }

    // MARK: Registering again

    @Test func theInventoryNamesAllThatIsHeldAndTakesTheNewLeases() throws {
        let driver = CoreDriver(slots: 2, prefetchMax: 10)
        driver.register()
        driver.deliver(5)
        driver.ask(0)
        driver.ask(1)
        driver.finish(0, .succeeded)  // takes job 3
        let lost = try #require(driver.report())
        driver.finish(0, .succeeded)  // takes job 4; job 3 is not reported yet
        // Job 1 is in a report without an answer, 3 in none, 2 and 4 run, 5 waits.
        let request = driver.beginRegistration()
        #expect(
            request.inventory.map { "\($0.id) \($0.phase)" }
                == ["5 unstarted", "4 running", "2 running", "1 finished", "3 finished"])
        let renewed: [Registered.Verdict] = request.inventory.map { item in
            item.id.rawValue == 2 || item.id.rawValue == 3
                ? .ended : .leased(CoreDriver.token(epoch: 2, item.id.rawValue + 100))
        }
        driver.register(verdicts: renewed)
        #expect(driver.actions.contains(.cancelSlot(1)))
        driver.finish(1, .succeeded)  // of a job that is no longer ours
        driver.finish(0, .succeeded)  // takes job 5
        driver.finish(0, .succeeded)
        let report = try #require(driver.report())
        #expect(report.number == 1, "numbered anew")
        #expect(report.frame != lost.frame)
        let items = try Report.decode(report.frame).items
        #expect(items.map(\.id.rawValue) == [1, 4, 5])
        #expect(items.map(\.token) == [101, 104, 105].map { CoreDriver.token(epoch: 2, $0) })
        #expect(driver.core.counts.ended == 2)
    }

    // MARK: Leases

    @Test func handlersAreCancelledBeforeLeasesEndAndNothingIsReportedAfterwards() throws {
        let driver = CoreDriver(slots: 2, prefetchMax: 10)
        driver.register()
        driver.deliver(3)
        driver.ask(0)
        driver.ask(1)
        driver.pass(.seconds(11))
        #expect(!driver.actions.contains(.cancelSlot(0)))
        driver.pass(.seconds(1.5))
        #expect(driver.actions.contains(.cancelSlot(0)) && driver.actions.contains(.cancelSlot(1)))
        // One stops in time; its lease is still good, and it was not its fault.
        #expect(
            driver.finish(0, .failed(JobFailure(kind: "CancellationError", message: ""), isRetryable: true)).isLeave)
        let report = try #require(driver.report())
        #expect(try Report.decode(report.frame).items.map(\.result) == [.returned])
        driver.pass(.seconds(3))
        #expect(!driver.core.isRegistered)
        #expect(driver.core.counts.leasesLost == 3)
        #expect(driver.finish(1, .succeeded).isLeave)
        #expect(driver.beginRegistration().inventory.isEmpty)
        driver.register(verdicts: [])
        driver.pass(.seconds(1))
        #expect(try Report.decode(try #require(driver.report()).frame).items.isEmpty)
    }

    @Test func aProcessThatWakesUpAfterItsLeasesHaveEndedReportsNothing() throws {
        let driver = CoreDriver(slots: 1)
        driver.register()
        driver.deliver(1)
        driver.ask(0)
        // Suspended: no tick comes in between.
        driver.now = driver.now + .seconds(20)
        driver.finish(0, .succeeded)
        #expect(driver.report() == nil)
        driver.pass(.zero)
        #expect(driver.core.counts.leasesLost == 1 && driver.beginRegistration().inventory.isEmpty)
    }

    @Test func anAnsweredReportRenewsFromWhenItWasSent() throws {
        let driver = CoreDriver(slots: 1)
        driver.register()
        driver.deliver(1)
        driver.ask(0)
        for _ in 0..<5 {
            driver.pass(.seconds(7))
            let report = try #require(driver.report())
            driver.pass(.seconds(2))
            driver.answer(report, [], sentAgo: .seconds(2))
        }
        #expect(driver.core.counts.leasesLost == 0 && !driver.actions.contains(.cancelSlot(0)))
        driver.pass(.seconds(9.9))
        #expect(!driver.actions.contains(.cancelSlot(0)))
        driver.pass(.seconds(0.2))
        #expect(driver.actions.contains(.cancelSlot(0)), "twelve seconds after the last answered report was sent")
    }

    @Test func nothingStartsOnALeaseThatIsAboutToEnd() throws {
        let driver = CoreDriver(slots: 1, prefetchMax: 10)
        driver.register()
        driver.deliver(2)
        driver.pass(.seconds(13))
        #expect(driver.ask(0).isWait)
        let report = try #require(driver.report())
        driver.actions = []
        driver.answer(report, [])
        #expect(driver.actions.contains(.wakeSlot(0)), "renewed: go on")
        #expect(driver.ask(0).isRun)
    }

    // MARK: Ends

    @Test func aHandlerPastItsTimeoutFailsAtOnceAndKeepsItsSlotUntilItStops() throws {
        let driver = CoreDriver(slots: 2, timeout: .seconds(2))
        driver.register()
        driver.deliver(1)
        driver.ask(0)
        driver.pass(.seconds(2))
        #expect(driver.actions.contains(.cancelSlot(0)))
        let report = try #require(driver.report())
        let item = try #require(try Report.decode(report.frame).items.first)
        #expect(item.result == .failed(CoreDriver.timeoutFailure(.seconds(2)), isRetryable: true))
        #expect(try Report.decode(report.frame).running.isEmpty)
        driver.answer(report, [.accepted])
        #expect(driver.fetch?.creditTotal == 1 + 1, "one slot is still taken")
        #expect(driver.finish(0, .succeeded).isLeave)
        #expect(driver.report() == nil, "too late")
        let isRestarted = driver.core.restart(0)
        #expect(isRestarted)
        #expect(driver.fetch?.creditTotal == 1 + 2)
    }

    @Test func jobsThatTheCoordinatorTakesAwayAreNotReported() throws {
        let driver = CoreDriver(slots: 1, prefetchMax: 10)
        driver.register()
        driver.deliver(3)
        driver.ask(0)
        driver.finish(0, .succeeded)  // takes job 2
        driver.obey(ended: [1, 2, 3])
        #expect(driver.actions.contains(.cancelSlot(0)))
        #expect(driver.finish(0, .succeeded).isLeave)
        #expect(driver.report() == nil)
        #expect(driver.held == 0)
    }

    @Test func aDrainGivesBackWhatWasNotStartedAndLeavesAfterTheRest() throws {
        let driver = CoreDriver(slots: 1, prefetchMax: 10)
        driver.register()
        driver.deliver(3)
        driver.ask(0)
        driver.drain()
        let first = try #require(driver.report())
        var report = try Report.decode(first.frame)
        #expect(report.isDraining && !report.isLast)
        #expect(report.items.map(\.result) == [.returned, .returned])
        driver.answer(first, [.accepted, .accepted])
        // A delivery that was under way.
        driver.deliver(1)
        #expect(driver.finish(0, .succeeded).isWait)
        let last = try #require(driver.report())
        report = try Report.decode(last.frame)
        #expect(report.isLast && report.items.map(\.result) == [.returned, .succeeded])
        #expect(!driver.core.isOver)
        driver.answer(last, [.accepted, .accepted])
        #expect(driver.core.isOver)
        #expect(driver.actions.contains(.interruptSession))
    }

    @Test func aDrainThatTakesTooLongCancelsAndGivesBackWithoutBlame() throws {
        let driver = CoreDriver(slots: 2)
        driver.register()
        driver.deliver(2)
        driver.ask(0)
        driver.ask(1)
        driver.drain()
        driver.heartbeat()
        for _ in 0..<9 {
            driver.pass(.seconds(1))
            driver.heartbeat()
        }
        #expect(!driver.actions.contains(.cancelSlot(0)))
        driver.pass(.seconds(1))
        #expect(driver.actions.contains(.cancelSlot(0)) && driver.actions.contains(.cancelSlot(1)))
        #expect(
            driver.finish(0, .failed(JobFailure(kind: "CancellationError", message: ""), isRetryable: true)).isLeave)
        driver.heartbeat()
        // The other ignores it.
        driver.pass(.seconds(2))
        let last = try #require(driver.report())
        let report = try Report.decode(last.frame)
        #expect(report.isLast && report.items.map(\.result) == [.returned])
        driver.answer(last, [.accepted])
        #expect(driver.core.isOver && driver.core.occupiedCount == 1)
        #expect(driver.core.counts.returned == 2 && driver.core.counts.failed == 0)
    }

    @Test func aDrainWithoutACoordinatorEndsAtOnce() throws {
        let driver = CoreDriver(slots: 1)
        driver.drain()
        driver.pass(.zero)
        #expect(driver.core.isOver)
    }

    // MARK: Whatever happens

    /// Each lease ends in exactly one way: a verdict, or its end.
    @Test(arguments: 1...60 as ClosedRange<UInt64>)
    func noLeaseIsLostOrReportedTwice(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let driver = CoreDriver(slots: 1 + random.below(5), prefetchMax: 20, timeout: .seconds(4))
        driver.register()
        for _ in 0..<600 {
            try driver.doSomething(&random)
            driver.core.checkInvariants()
        }
    }
}
