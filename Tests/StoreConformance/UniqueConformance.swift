import MartletCore
import MartletStore
import Testing

/// Unique keys.
extension StoreConformance {
    static let uniqueCases = [
        Case("aTakenKeyGivesTheExistingJob", aTakenKeyGivesTheExistingJob),
        Case("aRefusedDuplicateRefusesTheWholeSubmit", aRefusedDuplicateRefusesTheWholeSubmit),
        Case("aReplacedPayloadIsWhatRuns", aReplacedPayloadIsWhatRuns),
        Case("aPayloadReplacedDuringARunRunsAgain", aPayloadReplacedDuringARunRunsAgain),
        Case("aReplacedPayloadOutlivesTheEndOfTheOldOne", aReplacedPayloadOutlivesTheEndOfTheOldOne),
        Case("aReplacedPayloadBeginsAnew", aReplacedPayloadBeginsAnew),
        Case("aFollowUpMayHaveItsParentsKey", aFollowUpMayHaveItsParentsKey),
        Case("aKeyIsFreeOnceItsJobHasEnded", aKeyIsFreeOnceItsJobHasEnded),
        Case("aWindowAfterSuccessKeepsTheKey", aWindowAfterSuccessKeepsTheKey),
        Case("keysAreUniqueWithinTheirScope", keysAreUniqueWithinTheirScope),
        Case("aRepeatedSubmitGetsTheSameExceptions", aRepeatedSubmitGetsTheSameExceptions),
        Case("aRevivedJobHasItsKeyUnlessItWasTaken", aRevivedJobHasItsKeyUnlessItWasTaken),
        Case("aRevivedJobHasItsKeyAgainOnceTheOthersWindowIsOver", aRevivedJobHasItsKeyAgainOnceTheOthersWindowIsOver),
        Case("keysWhoseWindowIsOverArePurged", keysWhoseWindowIsOverArePurged),
    ]

    private static func aTakenKeyGivesTheExistingJob(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let first = try await owner.submit(1, [.job(), .unique("a"), .unique("a"), .unique("b")])
        owner = try await suite.reopen(owner)
        let outcomes = try await owner.commit(.submit(Submission(2, [.unique("b"), .job(), .unique("c")])))
        let next = first[3].advanced(by: 1)
        #expect(
            outcomes == [
                .submitted(
                    .accepted(
                        first: next, count: 3, exceptions: [SubmitException(place: 0, kind: .existing(first[3]))]))
            ])
        #expect(
            try await owner.states(first + [next, next.advanced(by: 1)]) == [.ready, .ready, nil, .ready, nil, .ready])
        #expect(try await owner.totals().submittedTotal == 5)
        await owner.store.close()
    }

    private static func aRefusedDuplicateRefusesTheWholeSubmit(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let id = try await owner.submit(1, [.unique("a")])[0]
        let refused = Submission(2, [.job(), .unique("b", .refuse), .unique("a", .refuse)])
        #expect(try await owner.commit(.submit(refused)) == [.submitted(.duplicate(place: 2, existing: id))])
        let twice = Submission(2, [.unique("b", .refuse), .unique("b", .refuse)])
        #expect(try await owner.commit(.submit(twice)) == [.submitted(.duplicate(place: 1, existing: nil))])
        #expect(try await owner.totals().submittedTotal == 1)
        // Its sequence is not used up.
        #expect(
            try await owner.commit(.submit(Submission(2, [.unique("b", .refuse)])))
                == [.submitted(.accepted(first: id.advanced(by: 1), count: 1))])
        await owner.store.close()
    }

    private static func aReplacedPayloadIsWhatRuns(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let id = try await owner.submit(1, [.unique("a", .replace, payload: "one", due: 500)])[0]
        let change = Change.submit(Submission(2, [.unique("a", .replace, payload: "two", due: 900)]))
        let consequences = try await owner.consequences(of: change)
        #expect(consequences.moved.map(\.after.id) == [id] && consequences.moved.first?.after.due == 900)
        #expect(try await owner.store.scheduledJobs(after: nil, dueBy: 899, limit: 9).isEmpty)
        let stored = try #require(try await owner.store.load([id], bytesMax: .max).jobs.first)
        #expect(stored.payload == Bytes(copying: "two".utf8) && stored.revision == 1)
        // And now at once.
        try await owner.commit(.submit(Submission(3, [.unique("a", .replace, payload: "three")])))
        #expect(try await owner.states([id]) == [.ready])
        let totals = try await owner.totals()
        #expect(totals.ready == 1 && totals.scheduled == 0 && totals.submittedTotal == 1)
        #expect(
            try await owner.commit(.succeed([SucceededJob(id: id, lane: .first, revision: 2)])) == [
                .applied(missing: [])
            ])
        #expect(try await owner.states([id]) == [nil])
        await owner.store.close()
    }

    private static func aPayloadReplacedDuringARunRunsAgain(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let id = try await owner.submit(1, [.unique("a", .replace, payload: "one")])[0]
        try await owner.commit(.submit(Submission(2, [.unique("a", .replace, payload: "two")])))
        let consequences = try await owner.consequences(of: .succeed([SucceededJob(id)]))
        #expect(consequences.waiting.map(\.id) == [id])
        #expect(try await owner.states([id]) == [.ready])
        #expect(try await owner.totals().succeededTotal == 0)
        try await owner.commit(.succeed([SucceededJob(id: id, lane: .first, revision: 1)]))
        #expect(try await owner.states([id]) == [nil])
        await owner.store.close()
    }

    private static func aReplacedPayloadOutlivesTheEndOfTheOldOne(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let id = try await owner.submit(1, [.unique("a", .replace, payload: "one")])[0]
        try await owner.commit(.submit(Submission(2, [.unique("a", .replace, payload: "two")])))
        func end(_ state: JobState, of revision: UInt32) -> Change {
            .update([
                JobUpdate(
                    id: id, lane: .first, revision: revision, state: state, due: nil,
                    history: JobHistory(failures: 9, nodeDeaths: 0))
            ])
        }
        #expect(try await owner.consequences(of: end(.dead, of: 0)).waiting.map(\.id) == [id])
        #expect(try await owner.commit(end(.dead, of: 0)) == [.applied(missing: [id])])
        #expect(try await owner.states([id]) == [.ready])
        #expect(try await owner.store.load([id], bytesMax: 9).jobs.first?.history == JobHistory())
        #expect(try await owner.commit(end(.dead, of: 1)) == [.applied(missing: [])])
        #expect(try await owner.states([id]) == [.dead])
        await owner.store.close()
    }

    private static func aReplacedPayloadBeginsAnew(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        func job(_ payload: String, due: WallTime?) -> NewJob {
            var options = JobOptions.standard
            options.unique = UniqueKey("a", conflict: .replace)
            options.expiry = .microseconds(50)
            return .job(payload, due: due, options: options)
        }
        let id = try await owner.submit(1, [job("one", due: nil)])[0]
        try await owner.commit(.checkpoint([Checkpoint(id: id, lane: .first, value: Bytes(copying: "half".utf8))]))
        try await owner.commit(.submit(Submission(2, [job("two", due: 500)])), at: 140)
        let stored = try #require(try await owner.store.load([id], bytesMax: 9).jobs.first)
        #expect(stored.checkpoint == nil && stored.expires == 550)
        try await owner.commit(.submit(Submission(3, [job("three", due: nil)])), at: 200)
        #expect(try await owner.store.load([id], bytesMax: 9).jobs.first?.expires == 250)
        await owner.store.close()
    }

    private static func aFollowUpMayHaveItsParentsKey(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        for (place, conflict) in UniqueKey.Conflict.allCases.enumerated() {
            let key = "key \(place)"
            let id = try await owner.submit(UInt64(place) + 1, [.unique(key, conflict, payload: "one")])[0]
            let details = SucceededJob.Details(followUps: [.unique(key, conflict, payload: "two")])
            let end = Change.succeed([SucceededJob(id: id, lane: .first, details: details)])
            let child = try #require(try await owner.consequences(of: end).waiting.first?.id)
            #expect(child != id)
            #expect(try await owner.states([id, child]) == [nil, .ready])
            // Whoever submits it now finds the key taken.
            let again = Submission(UInt64(place) + 10, [.unique(key, .refuse)])
            #expect(try await owner.commit(.submit(again)) == [.submitted(.duplicate(place: 0, existing: child))])
        }
        // Within the window after its success the key is the parent's.
        let window = UniqueKey.Window.afterSuccess(.microseconds(50))
        let id = try await owner.submit(20, [.unique("w", .replace, window: window)])[0]
        let details = SucceededJob.Details(followUps: [.unique("w", .replace, window: window)])
        let end = Change.succeed([SucceededJob(id: id, lane: .first, details: details)])
        #expect(try await owner.consequences(of: end).waiting.isEmpty)
        #expect(try await owner.states([id]) == [nil])
        await owner.store.close()
    }

    private static func aKeyIsFreeOnceItsJobHasEnded(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        var sequence: UInt64 = 0
        for end in [JobState.dead, .cancelled, .expired] {
            sequence += 1
            let id = try await owner.submit(sequence, [.unique("a", window: .afterSuccess(.seconds(9)))])[0]
            try await owner.commit(.update([JobUpdate(id, end)]))
            #expect(try await owner.states([id]) == [end])
        }
        let id = try await owner.submit(9, [.unique("a")])[0]
        try await owner.commit(.succeed([SucceededJob(id, retained: true)]))
        #expect(try await owner.submit(10, [.unique("a")]) != [id])
        await owner.store.close()
    }

    private static func aWindowAfterSuccessKeepsTheKey(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let window = UniqueKey.Window.afterSuccess(.microseconds(50))
        let id = try await owner.submit(1, [.unique("a", .replace, window: window)])[0]
        try await owner.commit(.succeed([SucceededJob(id)]), at: 200)
        let again = Submission(2, [.unique("a", .replace, window: window)])
        let exceptions = [SubmitException(place: 0, kind: .existing(id))]
        #expect(
            try await owner.commit(.submit(again), at: 249)
                == [.submitted(.accepted(first: id.advanced(by: 1), count: 1, exceptions: exceptions))])
        #expect(try await owner.commit(.purge(limit: 9), at: 249) == [.purged(count: 0)])
        let later = Submission(3, [.unique("a")])
        #expect(
            try await owner.commit(.submit(later), at: 250)
                == [.submitted(.accepted(first: id.advanced(by: 2), count: 1))])
        await owner.store.close()
    }

    private static func keysAreUniqueWithinTheirScope(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        // Lanes: mail/welcome, mail/invoice, maps/welcome.
        let ids = try await owner.submit(
            1,
            [
                .unique("a", scope: .type), .unique("a", scope: .type, lane: .second),
                .unique("a", scope: .type, lane: .third), .unique("a", scope: .queue),
                .unique("a", scope: .queue, lane: .second), .unique("a", scope: .queue, lane: .third),
            ])
        #expect(try await owner.states(ids) == [.ready, .ready, nil, .ready, nil, .ready])
        await owner.store.close()
    }

    private static func aRepeatedSubmitGetsTheSameExceptions(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let submission = Submission(1, [.unique("a", .replace), .unique("a", .replace), .unique("a")])
        let outcomes = try await owner.commit(.submit(submission))
        guard case .submitted(.accepted(let first, 3, let exceptions)) = outcomes[0] else {
            Issue.record("not accepted: \(outcomes)")
            return
        }
        #expect(
            exceptions == [
                SubmitException(place: 1, kind: .replaced(first)), SubmitException(place: 2, kind: .existing(first)),
            ])
        owner = try await suite.reopen(owner)
        #expect(
            try await owner.commit(.submit(submission))
                == [.submitted(.repeated(first: first, count: 3, exceptions: exceptions))])
        await owner.store.close()
    }

    private static func aRevivedJobHasItsKeyUnlessItWasTaken(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, [.unique("a"), .unique("b")])
        try await owner.commit(.update(ids.map { JobUpdate($0, .dead) }))
        let other = try await owner.submit(2, [.unique("b")])[0]
        try await owner.commit(.update(ids.map { JobUpdate($0, expected: .dead, .ready) }))
        #expect(try await owner.submit(3, [.unique("a"), .unique("b")]).count == 2)
        #expect(try await owner.totals().submittedTotal == 3)
        // The revived one that has no key does not take that of the other with it.
        try await owner.commit(.succeed([SucceededJob(ids[1])]))
        #expect(try await owner.states([other]) == [.ready])
        _ = try await owner.submit(4, [.unique("b")])
        #expect(try await owner.totals().submittedTotal == 3)
        await owner.store.close()
    }

    private static func aRevivedJobHasItsKeyAgainOnceTheOthersWindowIsOver(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let window = UniqueKey.Window.afterSuccess(.microseconds(50))
        let ids = try await owner.submit(1, [.unique("a"), .unique("b")])
        try await owner.commit(.update(ids.map { JobUpdate($0, .dead) }))
        // Another job has each key, and its window begins.
        let others = try await owner.submit(2, [.unique("a", window: window), .unique("b", window: window)])
        try await owner.commit(.succeed(others.map { SucceededJob($0) }), at: 200)
        try await owner.commit(.update([JobUpdate(ids[0], expected: .dead, .ready)]), at: 249)
        try await owner.commit(.update([JobUpdate(ids[1], expected: .dead, .ready)]), at: 250)
        // The one came within the window: the key is free once that is over. The other has its key.
        let free = try await owner.commit(.submit(Submission(3, [.unique("a", .refuse)])), at: 250)
        #expect(free == [.submitted(.accepted(first: others[1].advanced(by: 1), count: 1))])
        let taken = try await owner.commit(.submit(Submission(4, [.unique("b", .refuse)])), at: 250)
        #expect(taken == [.submitted(.duplicate(place: 0, existing: ids[1]))])
        // Nor does the end of the window take it away.
        try await owner.commit(.purge(limit: 9), at: 400)
        let still = try await owner.commit(.submit(Submission(5, [.unique("b", .refuse)])), at: 400)
        #expect(still == [.submitted(.duplicate(place: 0, existing: ids[1]))])
        await owner.store.close()
    }

    private static func keysWhoseWindowIsOverArePurged(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let window = UniqueKey.Window.afterSuccess(.microseconds(50))
        let ids = try await owner.submit(1, ["a", "b", "c"].map { .unique($0, window: window) })
        try await owner.commit(.succeed([SucceededJob(ids[0]), SucceededJob(ids[1])]), at: 200)
        try await owner.commit(.succeed([SucceededJob(ids[2])]), at: 201)
        #expect(try await owner.commit(.purge(limit: 9), at: 249) == [.purged(count: 0)])
        #expect(try await owner.commit(.purge(limit: 9), at: 250) == [.purged(count: 2)])
        #expect(try await owner.commit(.purge(limit: 9), at: 250) == [.purged(count: 0)])
        #expect(try await owner.commit(.purge(limit: 9), at: 251) == [.purged(count: 1)])
        await owner.store.close()
    }
}

extension NewJob {
    fileprivate static func unique(
        _ key: String, _ conflict: UniqueKey.Conflict = .existing, scope: UniqueKey.Scope = .type,
        window: UniqueKey.Window = .whilePending, payload: String = "", lane: LaneID = .first, due: WallTime? = nil
    ) -> NewJob {
        var options = JobOptions(priority: LaneKey.standard[Int(lane.rawValue)].priority)
        options.unique = UniqueKey(key, scope: scope, window: window, conflict: conflict)
        return .job(payload, lane: lane, due: due, options: options)
    }
}
