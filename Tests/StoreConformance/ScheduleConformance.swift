import MartletCore
import MartletStore
import Testing

/// Schedules fire each instant once.
extension StoreConformance {
    static let scheduleCases = [
        Case("aScheduleBeginsWhenItIsMadeAndOutlivesItsOwner", aScheduleBeginsWhenItIsMadeAndOutlivesItsOwner),
        Case("aChangedScheduleGoesOnWhereItWas", aChangedScheduleGoesOnWhereItWas),
        Case("aFireMakesItsJobsAndTakesTheScheduleFurther", aFireMakesItsJobsAndTakesTheScheduleFurther),
        Case("aRepeatedOrLateFireCreatesNothing", aRepeatedOrLateFireCreatesNothing),
        Case("aPausedScheduleDoesNotFire", aPausedScheduleDoesNotFire),
        Case("anInstantIsLeftOutWhileTheRunBeforeHasNotEnded", anInstantIsLeftOutWhileTheRunBeforeHasNotEnded),
        Case("oneInstantWaitsForTheRunBefore", oneInstantWaitsForTheRunBefore),
        Case("aBackfillMakesWhatHadNoRun", aBackfillMakesWhatHadNoRun),
        Case("aRunAtOnceIsMadeOnce", aRunAtOnceIsMadeOnce),
        Case("oldRunsAreForgottenAndNotMadeAgain", oldRunsAreForgottenAndNotMadeAgain),
        Case("aDeletedScheduleLeavesItsJobs", aDeletedScheduleLeavesItsJobs),
    ]

    private static func new(_ name: String = "nightly", _ definition: String = "a") -> Change {
        .schedule(.save(NewSchedule(name: name, definition: Bytes(copying: definition.utf8), origin: .client)))
    }

    private static func fire(
        _ kind: ScheduleFire.Kind, _ instants: [WallTime], overlap: OverlapPolicy = .allow, revision: UInt64 = 1,
        of name: String = "nightly"
    ) -> Change {
        .schedule(
            .fire([
                ScheduleFire(
                    name: name, revision: revision, kind: kind, overlap: overlap,
                    runs: instants.map { ScheduleFire.Run(instant: $0, job: .job("\($0.microseconds)")) })
            ]))
    }

    private static func due(
        _ after: WallTime, _ instants: [WallTime], through: WallTime? = nil, missed: Int = 0,
        overlap: OverlapPolicy = .allow, revision: UInt64 = 1
    ) -> Change {
        fire(
            .due(after: after, missed: missed, through: through ?? instants.last!), instants, overlap: overlap,
            revision: revision)
    }

    /// What became of one fire.
    private static func result(_ owner: Owner, _ change: Change, at now: WallTime = 100) async throws -> ScheduleFired {
        let outcomes = try await owner.commit(change, at: now)
        guard case .fired(let fired) = outcomes.first, fired.count == 1 else {
            Issue.record("not the outcome of a fire: \(outcomes)")
            return ScheduleFired(name: "", isApplied: false, row: nil)
        }
        return fired[0]
    }

    private static func ids(_ fired: ScheduleFired) -> [JobID] {
        fired.runs.compactMap { if case .created(let id) = $0 { id } else { nil } }
    }

    private static func aScheduleBeginsWhenItIsMadeAndOutlivesItsOwner(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let row = ScheduleRow(
            name: "nightly", definition: Bytes(copying: "a".utf8), origin: .client, handledThrough: 70)
        #expect(try await owner.commit(new(), at: 70) == [.schedule(row, isChanged: true)])
        #expect(try await owner.commit(new(), at: 90) == [.schedule(row, isChanged: false)])
        try await owner.commit(new("b"), new("a"), at: 80)
        owner = try await suite.reopen(owner)
        #expect(owner.opening.schedules.map(\.name) == ["a", "b", "nightly"])
        #expect(owner.opening.schedules.last == row)
        #expect(try await owner.store.schedule("nightly") == row)
        #expect(try await owner.store.schedule("daily") == nil)
        await owner.store.close()
    }

    private static func aChangedScheduleGoesOnWhereItWas(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        try await owner.commit(new(), at: 70)
        try await owner.commit(new("nightly", "b"), at: 90)
        var row = try #require(try await owner.store.schedule("nightly"))
        #expect(row.revision == 2 && row.handledThrough == 70 && row.definition == Bytes(copying: "b".utf8))
        let change = NewSchedule(
            name: "nightly", definition: Bytes(copying: "b".utf8), origin: .file, handledThrough: 95)
        try await owner.commit(.schedule(.save(change)), at: 99)
        row = try #require(try await owner.store.schedule("nightly"))
        #expect(row.revision == 3 && row.handledThrough == 95 && row.origin == .file)
        await owner.store.close()
    }

    private static func aFireMakesItsJobsAndTakesTheScheduleFurther(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        try await owner.commit(new(), at: 10)
        let result = try await owner.store.commit(
            CommitGroup(epoch: owner.epoch, now: 60, changes: [due(10, [20, 30], through: 40, missed: 3)]))
        guard case .fired(let fired) = result.outcomes[0] else {
            Issue.record("\(result)")
            return
        }
        let ids = ids(fired[0])
        #expect(fired[0].isApplied && ids.count == 2)
        #expect(result.consequences.waiting.map(\.id) == ids)
        #expect(try await owner.states(ids) == [.ready, .ready])
        #expect(try await owner.totals().submittedTotal == 2)
        owner = try await suite.reopen(owner)
        let row = try #require(owner.opening.schedules.first)
        #expect(row == fired[0].row)
        #expect(row.handledThrough == 40 && row.lastJob == ids[1] && row.runCount == 2)
        #expect(row.firedTotal == 2 && row.missedTotal == 3 && row.skippedTotal == 0)
        let runs = [ScheduleRun(instant: 30, job: ids[1]), ScheduleRun(instant: 20, job: ids[0])]
        #expect(try await owner.store.runs(of: "nightly", before: nil, limit: 9) == runs)
        #expect(try await owner.store.runs(of: "nightly", before: 30, limit: 9) == [runs[1]])
        // The ids go on behind those of the runs.
        #expect(try await owner.submit(1, .jobs(1)) == [ids[1].advanced(by: 1)])
        await owner.store.close()
    }

    private static func aRepeatedOrLateFireCreatesNothing(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        try await owner.commit(new(), at: 10)
        #expect(try await result(owner, due(10, [20])).isApplied)
        for late in [
            due(10, [20]), due(10, [20, 30]), due(5, [15]), due(20, [30], revision: 2),
            fire(.queued, [20]), fire(.due(after: 20, missed: 0, through: 30), [30], of: "daily"),
        ] {
            let fired = try await result(owner, late)
            #expect(!fired.isApplied && fired.runs.isEmpty)
        }
        #expect(try await owner.totals().submittedTotal == 1)
        let row = try #require(try await owner.store.schedule("nightly"))
        #expect(row.handledThrough == 20 && row.firedTotal == 1)
        await owner.store.close()
    }

    private static func aPausedScheduleDoesNotFire(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        try await owner.commit(new(), at: 10)
        try await owner.commit(.schedule(.pause(SchedulePause(name: "nightly", isPaused: true))))
        #expect(try await owner.store.schedule("nightly")?.isPaused == true)
        #expect(try await !result(owner, due(10, [20])).isApplied)
        try await owner.commit(
            .schedule(.pause(SchedulePause(name: "nightly", isPaused: false, passedThrough: 50, passed: 4))))
        let row = try #require(try await owner.store.schedule("nightly"))
        #expect(!row.isPaused && row.handledThrough == 50 && row.skippedTotal == 4)
        #expect(try await result(owner, due(50, [60])).isApplied)
        let unknown = try await owner.commit(.schedule(.pause(SchedulePause(name: "daily", isPaused: true))))
        #expect(unknown == [.schedule(nil, isChanged: false)])
        await owner.store.close()
    }

    private static func anInstantIsLeftOutWhileTheRunBeforeHasNotEnded(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        try await owner.commit(new(), at: 10)
        let first = try await result(owner, due(10, [20, 30], overlap: .skip))
        let job = try #require(ids(first).first)
        #expect(first.runs == [.created(job), .leftOut])
        #expect(try await result(owner, due(30, [40], overlap: .skip)).runs == [.leftOut])
        try await owner.commit(.succeed([SucceededJob(job)]))
        let last = try await result(owner, due(40, [50], overlap: .skip))
        #expect(ids(last).count == 1)
        #expect(last.row?.firedTotal == 2 && last.row?.skippedTotal == 2)
        await owner.store.close()
    }

    private static func oneInstantWaitsForTheRunBefore(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        try await owner.commit(new(), at: 10)
        let first = try await result(owner, due(10, [20, 30, 40], overlap: .queueOne))
        let job = try #require(ids(first).first)
        #expect(first.runs == [.created(job), .waiting, .leftOut])
        #expect(first.row?.queuedInstant == 30 && first.row?.handledThrough == 40)
        #expect(try await !result(owner, fire(.queued, [30], overlap: .queueOne)).isApplied)
        // Kept, and over all the same.
        try await owner.commit(.succeed([SucceededJob(job, retained: true)]))
        let queued = try await result(owner, fire(.queued, [30], overlap: .queueOne))
        #expect(ids(queued).count == 1)
        #expect(queued.row?.queuedInstant == nil && queued.row?.lastJob == ids(queued).first)
        #expect(queued.row?.firedTotal == 2 && queued.row?.skippedTotal == 1)
        #expect(try await !result(owner, fire(.queued, [30], overlap: .queueOne)).isApplied)
        await owner.store.close()
    }

    private static func aBackfillMakesWhatHadNoRun(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        try await owner.commit(new(), at: 10)
        let fired = try await result(owner, due(10, [30], through: 40, missed: 1))
        let known = try #require(ids(fired).first)
        let backfill = fire(.backfill, [5, 20, 30, 50])
        let made = try await result(owner, backfill)
        let new = ids(made)
        #expect(new.count == 2)
        #expect(made.runs == [.created(new[0]), .created(new[1]), .existing(known), .leftOut])
        let again = try await result(owner, backfill)
        #expect(again.runs == [.existing(new[0]), .existing(new[1]), .existing(known), .leftOut])
        #expect(again.row?.lastJob == known && again.row?.handledThrough == 40 && again.row?.firedTotal == 1)
        await owner.store.close()
    }

    private static func aRunAtOnceIsMadeOnce(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        try await owner.commit(new(), at: 10)
        let made = try await result(owner, fire(.now, [77]))
        let job = try #require(ids(made).first)
        #expect(try await result(owner, fire(.now, [77])).runs == [.existing(job)])
        #expect(made.row?.handledThrough == 10 && made.row?.lastJob == nil && made.row?.firedTotal == 0)
        await owner.store.close()
    }

    private static func oldRunsAreForgottenAndNotMadeAgain(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        try await owner.commit(new(), at: 0)
        let instants = (1...Int64(ScheduleRow.runsMax)).map { WallTime(microseconds: $0 * 10) }
        #expect(try await result(owner, due(0, instants)).isApplied)
        let last = instants.last! + .microseconds(20)
        let fired = try await result(owner, due(instants.last!, [last - .microseconds(10), last]))
        #expect(fired.row?.runCount == ScheduleRow.runsMax && fired.row?.forgottenThrough == instants[1])
        let backfill = try await result(owner, fire(.backfill, [5] + instants[0...2]))
        guard case .existing = backfill.runs.last else {
            Issue.record("\(backfill.runs)")
            return
        }
        #expect(backfill.runs.dropLast() == [.forgotten, .forgotten, .forgotten])
        await owner.store.close()
    }

    private static func aDeletedScheduleLeavesItsJobs(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        try await owner.commit(new(), at: 10)
        let made = ids(try await result(owner, due(10, [20])))
        #expect(
            try await owner.commit(.schedule(.delete(name: "nightly")), .schedule(.delete(name: "nightly")))
                == [.schedule(nil, isChanged: true), .schedule(nil, isChanged: false)])
        #expect(try await owner.states(made) == [.ready])
        #expect(try await owner.store.runs(of: "nightly", before: nil, limit: 9).isEmpty)
        #expect(try await !result(owner, due(20, [30])).isApplied)
        // One of that name later is another one.
        try await owner.commit(new(), at: 50)
        #expect(ids(try await result(owner, due(50, [60]))).count == 1)
        await owner.store.close()
    }
}
