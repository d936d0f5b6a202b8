import MartletCore
import MartletStore
import Testing

/// What some jobs have beside their row: results, attempts, checkpoints, follow-ups, an expiry.
extension StoreConformance {
    static let detailCases = [
        Case("followUpsAreCreatedWithTheCompletionOnly", followUpsAreCreatedWithTheCompletionOnly),
        Case("aResultStaysAsLongAsItsJob", aResultStaysAsLongAsItsJob),
        Case("theLastAttemptsAreKept", theLastAttemptsAreKept),
        Case("aCheckpointComesWithTheNextAttempt", aCheckpointComesWithTheNextAttempt),
        Case("whatHasNotStartedExpires", whatHasNotStartedExpires),
        Case("aMovedJobIsCountedInItsNewLane", aMovedJobIsCountedInItsNewLane),
        Case("aCancelledJobMayLeaveNothing", aCancelledJobMayLeaveNothing),
        Case("rareOptionsSurvive", rareOptionsSurvive),
        Case("jobsAreFoundByTagAndAge", jobsAreFoundByTagAndAge),
    ]

    private static func followUpsAreCreatedWithTheCompletionOnly(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, .jobs(2))
        let details = SucceededJob.Details(followUps: [.job("next", lane: .second), .job("later", due: 900)])
        let done = SucceededJob(id: ids[0], lane: .first, details: details)
        let consequences = try await owner.consequences(of: .succeed([done, done]))
        let next = ids[1].advanced(by: 1)
        #expect(consequences.waiting.map(\.id) == [next, next.advanced(by: 1)])
        #expect(consequences.waiting.map(\.due) == [nil, 900])
        #expect(try await owner.states(ids + [next, next.advanced(by: 1)]) == [nil, .ready, .ready, .scheduled])
        #expect(try await owner.totals().submittedTotal == 3)
        // A completion that comes too late brings nothing.
        #expect(try await owner.consequences(of: .succeed([done])) == Consequences())
        #expect(try await owner.states([next.advanced(by: 2)]) == [nil])
        await owner.store.close()
    }

    private static func aResultStaysAsLongAsItsJob(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, .jobs(2))
        let details = SucceededJob.Details(result: Bytes(copying: "42".utf8))
        try await owner.commit(
            .succeed([
                SucceededJob(id: ids[0], lane: .first, keptFor: .microseconds(50), details: details),
                SucceededJob(id: ids[1], lane: .first, details: details),
            ]))
        owner = try await suite.reopen(owner)
        #expect(try await owner.store.result(of: ids[0]) == Bytes(copying: "42".utf8))
        #expect(try await owner.store.result(of: ids[1]) == nil)
        #expect(try await owner.commit(.purge(limit: 9), at: 150) == [.purged(count: 1)])
        #expect(try await owner.store.result(of: ids[0]) == nil)
        await owner.store.close()
    }

    private static func theLastAttemptsAreKept(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let id = try await owner.submit(1, .jobs(1))[0]
        let attempts = (1...25 as ClosedRange<UInt32>).map { number in
            AttemptRecord(
                number: number, endedAt: WallTime(microseconds: Int64(number)), node: "n\(number)",
                failure: JobFailure(kind: "k", message: "m\(number)"), output: Bytes(copying: "out".utf8))
        }
        for attempt in attempts {
            try await owner.commit(.update([JobUpdate(id, .ready, failures: UInt16(attempt.number), attempt: attempt)]))
        }
        #expect(try await owner.store.attempts(of: id) == Array(attempts.suffix(AttemptRecord.keptMax)))
        try await owner.commit(.succeed([SucceededJob(id)]))
        #expect(try await owner.store.attempts(of: id).isEmpty)
        await owner.store.close()
    }

    private static func aCheckpointComesWithTheNextAttempt(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let id = try await owner.submit(1, .jobs(1))[0]
        func save(_ text: String, revision: UInt32 = 0) -> Change {
            .checkpoint([Checkpoint(id: id, lane: .first, revision: revision, value: Bytes(copying: text.utf8))])
        }
        #expect(try await owner.commit(save("one"), save("two")) == [.applied(missing: []), .applied(missing: [])])
        #expect(try await owner.commit(save("stale", revision: 7)) == [.applied(missing: [id])])
        owner = try await suite.reopen(owner)
        #expect(try await owner.store.load([id], bytesMax: 9).jobs.first?.checkpoint == Bytes(copying: "two".utf8))
        try await owner.commit(.update([JobUpdate(id, .dead)]))
        #expect(try await owner.commit(save("late")) == [.applied(missing: [id])])
        try await owner.commit(.update([JobUpdate(id, expected: .dead, .ready)]))
        #expect(try await owner.store.load([id], bytesMax: 9).jobs.first?.checkpoint == nil)
        await owner.store.close()
    }

    private static func whatHasNotStartedExpires(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        var options = JobOptions.standard
        options.expiry = .microseconds(50)
        let ids = try await owner.submit(
            1, [.job(options: options), .job(due: 500, options: options), .job(options: options), .job()])
        func expired(by now: WallTime) async throws -> [JobID] {
            try await owner.store.expiredJobs(by: now, after: nil, limit: 9).map(\.id)
        }
        #expect(try await expired(by: 149).isEmpty)
        #expect(try await expired(by: 150) == [ids[0], ids[2]])
        // One that has run and failed is not given up for being late.
        try await owner.commit(.update([JobUpdate(ids[2], .ready, failures: 1)]))
        #expect(try await expired(by: 549) == [ids[0]])
        #expect(try await expired(by: 550) == [ids[0], ids[1]])
        // Whoever ends it looked earlier: meanwhile it may have started, or have more time.
        let ends = [ids[2], ids[3], ids[0], ids[1]].map {
            JobUpdate(id: $0, lane: .first, expected: .overdue, state: .expired, history: nil)
        }
        #expect(
            try await owner.commit(.update(ends), at: 549) == [.applied(missing: [ids[2], ids[3], ids[1]])])
        #expect(try await owner.states(ids) == [.expired, .scheduled, .ready, .ready])
        #expect(try await expired(by: 999) == [ids[1]])
        await owner.store.close()
    }

    private static func aMovedJobIsCountedInItsNewLane(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, .jobs(2))
        let moves = [
            LaneChange(id: ids[0], lane: .first, newLane: .urgent),
            LaneChange(id: ids[1], lane: .urgent, newLane: .first),
            LaneChange(id: ids[1], lane: .first, newLane: .second),
        ]
        let consequences = try await owner.consequences(of: .move(moves))
        #expect(consequences.moved.map(\.after.lane) == [.urgent])
        #expect(try await owner.totals().ready == 1)
        #expect(try await owner.totals(.urgent).ready == 1)
        #expect(try await owner.store.readyJobs(after: nil, limit: 9).map(\.lane) == [.urgent, .first])
        await owner.store.close()
    }

    private static func aCancelledJobMayLeaveNothing(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, .jobs(2))
        try await owner.commit(
            .update([JobUpdate(ids[0], .cancelled, keptFor: .zero), JobUpdate(ids[1], .cancelled)]))
        #expect(try await owner.states(ids) == [nil, .cancelled])
        #expect(try await owner.totals().cancelledTotal == 2)
        #expect(try await owner.commit(.delete(ids)) == [.applied(missing: [ids[0]])])
        #expect(try await owner.totals().deletedTotal == 0)
        await owner.store.close()
    }

    private static func rareOptionsSurvive(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        var options = JobOptions(timeout: .seconds(5), retry: .never)
        options.expiry = .seconds(60)
        options.unique = UniqueKey("käse", scope: .queue, window: .afterSuccess(.seconds(7)), conflict: .replace)
        options.group = "tenant 7"
        options.key = "account/9"
        options.isOrdered = true
        options.retention = .seconds(9)
        options.tags = ["a", "b"]
        options.metadata = ["traceparent": "00-1", "empty": ""]
        options.batch = try await owner.openBatch(1)
        options.services = ["stripe", ServiceUse("maps", key: "tenant κ", weight: 70_000)]
        let id = try await owner.submit(2, [.job(options: options)])[0]
        owner = try await suite.reopen(owner)
        #expect(try await owner.store.job(id)?.record.options == options)
        #expect(try await owner.store.load([id], bytesMax: 9).jobs.first?.options == options)
        #expect(try await owner.store.readyJobs(after: nil, limit: 9).map(\.share) == [options.share])
        // That it is to use none is not the same as that nothing is said.
        options = JobOptions()
        options.services = []
        let free = try await owner.submit(3, [.job(options: options)])[0]
        owner = try await suite.reopen(owner)
        #expect(try await owner.store.job(free)?.record.options.services == [])
        await owner.store.close()
    }

    private static func jobsAreFoundByTagAndAge(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        var options = JobOptions.standard
        options.tags = ["red"]
        let batch = try await owner.openBatch(3)
        options.batch = batch
        let old = try await owner.submit(1, [.job(), .job(options: options)], at: 100)
        let new = try await owner.submit(2, [.job(), .job(options: options)], at: 200)
        func found(_ filter: JobFilter) async throws -> [JobID] {
            try await owner.store.jobs(matching: filter, after: nil, limit: 9).map(\.id)
        }
        #expect(try await found(JobFilter(tag: "red")) == [old[1], new[1]])
        #expect(try await found(JobFilter(tag: "red", createdBefore: 200)) == [old[1]])
        #expect(try await found(JobFilter(createdBefore: 100)).isEmpty)
        #expect(try await found(JobFilter(batch: batch)) == [old[1], new[1]])
        #expect(try await found(JobFilter(batch: BatchID(rawValue: 1 << 40))).isEmpty)
        await owner.store.close()
    }
}
