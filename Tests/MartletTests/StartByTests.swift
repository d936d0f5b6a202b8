import Martlet
import MartletCore
import MartletSimulation
import MartletWire
import Testing

/// A node's knowledge of the coordinator's clock, and jobs that must start by a time on it.
@Suite struct CoordinatorClockTests {
    private static func at(_ milliseconds: Double) -> Instant {
        Instant(nanoseconds: 1_000_000_000_000) + .milliseconds(milliseconds)
    }

    /// Whatever the delays, the drift and the order of answers are, it never believes the clock earlier than it is.
    @Test(arguments: 1...50 as ClosedRange<UInt64>)
    func theClockIsNeverTakenForEarlierThanItIs(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let offset = Int64(random.below(2_000_000_000)) - 1_000_000_000
        // Parts per million that the coordinator's clock is fast.
        let drift = Int64(random.below(399)) - 199
        var clock = CoordinatorClock()
        var now: Int64 = 10_000_000_000
        func coordinator(_ node: Int64) -> Int64 { node + offset + node / 1_000_000 * drift }
        var tightest: Int64 = .max
        for _ in 0..<200 {
            let asked = now
            now += Int64(random.below(3_000_000))
            let time = coordinator(now)
            now += Int64(random.below(5_000_000))
            clock.heard(
                Instant(nanoseconds: UInt64(time)), askedAt: Instant(nanoseconds: UInt64(asked)),
                at: Instant(nanoseconds: UInt64(now)))
            now += Int64(random.below(random.below(10) == 0 ? 60_000_000_000 : 1_000_000_000))
            let latest = try #require(clock.latest(at: Instant(nanoseconds: UInt64(now))))
            #expect(Int64(latest.nanoseconds) >= coordinator(now))
            tightest = min(tightest, Int64(latest.nanoseconds) - coordinator(now))
        }
        #expect(tightest < 5_000_000, "the best answers are used")
    }

    @Test func withoutAnAnswerAnythingMayBeTooLate() {
        #expect(CoordinatorClock().mayHaveReached(.distantFuture, at: Self.at(0)))
    }
}

@Suite struct StartByTests {
    private static let ahead = Duration.seconds(5000)

    /// A worker whose coordinator's clock is 5,000 seconds ahead, known to a millisecond.
    private static func driver(slots: Int = 1, batch: BatchShape? = nil) -> CoreDriver {
        let driver = CoreDriver(slots: slots, batch: batch)
        driver.register(time: driver.now + Self.ahead + .milliseconds(1))
        return driver
    }

    private static func returned(_ driver: CoreDriver) throws -> [UInt64] {
        guard let report = driver.report() else { return [] }
        return try Report.decode(report.frame).items.filter { $0.result == .returned }.map(\.id.rawValue)
    }

    @Test func aJobStartsInTime() throws {
        let driver = Self.driver()
        driver.deliver(1, startBy: driver.now + Self.ahead + .milliseconds(100))
        driver.pass(.milliseconds(98))
        #expect(driver.ask(0).isRun)
        #expect(driver.core.counts.late == 0)
    }

    @Test func aJobThatIsTooLateGoesBack() throws {
        let driver = Self.driver()
        driver.deliver(1, startBy: driver.now + Self.ahead + .milliseconds(100))
        driver.now = driver.now + .milliseconds(100)
        #expect(driver.ask(0).isWait)
        #expect(try Self.returned(driver) == [1])
        #expect(driver.core.counts.late == 1 && driver.notes.contains(.late(count: 1)))
    }

    /// No slot falls idle in time: the job is not kept until one does.
    @Test func aJobThatWaitsGoesBackInTime() throws {
        let driver = Self.driver()
        driver.deliver(1)
        #expect(driver.ask(0).isRun)
        driver.deliver(1, startBy: driver.now + Self.ahead + .milliseconds(100))
        driver.pass(.milliseconds(101))
        #expect(try Self.returned(driver) == [2])
    }

    /// A coordinator that said nothing of its clock: nobody knows what is late.
    @Test func withoutTheClockNothingStarts() throws {
        let driver = CoreDriver(slots: 1)
        driver.register()
        driver.deliver(1, startBy: .distantFuture)
        #expect(driver.ask(0).isWait)
        #expect(try Self.returned(driver) == [1])
    }

    /// The answer to a repeated report tells the time of the first one.
    @Test func aRepeatedAnswerIsHeldAgainstTheFirstQuestion() throws {
        let driver = CoreDriver(slots: 1)
        driver.register()
        driver.pass(.seconds(1))
        let report = try #require(driver.report())
        let time = driver.now + Self.ahead
        driver.now = driver.now + .seconds(3)
        _ = driver.report()
        driver.answer(report, [], time: time)
        driver.deliver(1, startBy: time + .seconds(3))
        #expect(driver.ask(0).isWait, "three seconds have passed since")
        driver.deliver(1, startBy: time + .seconds(4))
        #expect(driver.ask(0).isRun)
    }

    @Test func aBatchDoesNotWaitForOthersWhenItsJobsMustStart() {
        let driver = Self.driver(batch: BatchShape(jobsMax: 10, patience: .seconds(60)))
        driver.deliver(2)
        #expect(driver.ask(0).isWait)
        driver.deliver(1, startBy: driver.now + Self.ahead + .milliseconds(100))
        guard case .runBatch(_, let jobs, _) = driver.ask(0) else {
            Issue.record("nothing runs")
            return
        }
        #expect(jobs.count == 3)
    }
}
