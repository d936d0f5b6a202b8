import MartletCore
import MartletStore
import Testing

/// What becomes of jobs, and how it is counted.
extension StoreConformance {
    static let changeCases = [
        Case("aSucceededJobIsGone", aSucceededJobIsGone),
        Case("aRunOfSuccessesPassesOverWhatIsNotThere", aRunOfSuccessesPassesOverWhatIsNotThere),
        Case("aRetainedJobStaysUntilPurged", aRetainedJobStaysUntilPurged),
        Case("aScheduledJobMaySucceed", aScheduledJobMaySucceed),
        Case("updatesApplyInTheExpectedStateOnly", updatesApplyInTheExpectedStateOnly),
        Case("aChangeInTheWrongLaneIsMissing", aChangeInTheWrongLaneIsMissing),
        Case("aFailureIsKeptUntilThereIsAnother", aFailureIsKeptUntilThereIsAnother),
        Case("theDeadAreRevivedOrDeleted", theDeadAreRevivedOrDeleted),
        Case("purgeTakesTheOldestAndIsBounded", purgeTakesTheOldestAndIsBounded),
        Case("whatAQueueKeepsIsTrimmedToItsBytes", whatAQueueKeepsIsTrimmedToItsBytes),
        Case("bytesAreKeptOnlyOfWhatIsOverAndStays", bytesAreKeptOnlyOfWhatIsOverAndStays),
        Case("changesOfOneGroupSeeEachOther", changesOfOneGroupSeeEachOther),
        Case("totalsCountWhatHappened", totalsCountWhatHappened),
    ]

    private static func aSucceededJobIsGone(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, .jobs(5))
        let nobody = JobID(shard: 0, sequence: 1 << 40)
        // Out of order, one twice, one that never was.
        let outcomes = try await owner.commit(
            .succeed([3, 1, 3].map { SucceededJob(ids[$0]) } + [SucceededJob(nobody)]),
            .succeed([SucceededJob(ids[0])]), .succeed([]))
        #expect(outcomes == [.applied(missing: [ids[3], nobody]), .applied(missing: []), .applied(missing: [])])
        #expect(try await owner.states(ids) == [nil, nil, .ready, nil, .ready])
        let totals = try await owner.totals()
        #expect(totals.succeededTotal == 3 && totals.ready == 2)
        await owner.store.close()
    }

    /// Stores take neighbours together; the odd one among them must not be taken with them, nor keep them.
    private static func aRunOfSuccessesPassesOverWhatIsNotThere(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, .jobs(50) + [.job(lane: .second)] + .jobs(20))
        try await owner.commit(
            .update([JobUpdate(ids[10], .dead), JobUpdate(ids[20], .scheduled, due: 7)]),
            .succeed([SucceededJob(ids[30])]))
        let run = ids[0..<60].map { SucceededJob($0) }
        #expect(try await owner.commit(.succeed(run)) == [.applied(missing: [ids[10], ids[30], ids[50]])])
        #expect(try await owner.states([ids[10], ids[50], ids[60]]) == [.dead, .ready, .ready])
        let past = ids[60...].map { SucceededJob($0) } + (1...5).map { SucceededJob(ids[70].advanced(by: $0)) }
        #expect(
            try await owner.commit(.succeed(past), .succeed(past))
                == [.applied(missing: past.suffix(5).map(\.id)), .applied(missing: past.map(\.id))])
        // In any order, and the missing in that order.
        let last = try await owner.submit(2, .jobs(9))
        let order = [8, 3, 20, 3, 0, 7, 21, 5, 8, 1, 2, 6, 4, 20]
        #expect(
            try await owner.commit(.succeed(order.map { SucceededJob(last[0].advanced(by: $0)) }))
                == [.applied(missing: [20, 3, 21, 8, 20].map { last[0].advanced(by: $0) })])
        let totals = try await owner.totals()
        #expect(totals.succeededTotal == 78 && totals.dead == 1 && totals.ready == 0 && totals.scheduled == 0)
        #expect(try await owner.store.readyJobs(after: nil, limit: 9).map(\.id) == [ids[50]])
        await owner.store.close()
    }

    private static func aRetainedJobStaysUntilPurged(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, [.job("a"), .job("b", due: 500), .job("c")])
        let outcomes = try await owner.commit(
            .succeed([
                SucceededJob(ids[0], retained: true), SucceededJob(ids[1], retained: true), SucceededJob(ids[2]),
                SucceededJob(ids[0], retained: true), SucceededJob(ids[0]),
            ]), at: 700)
        #expect(outcomes == [.applied(missing: [ids[0], ids[0]])])
        owner = try await suite.reopen(owner)
        #expect(try await owner.states(ids) == [.succeeded, .succeeded, nil])
        let (record, payload) = try #require(try await owner.store.job(ids[1]))
        #expect(record.finishedAt == 700 && record.createdAt == 100 && record.due == nil)
        #expect(payload == Bytes(copying: "b".utf8))
        #expect(try await owner.store.load(ids, bytesMax: .max).jobs.isEmpty)
        #expect(try await owner.store.readyJobs(after: nil, limit: 9).isEmpty)
        #expect(try await owner.totals().succeededTotal == 3)
        #expect(try await owner.commit(.purge(limit: 9), at: 999) == [.purged(count: 0)])
        #expect(try await owner.states(ids) == [.succeeded, .succeeded, nil])
        #expect(try await owner.commit(.purge(limit: 9), at: 1000) == [.purged(count: 2)])
        #expect(try await owner.states(ids) == [nil, nil, nil])
        #expect(try await owner.totals().succeededTotal == 3)
        await owner.store.close()
    }

    private static func aScheduledJobMaySucceed(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, [.job(due: 200), .job(due: 300), .job()])
        #expect(
            try await owner.commit(.succeed([SucceededJob(ids[0]), SucceededJob(ids[2])])) == [.applied(missing: [])])
        let totals = try await owner.totals()
        #expect(totals.scheduled == 1 && totals.ready == 0 && totals.succeededTotal == 2)
        #expect(try await owner.store.scheduledJobs(after: nil, dueBy: 999, limit: 9).map(\.id) == [ids[1]])
        await owner.store.close()
    }

    private static func updatesApplyInTheExpectedStateOnly(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, [.job(), .job(due: 9), .job(), .job(), .job()])
        let setUp = try await owner.commit(
            .update([JobUpdate(ids[2], .dead), JobUpdate(ids[3], .cancelled), JobUpdate(ids[4], .expired)]))
        #expect(setUp == [.applied(missing: [])])
        let pending = [ids[0], ids[1]]
        let over = [ids[2], ids[3], ids[4], JobID(shard: 0, sequence: 1 << 40)]
        for id in pending {
            #expect(
                try await owner.commit(.update([JobUpdate(id, expected: .dead, .ready)])) == [.applied(missing: [id])])
        }
        #expect(try await owner.commit(.update(over.map { JobUpdate($0, .ready) })) == [.applied(missing: over)])
        #expect(
            try await owner.commit(.update(over.map { JobUpdate($0, expected: .dead, .scheduled, due: 77) }))
                == [.applied(missing: Array(over.dropFirst()))])
        #expect(try await owner.states(ids) == [.ready, .scheduled, .scheduled, .cancelled, .expired])
        // Ready may become scheduled and back, and so may the one that was revived.
        #expect(
            try await owner.commit(
                .update([JobUpdate(ids[0], .scheduled, due: 5), JobUpdate(ids[1], .ready), JobUpdate(ids[2], .ready)]))
                == [.applied(missing: [])])
        #expect(try await owner.states(ids) == [.scheduled, .ready, .ready, .cancelled, .expired])
        #expect(try await owner.store.job(ids[1])?.record.due == nil)
        #expect(try await owner.store.job(ids[3])?.record.finishedAt == 100)
        await owner.store.close()
    }

    private static func aChangeInTheWrongLaneIsMissing(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, .jobs(2) + [.job(due: 5)])
        let wrong = LaneID.second
        #expect(
            try await owner.commit(
                .succeed([SucceededJob(ids[0], lane: wrong), SucceededJob(ids[2], lane: wrong)]),
                .succeed([SucceededJob(ids[1], lane: wrong, retained: true)]),
                .update([JobUpdate(ids[0], lane: wrong, .dead)]))
                == [.applied(missing: [ids[0], ids[2]]), .applied(missing: [ids[1]]), .applied(missing: [ids[0]])])
        #expect(try await owner.states(ids) == [.ready, .ready, .scheduled])
        #expect(try await owner.totals(wrong).submittedTotal == 0)
        #expect(try await owner.totals().ready == 2)
        await owner.store.close()
    }

    private static func aFailureIsKeptUntilThereIsAnother(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let id = try await owner.submit(1, .jobs(1))[0]
        #expect(try await owner.store.job(id)?.record.lastFailure == nil)
        let failure = JobFailure(kind: "timeout", message: "äöü \u{0} took 5 s")
        try await owner.commit(
            .update([JobUpdate(id, .scheduled, due: 900, failures: .max, nodeDeaths: .max, failure: failure)]))
        try await owner.commit(.update([JobUpdate(id, .ready, failures: 2, nodeDeaths: 1)]))
        owner = try await suite.reopen(owner)
        let record = try #require(try await owner.store.job(id)).record
        #expect(record.lastFailure == failure)
        #expect(record.history == JobHistory(failures: 2, nodeDeaths: 1))
        let other = JobFailure(kind: "", message: "")
        try await owner.commit(.update([JobUpdate(id, .dead, failures: 3, failure: other)]))
        #expect(try await owner.store.job(id)?.record.lastFailure == other)
        await owner.store.close()
    }

    private static func theDeadAreRevivedOrDeleted(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, .jobs(4))
        try await owner.commit(.update(ids.prefix(3).map { JobUpdate($0, .dead, failures: 15) }))
        #expect(try await owner.totals().dead == 3)
        #expect(
            try await owner.commit(.delete([ids[3], ids[0], ids[0]])) == [.applied(missing: [ids[3], ids[0]])])
        #expect(
            try await owner.commit(.update([JobUpdate(ids[1], expected: .dead, .ready)])) == [.applied(missing: [])])
        #expect(try await owner.states(ids) == [nil, .ready, .dead, .ready])
        let revived = try #require(try await owner.store.job(ids[1])).record
        #expect(revived.history == JobHistory() && revived.finishedAt == nil)
        let totals = try await owner.totals()
        #expect(totals.dead == 1 && totals.ready == 2 && totals.deletedTotal == 1 && totals.retriedTotal == 0)
        #expect(try await owner.store.readyJobs(after: nil, limit: 9).map(\.id) == [ids[1], ids[3]])
        await owner.store.close()
    }

    private static func purgeTakesTheOldestAndIsBounded(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, .jobs(6))
        for (place, time) in [(5, 10), (0, 20), (3, 20), (1, 30), (2, 40)] as [(Int, Int64)] {
            let update = JobUpdate(ids[place], .dead, keptFor: .microseconds(100))
            try await owner.commit(.update([update]), at: WallTime(microseconds: time))
        }
        #expect(try await owner.commit(.purge(limit: 2), at: 130) == [.purged(count: 2)])
        #expect(try await owner.states(ids) == [nil, .dead, .dead, .dead, .ready, nil])
        #expect(try await owner.totals().deletedTotal == 2)
        try await owner.commit(.purge(limit: 9), at: 139)
        #expect(try await owner.states(ids) == [nil, nil, .dead, nil, .ready, nil])
        // What is not over is never purged, nor what is kept for ever.
        try await owner.commit(.update([JobUpdate(ids[2], expected: .dead, .ready)]), at: 139)
        try await owner.commit(.update([JobUpdate(ids[2], .dead)]), at: 139)
        try await owner.commit(.purge(limit: 9), at: .minutes(9))
        #expect(try await owner.states([ids[2], ids[4]]) == [.dead, .ready])
        #expect(try await owner.totals().dead == 1)
        await owner.store.close()
    }

    private static func whatAQueueKeepsIsTrimmedToItsBytes(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let overhead = KeptJob.overheadBytes
        // Lanes: mail/welcome, mail/invoice, maps/welcome.
        let ids = try await owner.submit(
            1, [.job("abc"), .job("de", lane: .second), .job("f", lane: .third), .job("ghij"), .job("k")])
        func trim(_ bytesMax: Int, limit: Int = 9) -> Change {
            .trim(KeptTrim(queue: "mail", bytesMax: bytesMax, limit: limit))
        }
        try await owner.commit(.update([JobUpdate(ids[3], .dead)]), at: 110)
        try await owner.commit(.update([JobUpdate(ids[1], lane: .second, .cancelled)]), at: 120)
        try await owner.commit(
            .succeed([
                SucceededJob(ids[0], retained: true), SucceededJob(id: ids[2], lane: .third, keptFor: .seconds(9)),
            ]), at: 130)
        owner = try await suite.reopen(owner)
        #expect(try await owner.totals().keptBytes == UInt64(7 + 2 * overhead))
        #expect(try await owner.totals(.second).keptBytes == UInt64(2 + overhead))
        #expect(try await owner.commit(trim(9 + 3 * overhead)) == [.purged(count: 0)])
        #expect(try await owner.commit(trim(8 + 3 * overhead, limit: 0)) == [.purged(count: 0)])
        // Whatever has been over for longest goes first, in whichever lane, until the rest fits.
        #expect(try await owner.commit(trim(8 + 3 * overhead)) == [.purged(count: 1)])
        #expect(try await owner.states(ids) == [.succeeded, .cancelled, .succeeded, nil, .ready])
        #expect(try await owner.totals().deletedTotal == 1)
        #expect(try await owner.commit(trim(0, limit: 1)) == [.purged(count: 1)])
        #expect(try await owner.states(ids) == [.succeeded, nil, .succeeded, nil, .ready])
        #expect(try await owner.commit(trim(0)) == [.purged(count: 1)])
        #expect(try await owner.states(ids) == [nil, nil, .succeeded, nil, .ready])
        #expect(try await owner.totals().keptBytes == 0)
        #expect(try await owner.commit(.trim(KeptTrim(queue: "nowhere", bytesMax: 0, limit: 9))) == [.purged(count: 0)])
        await owner.store.close()
    }

    private static func bytesAreKeptOnlyOfWhatIsOverAndStays(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, [.job("abc"), .job("de"), .job("f")])
        try await owner.commit(.succeed([SucceededJob(ids[0])]))
        try await owner.commit(.update([JobUpdate(ids[1], .cancelled, keptFor: .zero)]))
        #expect(try await owner.totals().keptBytes == 0)
        // With what it printed, until it goes on; and with what it returned.
        let attempt = AttemptRecord(
            number: 1, endedAt: 100, node: "n", failure: JobFailure(kind: "k", message: "m"),
            output: Bytes(copying: "output".utf8))
        try await owner.commit(
            .update([
                JobUpdate(
                    id: ids[2], lane: .first, state: .dead, due: nil, history: JobHistory(failures: 1, nodeDeaths: 0),
                    attempt: attempt)
            ]))
        #expect(try await owner.totals().keptBytes == UInt64(7 + KeptJob.overheadBytes))
        try await owner.commit(.update([JobUpdate(ids[2], expected: .dead, .ready)]))
        #expect(try await owner.totals().keptBytes == 0)
        let details = SucceededJob.Details(result: Bytes(copying: "result".utf8), followUps: [])
        try await owner.commit(
            .succeed([SucceededJob(id: ids[2], lane: .first, keptFor: .microseconds(50), details: details)]), at: 200)
        #expect(try await owner.totals().keptBytes == UInt64(13 + KeptJob.overheadBytes))
        #expect(try await owner.commit(.purge(limit: 9), at: 250) == [.purged(count: 1)])
        #expect(try await owner.totals().keptBytes == 0)
        await owner.store.close()
    }

    private static func changesOfOneGroupSeeEachOther(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let before = try await owner.submit(1, .jobs(1))[0]
        let id = before.advanced(by: 1)
        let outcomes = try await owner.commit(
            .submit(Submission(2, .jobs(1))), .update([JobUpdate(id, .dead)]), .succeed([SucceededJob(id)]),
            .delete([id]), .delete([id]))
        #expect(
            outcomes == [
                .submitted(.accepted(first: id, count: 1)), .applied(missing: []), .applied(missing: [id]),
                .applied(missing: []), .applied(missing: [id]),
            ])
        await owner.store.close()
    }

    private static func totalsCountWhatHappened(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let jobs: [NewJob] = .jobs(7) + [.job(due: 9)]
        let ids = try await owner.submit(1, jobs)
        let others = try await owner.submit(2, .jobs(2, lane: .third))
        try await owner.commit(
            .update([
                JobUpdate(ids[0], .scheduled, due: 50, failures: 1), JobUpdate(ids[1], .ready, failures: 1),
                // No attempt was lost: not a retry.
                JobUpdate(ids[2], .scheduled, due: 50), JobUpdate(ids[3], .dead, failures: 1),
                JobUpdate(ids[4], .cancelled), JobUpdate(ids[5], .expired),
            ]), .succeed([SucceededJob(ids[6]), SucceededJob(others[0], lane: .third)]))
        owner = try await suite.reopen(owner)
        var expected = LaneTotals(lane: LaneKey.standard[0])
        expected.ready = 1
        expected.scheduled = 3
        expected.dead = 1
        expected.submittedTotal = 8
        expected.succeededTotal = 1
        expected.retriedTotal = 2
        expected.cancelledTotal = 1
        expected.expiredTotal = 1
        expected.keptBytes = UInt64([3, 4, 5].reduce(0) { $0 + jobs[$1].payload.count + KeptJob.overheadBytes })
        #expect(try await owner.totals() == expected)
        #expect(try await owner.totals(.second) == LaneTotals(lane: LaneKey.standard[1]))
        #expect(try await owner.totals(.third).succeededTotal == 1)
        #expect(owner.opening.pendingCount == 5)
        await owner.store.close()
    }
}
