import Martlet
import MartletCore
import MartletWire
import Testing

/// Handlers that were told to stop and do not.
@Suite struct StuckHandlerTests {
    private static func stuck(_ driver: CoreDriver) -> [WorkerCore.Note] {
        driver.notes.filter { if case .stuck = $0 { true } else { false } }
    }

    @Test func aStuckHandlerIsReportedOnceAndKeepsItsSlot() {
        let driver = CoreDriver(slots: 2)
        driver.register()
        driver.deliver(1)
        driver.ask(0)
        driver.obey(ended: [1])
        driver.pass(.milliseconds(2900))
        #expect(Self.stuck(driver).isEmpty && driver.core.stuckCount == 0, "it may take its time to stop")
        driver.pass(.seconds(3))
        #expect(Self.stuck(driver) == [.stuck(JobID(rawValue: 1), isSlotFree: false)])
        #expect(driver.core.counts.stuck == 1 && driver.core.stuckCount == 1)
        #expect(driver.fetch?.creditTotal == 1 + 1, "one slot is left")
        #expect(driver.leaves(0), "it ends after all")
        #expect(driver.core.stuckCount == 0)
        driver.core.checkInvariants()
    }

    @Test func theCoordinatorHearsHowManyThereAre() throws {
        for (features, told) in [(PeerFeatures.current, 1), ([], 0)] as [(PeerFeatures, UInt32)] {
            let driver = CoreDriver(slots: 2)
            driver.register(features: features)
            driver.deliver(1)
            driver.ask(0)
            driver.obey(ended: [1])
            driver.pass(.seconds(6))
            let frame = try #require(driver.core.nextReport(at: driver.now, into: &driver.actions)).frame
            // A coordinator of 0.1.0 would not know what to do with it.
            #expect(try Report.decode(frame).stuck == told)
        }
    }

    @Test func whoStopsInTimeIsNotStuck() {
        let driver = CoreDriver(slots: 2)
        driver.register()
        driver.deliver(1)
        driver.ask(0)
        driver.obey(ended: [1])
        driver.pass(.seconds(1))
        #expect(driver.leaves(0))
        driver.pass(.seconds(5))
        #expect(Self.stuck(driver).isEmpty && driver.core.counts.stuck == 0)
    }

    @Test func othersRunInTheSteadOfStuckHandlersUpToABound() {
        let driver = CoreDriver(slots: 2, stuckHandlersMax: 1)
        driver.register()
        driver.deliver(2)
        driver.ask(0)
        driver.ask(1)
        #expect(driver.fetch?.creditTotal == 2, "the third slot is not for ordinary jobs")
        driver.obey(ended: [1, 2])
        driver.pass(.seconds(4))
        #expect(
            Self.stuck(driver) == [
                .stuck(JobID(rawValue: 1), isSlotFree: true), .stuck(JobID(rawValue: 2), isSlotFree: false),
            ])
        #expect(driver.fetch?.creditTotal == 3, "one is freed, the other keeps its slot")
        driver.deliver(2)
        guard case .run(let job, _) = driver.ask(2) else {
            Issue.record("nothing runs in its stead")
            return
        }
        #expect(job.id == JobID(rawValue: 3))
        driver.core.checkInvariants()
        // The stuck one that kept its slot ends: the slot is its own again, and takes what waits.
        #expect(driver.leaves(1))
        _ = driver.core.restart(1)
        guard case .run = driver.ask(1) else {
            Issue.record("its slot takes nothing")
            return
        }
        // The one that was freed ends: its place is taken.
        #expect(driver.leaves(0))
        driver.core.checkInvariants()
        #expect(driver.core.stuckCount == 0)
        _ = driver.core.restart(0)
        driver.deliver(1)
        guard case .wait = driver.ask(0) else {
            Issue.record("three handlers run in two slots")
            return
        }
        driver.core.checkInvariants()
    }

    @Test func aPlaceThatComesFreeIsForOneThatHasBeenStuckForLong() {
        let driver = CoreDriver(slots: 1, stuckHandlersMax: 1)
        driver.register()
        driver.deliver(1)
        driver.ask(0)
        driver.obey(ended: [1])
        driver.pass(.seconds(4))
        driver.deliver(1)
        driver.ask(1)
        driver.obey(ended: [2])
        driver.pass(.seconds(4))
        #expect(driver.core.stuckCount == 2 && driver.fetch?.creditTotal == 2, "both hang, one is replaced")
        #expect(driver.leaves(0))
        driver.pass(.milliseconds(100))
        #expect(driver.core.stuckCount == 1 && driver.fetch?.creditTotal == 3, "now the other one is")
        driver.core.checkInvariants()
    }
}

extension CoreDriver {
    /// The slot's handler ends. Whether its task ends with it.
    fileprivate func leaves(_ slot: Int) -> Bool {
        if case .leave = self.finish(slot, .succeeded) { true } else { false }
    }
}
