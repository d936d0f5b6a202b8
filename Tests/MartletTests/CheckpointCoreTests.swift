import Martlet
import MartletCore
import MartletWire
import Testing

/// What the worker decides about checkpoints and completions, without a worker.
@Suite struct CheckpointCoreTests {
    private static let value = Bytes(copying: "here".utf8)
    private static let followUp = Completion(
        followUps: [.init(template: JobTemplate(type: "t", queue: "q"), payload: .empty, delay: .zero)])

    /// A worker whose first slot runs job 1, registered at a coordinator that can do all.
    private static func running(_ features: PeerFeatures = .current, prefetchMax: Int = 0) -> CoreDriver {
        let driver = CoreDriver(slots: 1, prefetchMax: prefetchMax)
        driver.register(features: features)
        driver.deliver(1)
        driver.ask(0)
        driver.actions = []
        return driver
    }

    private static func save(_ driver: CoreDriver, use: UInt64 = 9, id: UInt64 = 1) -> Bool {
        driver.core.checkpoint(
            JobID(rawValue: id), in: 0, use: use, self.value, into: &driver.actions)
    }

    private static func items(_ driver: CoreDriver) throws -> [Report.Item] {
        let report = try #require(driver.report())
        return try Report.decode(report.frame).items
    }

    private static func judged(_ driver: CoreDriver) -> [WorkerCore.Action] {
        driver.actions.filter { if case .checkpointJudged = $0 { true } else { false } }
    }

    @Test(arguments: [ReportReply.Verdict.accepted, .refused, .unknown])
    func aCheckpointIsSavedIfTheCoordinatorSaysSo(verdict: ReportReply.Verdict) throws {
        let driver = Self.running()
        #expect(Self.save(driver))
        #expect(driver.actions.contains(.wakeReporter))
        let report = try #require(driver.report())
        #expect(try Report.decode(report.frame).items.map(\.result) == [.checkpoint(Self.value)])
        #expect(Self.judged(driver).isEmpty, "not before it is answered")
        driver.answer(report, [verdict])
        #expect(Self.judged(driver) == [.checkpointJudged(0, use: 9, isSaved: verdict == .accepted)])
        #expect(driver.held == 1, "the job goes on")
        #expect(driver.core.counts.accepted == 0 && driver.core.counts.refused == 0, "it is no result")
        driver.core.checkInvariants()
    }

    @Test func aCheckpointGoesBeforeTheResultsOfOthers() throws {
        let driver = CoreDriver(slots: 2)
        driver.register(features: .current)
        driver.deliver(2)
        driver.ask(0)
        driver.ask(1)
        driver.finish(1, .succeeded)
        #expect(Self.save(driver))
        let report = try #require(driver.report())
        #expect(try Report.decode(report.frame).items.map(\.result) == [.checkpoint(Self.value), .succeeded])
        driver.answer(report, [.refused, .accepted])
        #expect(Self.judged(driver) == [.checkpointJudged(0, use: 9, isSaved: false)])
        #expect(driver.core.counts.accepted == 1)
    }

    @Test func onlyTheAttemptThatRunsSavesOne() throws {
        let driver = Self.running()
        #expect(!Self.save(driver, id: 2), "another job's")
        #expect(Self.save(driver))
        // The handler did not wait for it.
        driver.finish(0, .succeeded)
        #expect(!Self.save(driver), "its handler has ended")
        driver.deliver(1)
        driver.ask(0)
        let report = try #require(driver.report())
        #expect(try Report.decode(report.frame).items.map(\.result) == [.succeeded])
        #expect(Self.judged(driver) == [.checkpointJudged(0, use: 9, isSaved: false)])
    }

    /// The same slot may have the same job again before the first attempt's checkpoint was sent.
    @Test func aCheckpointOfAnEarlierAttemptDoesNotOutliveIt() throws {
        let driver = Self.running()
        #expect(Self.save(driver))
        driver.finish(0, .failed(JobFailure(kind: "E", message: "m"), isRetryable: true))
        driver.redeliver(1)
        driver.ask(0)
        let report = try #require(driver.report())
        #expect(try Report.decode(report.frame).items.count == 1, "the failure alone")
        #expect(Self.judged(driver) == [.checkpointJudged(0, use: 9, isSaved: false)])
    }

    @Test func aJobThatWasTakenAwaySavesNothing() throws {
        let driver = Self.running()
        #expect(Self.save(driver))
        driver.obey(ended: [1])
        #expect(Self.judged(driver) == [.checkpointJudged(0, use: 9, isSaved: false)])
        #expect(!Self.save(driver))
        driver.pass(.seconds(1))
        let report = try #require(driver.report())
        #expect(try Report.decode(report.frame).items.isEmpty)
    }

    @Test func whoeverWaitsHearsThatTheLeasesEnded() throws {
        let driver = Self.running()
        #expect(Self.save(driver))
        _ = try #require(driver.report())
        driver.pass(.seconds(20))
        #expect(Self.judged(driver).contains(.checkpointJudged(0, use: 9, isSaved: false)))
    }

    @Test func aLostAnswerIsAskedForAgainUnderTheNextRegistration() throws {
        let driver = Self.running()
        #expect(Self.save(driver))
        _ = try #require(driver.report())
        driver.register(features: .current)
        #expect(Self.judged(driver).isEmpty)
        let again = try #require(driver.report())
        #expect(try Report.decode(again.frame).items.map(\.result) == [.checkpoint(Self.value)])
        driver.answer(again, [.accepted])
        #expect(Self.judged(driver) == [.checkpointJudged(0, use: 9, isSaved: true)])
        driver.core.checkInvariants()
    }

    /// A deploy: the handler is told to stop and says how far it has come.
    @Test func aHandlerThatWasToldToStopMayStillSave() throws {
        let driver = Self.running()
        driver.drain()
        driver.heartbeat()
        driver.pass(.seconds(11))
        #expect(driver.core.state(of: 0) == .cancelled)
        driver.heartbeat()
        #expect(Self.save(driver))
        let report = try #require(driver.report())
        driver.answer(report, [.accepted])
        #expect(Self.judged(driver) == [.checkpointJudged(0, use: 9, isSaved: true)])
    }

    // MARK: Coordinators of version 0.1.0

    @Test func anOldCoordinatorKeepsNoCheckpoint() {
        let driver = Self.running([])
        #expect(!Self.save(driver))
    }

    @Test func followUpsFailTheAttemptWhereTheyWouldBeDropped() throws {
        let driver = Self.running([])
        driver.finish(0, .completed(Self.followUp))
        let item = try #require(try Self.items(driver).first)
        guard case .failed(let failure, isRetryable: true, output: .empty) = item.result else {
            Issue.record("not failed: \(item.result)")
            return
        }
        #expect(failure.kind == "follow-ups")
        #expect(driver.core.counts.failed == 1 && driver.core.counts.succeeded == 0)
    }

    @Test func aResultIsDroppedWhereNobodyTakesIt() throws {
        let driver = Self.running([])
        driver.finish(0, .completed(Completion(result: Self.value)))
        #expect(try Self.items(driver).map(\.result) == [.succeeded])
    }

    @Test func whatAHandlerLeavesIsReported() throws {
        let driver = Self.running(prefetchMax: 4)
        let completion = Completion(result: Self.value, followUps: Self.followUp.followUps)
        driver.finish(0, .completed(completion))
        #expect(try Self.items(driver).map(\.result) == [.completed(completion)])
    }
}
