import Martlet
import MartletCore
import MartletWire
import Testing

/// A worker is asked for jobs that it has not started.
@Suite struct GiveBackTests {
    /// A worker with one slot, which runs the first of `count` jobs.
    private static func busy(_ count: Int, batch: BatchShape? = nil) -> CoreDriver {
        let driver = CoreDriver(slots: 1, prefetchMax: 100, batch: batch, mixes: true)
        driver.register(features: .current, time: Instant(nanoseconds: 1_000_000_000))
        driver.deliver(count)
        driver.ask(0)
        return driver
    }

    private static func report(_ driver: CoreDriver) throws -> Report {
        let report = try #require(driver.report())
        let message = try Report.decode(report.frame)
        driver.answer(report, message.items.map { _ in .accepted })
        return message
    }

    @Test func whatIsAskedForAndWaitsGoesBackAtOnce() throws {
        let driver = Self.busy(6)
        driver.ask(for: [4, 5, 6])
        let report = try Self.report(driver)
        #expect(report.items.map { $0.id.rawValue } == [4, 5, 6])
        #expect(report.items.allSatisfy { $0.result == .returned })
        #expect(report.standing?.answeredAsk == 1)
        #expect(driver.held == 3, "the one that runs, and those that nobody asked for")
        driver.core.checkInvariants()
    }

    @Test func aJobThatHasStartedIsNotGivenBack() throws {
        let driver = Self.busy(3)
        driver.ask(for: [1, 3])
        #expect(try Self.report(driver).items.map { $0.id.rawValue } == [3])
        #expect(driver.finish(0, .succeeded).isRun)
    }

    @Test func theAnswerComesEvenIfNothingIsLeftToGive() throws {
        let driver = Self.busy(1)
        driver.heartbeat()
        #expect(driver.report() == nil, "nothing is due")
        driver.ask(for: [1, 99])
        let report = try Self.report(driver)
        #expect(report.items.isEmpty && report.standing?.answeredAsk == 1)
    }

    @Test func anAskThatComesTooLateIsVoid() throws {
        let driver = Self.busy(3)
        driver.pass(.milliseconds(400))
        driver.ask(for: [2], until: Instant(nanoseconds: 1_399_000_000))
        let late = try Self.report(driver)
        #expect(late.items.isEmpty && late.standing?.answeredAsk == 1, "but it is answered")
        driver.ask(for: [2], until: Instant(nanoseconds: 1_500_000_000))
        #expect(try Self.report(driver).items.map { $0.id.rawValue } == [2])
    }

    @Test func jobsThatWaitForTheirBatchGoBackToo() throws {
        let driver = Self.busy(7, batch: BatchShape(jobsMax: 100, patience: .seconds(5)))
        driver.ask(for: [4, 5, 6])
        #expect(try Self.report(driver).items.map { $0.id.rawValue }.sorted() == [4, 5, 6])
        driver.core.checkInvariants()
    }

    /// The results that say what was given back may not fit into one report: only the last one is the answer.
    @Test func anAskIsAnsweredWithTheLastOfWhatIsGivenBack() throws {
        let driver = Self.busy(Report.itemsMax + 10)
        driver.ask(for: Array(2...UInt64(Report.itemsMax + 10)))
        let first = try Self.report(driver)
        #expect(first.items.count == Report.itemsMax && first.standing?.answeredAsk == 0)
        let second = try Self.report(driver)
        #expect(second.items.count == 9 && second.standing?.answeredAsk == 1)
    }

    @Test func anotherRegistrationIsAskedAnew() throws {
        let driver = Self.busy(3)
        driver.ask(for: [3])
        driver.register(features: .current, time: Instant(nanoseconds: 1_000_000_000))
        let report = try Self.report(driver)
        #expect(report.items.map { $0.id.rawValue } == [3], "it is given back all the same")
        #expect(report.standing?.answeredAsk == 0)
    }

    @Test func aCoordinatorThatDoesNotStealIsToldNothingOfIt() throws {
        let driver = Self.busy(3)
        driver.register(features: PeerFeatures.current.subtracting(.stealing))
        driver.pass(.seconds(1))
        #expect(try Self.report(driver).standing == nil)
        #expect(driver.beginRegistration().givesBack)
    }

    @Test func howLongJobsTakeIsSaid() throws {
        let driver = Self.busy(3)
        driver.pass(.milliseconds(8))
        driver.finish(0, .succeeded)
        #expect(try Self.report(driver).standing?.meanDuration == .milliseconds(8))
    }

    /// Long jobs after short ones: nothing is fetched ahead for slots that are busy for who knows how long.
    @Test func prefetchEndsWhereJobsDoNotEnd() {
        let driver = CoreDriver(slots: 2, prefetchMax: 100)
        driver.register()
        driver.deliver(2)
        driver.ask(0)
        driver.pass(.microseconds(100))
        driver.finish(0, .succeeded)
        driver.deliver(2)
        driver.ask(1)
        #expect(driver.core.prefetch(at: driver.now) == 100)
        driver.pass(.milliseconds(10))
        #expect(driver.core.prefetch(at: driver.now) == 4, "20 ms of jobs that take 10 ms at least")
        driver.pass(.milliseconds(10))
        #expect(driver.core.prefetch(at: driver.now) == 0)
        driver.finish(0, .succeeded)
        #expect(driver.core.prefetch(at: driver.now) > 0, "jobs end again")
    }
}

extension CoreDriver {
    /// The coordinator wants these leases back.
    func ask(for sequences: [UInt64], until: Instant = .distantFuture) {
        self.obey(
            ended: [],
            ask: { number in
                Order.Ask(number: number, until: until, wanted: sequences.map { Self.token(epoch: 1, $0) })
            })
    }
}
