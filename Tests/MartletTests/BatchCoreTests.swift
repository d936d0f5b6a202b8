import Martlet
import MartletCore
import MartletSimulation
import MartletWire
import Testing

@Suite struct BatchCoreTests {
    private static let shape = BatchShape(jobsMax: 3, patience: .milliseconds(50))
    private static let failure = JobFailure(kind: "E", message: "m")

    private func driver(slots: Int = 1, timeout: Duration = .seconds(1800)) -> CoreDriver {
        let driver = CoreDriver(slots: slots, timeout: timeout, batch: Self.shape)
        driver.register()
        for slot in 0..<slots { driver.ask(slot) }
        return driver
    }

    private func reported(_ driver: CoreDriver) throws -> [String] {
        guard let report = driver.report() else { return [] }
        return try Report.decode(report.frame).items.map { item in
            switch item.result {
            case .succeeded: "\(item.id) succeeded"
            case .failed(let failure, let isRetryable, _): "\(item.id) \(failure.kind) \(isRetryable)"
            case .returned: "\(item.id) returned"
            case .completed: "\(item.id) completed"
            case .checkpoint: "\(item.id) checkpoint"
            case .unavailable: "\(item.id) unavailable"
            }
        }
    }

    private func batch(_ next: WorkerCore.Next) -> [UInt64] {
        guard case .runBatch(_, let jobs, _) = next else { return [] }
        return jobs.map(\.id.rawValue)
    }

    @Test func creditIsAskedForSoThatABatchCanFill() {
        let driver = self.driver(slots: 2)
        #expect(driver.fetch?.creditTotal == 2 + 2)
        driver.deliver(3)
        #expect(driver.fetch?.creditTotal == 3 + 1)
        #expect(self.batch(driver.ask(0)) == [1, 2, 3])
        #expect(driver.fetch?.creditTotal == 3 + 1 + 2, "one slot is free, and the next batch is to fill meanwhile")
    }

    @Test func aFullBatchWakesASlotAtOnce() {
        let driver = self.driver()
        driver.actions = []
        driver.deliver(2)
        #expect(!driver.actions.contains(.wakeSlot(0)))
        driver.deliver(1)
        #expect(driver.actions.contains(.wakeSlot(0)))
        #expect(self.batch(driver.ask(0)) == [1, 2, 3])
        driver.core.checkInvariants()
    }

    @Test func aPartOfABatchRunsWhenItHasWaited() {
        let driver = self.driver()
        driver.deliver(2)
        driver.pass(.milliseconds(49))
        driver.actions = []
        driver.pass(.milliseconds(1))
        #expect(driver.actions.contains(.wakeSlot(0)))
        #expect(self.batch(driver.ask(0)) == [1, 2])
    }

    @Test func whatShouldHaveStartedByNowGoesBack() throws {
        let driver = self.driver()
        driver.deliver(3)
        #expect(self.batch(driver.ask(0)) == [1, 2, 3])
        driver.deliver(3, expiresIn: .seconds(1))
        driver.deliver(1)
        driver.pass(.seconds(2))
        let next = driver.finish(0, .batch([.succeeded, .succeeded, .succeeded]))
        #expect(self.batch(next) == [7])
        let returned = try self.reported(driver).filter { $0.hasSuffix("returned") }
        #expect(returned == ["4 returned", "5 returned", "6 returned"])
        driver.core.checkInvariants()
    }

    @Test func eachJobHasItsOwnOutcome() throws {
        let driver = self.driver()
        driver.deliver(3)
        driver.ask(0)
        driver.finish(0, .batch([.succeeded, .failed(Self.failure, isRetryable: true), .succeeded]))
        #expect(try self.reported(driver) == ["1 succeeded", "2 E true", "3 succeeded"])
        #expect(driver.core.counts.succeeded == 2 && driver.core.counts.failed == 1)
        driver.core.checkInvariants()
    }

    @Test func aTimeoutFailsEveryJobAndEndsEveryLease() throws {
        let driver = self.driver(timeout: .seconds(2))
        driver.deliver(3)
        driver.ask(0)
        driver.actions = []
        driver.pass(.seconds(2))
        #expect(driver.actions.contains(.cancelSlot(0)))
        #expect(try self.reported(driver) == ["1 timeout true", "2 timeout true", "3 timeout true"])
        #expect(driver.finish(0, .batch([.succeeded, .succeeded, .succeeded])).isLeave)
        #expect(driver.core.counts.succeeded == 0)
        driver.core.checkInvariants()
    }

    @Test func whenOneJobIsTakenAwayTheOthersGoBackUnlessTheyAreDone() throws {
        let driver = self.driver()
        driver.deliver(3)
        driver.ask(0)
        driver.actions = []
        driver.obey(ended: [2])
        #expect(driver.actions.contains(.cancelSlot(0)))
        driver.core.checkInvariants()
        driver.finish(0, .batch([.succeeded, .succeeded, .failed(Self.failure, isRetryable: true)]))
        #expect(try self.reported(driver) == ["1 succeeded", "3 returned"])
        driver.core.checkInvariants()
    }

    @Test func whenAllJobsAreTakenAwayTheSlotIsAbandoned() throws {
        let driver = self.driver()
        driver.deliver(3)
        driver.ask(0)
        driver.obey(ended: [1, 2, 3])
        #expect(driver.core.state(of: 0) == .abandoned)
        #expect(driver.held == 0)
        driver.core.checkInvariants()
    }

    @Test func aDrainGivesBackWhatWaitsForItsBatch() throws {
        let driver = self.driver()
        driver.deliver(2)
        driver.drain()
        #expect(try self.reported(driver) == ["1 returned", "2 returned"])
        driver.core.checkInvariants()
    }

    @Test func everyJobOfABatchIsNamedInTheInventoryAndTheHeartbeat() throws {
        let driver = self.driver()
        driver.deliver(3)
        driver.ask(0)
        driver.deliver(2)
        driver.pass(.seconds(1))
        let report = try #require(driver.report())
        #expect(try Report.decode(report.frame).running.map(\.rawValue) == [1, 2, 3])
        let items = driver.beginRegistration().inventory.map { "\($0.id) \($0.phase)" }
        #expect(items.sorted() == ["1 running", "2 running", "3 running", "4 unstarted", "5 unstarted"])
    }

    /// Any order of events keeps the books, and no lease is reported twice.
    @Test(arguments: 1...200 as ClosedRange<UInt64>)
    func theBooksAreKeptWhateverHappens(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let driver = CoreDriver(
            slots: 1 + random.below(3), prefetchMax: random.below(8), timeout: .seconds(1 + random.below(8)),
            batch: BatchShape(jobsMax: 1 + random.below(5), patience: .milliseconds(random.below(400))),
            mixes: seed % 2 == 0)
        driver.register()
        for _ in 0..<300 {
            try driver.doSomething(&random)
            driver.core.checkInvariants()
        }
    }
}
