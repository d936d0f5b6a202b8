import MartletCore
import MartletStore
import Testing

/// Ids, sessions and repeats.
extension StoreConformance {
    static let submitCases = [
        Case("idsAreContiguousInCommitOrder", idsAreContiguousInCommitOrder),
        Case("noIdIsGivenTwice", noIdIsGivenTwice),
        Case("aRepeatedSubmitReturnsTheSameIdsAndCreatesNothing", aRepeatedSubmitReturnsTheSameIdsAndCreatesNothing),
        Case("aSubmitOfNoSessionCreatesNothing", aSubmitOfNoSessionCreatesNothing),
        Case("theWindowHoldsTheLastSequences", theWindowHoldsTheLastSequences),
        Case("sequencesMayComeInAnyOrderInsideTheWindow", sequencesMayComeInAnyOrderInsideTheWindow),
        Case("sessionsExpireWhenUnused", sessionsExpireWhenUnused),
        Case("expiryTakesTheOldestAndIsBounded", expiryTakesTheOldestAndIsBounded),
    ]

    private static func idsAreContiguousInCommitOrder(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let outcomes = try await owner.commit(
            .submit(Submission(1, .jobs(3))), .openSession(.other), .submit(Submission(1, .jobs(2), session: .other)),
            .submit(Submission(2, [])), .submit(Submission(3, .jobs(1, lane: .second))))
        let first = JobID(rawValue: try await owner.submit(4, .jobs(2))[0].rawValue - 6)
        #expect(
            outcomes == [
                .submitted(.accepted(first: first, count: 3)), .done,
                .submitted(.accepted(first: first.advanced(by: 3), count: 2)),
                .submitted(.accepted(first: first.advanced(by: 5), count: 0)),
                .submitted(.accepted(first: first.advanced(by: 5), count: 1)),
            ])
        #expect(
            try await owner.store.readyJobs(after: nil, limit: 100).map(\.id)
                == (0..<8).map { first.advanced(by: $0) })
        await owner.store.close()
    }

    /// Even if the last job is gone, and across owners.
    private static func noIdIsGivenTwice(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        var given: [JobID] = []
        for sequence in 1...4 as ClosedRange<UInt64> {
            let ids = try await owner.submit(sequence, .jobs(2))
            given += ids
            try await owner.commit(.succeed(ids.map { SucceededJob($0) }))
            owner = try await suite.reopen(owner)
        }
        #expect(given == (0..<8).map { given[0].advanced(by: $0) })
        await owner.store.close()
    }

    private static func aRepeatedSubmitReturnsTheSameIdsAndCreatesNothing(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let submission = Submission(1, .jobs(3))
        let ids = try await owner.submit(1, .jobs(3))
        let repeated = ChangeOutcome.submitted(.repeated(first: ids[0], count: 3))
        #expect(try await owner.commit(.submit(submission)) == [repeated])
        // Also when the jobs are gone, in a renewed session, and with another owner.
        try await owner.commit(.succeed(ids.map { SucceededJob($0) }), .openSession(.standard))
        #expect(try await owner.commit(.submit(submission), .submit(submission)) == [repeated, repeated])
        owner = try await suite.reopen(owner)
        #expect(try await owner.commit(.submit(submission)) == [repeated])
        // And twice in one group.
        let twice = Submission(2, .jobs(1))
        let first = ids[2].advanced(by: 1)
        #expect(
            try await owner.commit(.submit(twice), .submit(twice))
                == [.submitted(.accepted(first: first, count: 1)), .submitted(.repeated(first: first, count: 1))])
        #expect(try await owner.totals().submittedTotal == 4)
        #expect(try await owner.store.readyJobs(after: nil, limit: 10).map(\.id) == [first])
        await owner.store.close()
    }

    private static func aSubmitOfNoSessionCreatesNothing(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let outcomes = try await owner.commit(
            .submit(Submission(1, .jobs(2), session: .other)), .openSession(.other),
            .submit(Submission(1, .jobs(1), session: .other)))
        #expect(outcomes[0] == .submitted(.sessionExpired))
        guard case .submitted(.accepted(_, 1, _)) = outcomes[2] else {
            Issue.record("a session is there from the change on that opens it")
            return
        }
        #expect(try await owner.totals().submittedTotal == 1)
        await owner.store.close()
    }

    private static func theWindowHoldsTheLastSequences(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let window = UInt64(Submission.windowMax)
        var first: [UInt64: JobID] = [:]
        for sequence in 1...window + 10 { first[sequence] = try await owner.submit(sequence, .jobs(1))[0] }
        for _ in 0..<2 {
            for sequence in [1, 9, 10] as [UInt64] {
                #expect(
                    try await owner.commit(.submit(Submission(sequence, .jobs(1)))) == [.submitted(.sessionExpired)])
            }
            for sequence in [11, 12, window, window + 10] {
                #expect(
                    try await owner.commit(.submit(Submission(sequence, .jobs(1))))
                        == [.submitted(.repeated(first: first[sequence]!, count: 1))])
            }
            owner = try await suite.reopen(owner)
        }
        #expect(try await owner.totals().submittedTotal == window + 10)
        await owner.store.close()
    }

    private static func sequencesMayComeInAnyOrderInsideTheWindow(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let window = UInt64(Submission.windowMax)
        let late = try await owner.submit(window + 5, .jobs(1))[0]
        let early = try await owner.submit(6, .jobs(1))[0]
        #expect(early == late.advanced(by: 1))
        #expect(try await owner.commit(.submit(Submission(5, .jobs(1)))) == [.submitted(.sessionExpired)])
        owner = try await suite.reopen(owner)
        #expect(
            try await owner.commit(.submit(Submission(6, .jobs(1)))) == [.submitted(.repeated(first: early, count: 1))])
        #expect(try await owner.submit(7, .jobs(1)).count == 1)
        // The highest is the one of before, also after the return.
        #expect(try await owner.commit(.submit(Submission(5, .jobs(1)))) == [.submitted(.sessionExpired)])
        #expect(try await owner.submit(window * 3, .jobs(1)).count == 1)
        #expect(try await owner.commit(.submit(Submission(window + 5, .jobs(1)))) == [.submitted(.sessionExpired)])
        await owner.store.close()
    }

    private static func sessionsExpireWhenUnused(_ suite: StoreConformance) async throws {
        var owner = try await suite.open()
        try await owner.commit(.openSession(.standard), newLanes: LaneKey.standard, at: 0)
        try await owner.commit(.openSession(.other), at: 0)
        let ids = try await owner.submit(1, .jobs(1), at: .minutes(50))
        // A submit renews: the other one goes.
        #expect(try await owner.commit(.expireSessions(unusedSince: .minutes(40)), at: .minutes(51)) == [.done])
        owner = try await suite.reopen(owner)
        #expect(
            try await owner.commit(
                .submit(Submission(1, .jobs(1))), .submit(Submission(1, .jobs(1), session: .other)), at: .minutes(51))
                == [.submitted(.repeated(first: ids[0], count: 1)), .submitted(.sessionExpired)])
        // Opened again, a session remembers nothing.
        try await owner.commit(.expireSessions(unusedSince: .minutes(90)), .openSession(.standard), at: .minutes(91))
        owner = try await suite.reopen(owner)
        #expect(try await owner.submit(1, .jobs(1), at: .minutes(92)) == [ids[0].advanced(by: 1)])
        await owner.store.close()
    }

    private static func expiryTakesTheOldestAndIsBounded(_ suite: StoreConformance) async throws {
        let owner = try await suite.open()
        let count = Change.expiredSessionsMax + 5
        let sessions = (0..<count).map { SessionID(high: UInt64($0), low: 0) }
        let open = sessions.map { Change.openSession($0) }
        _ = try await owner.store.commit(CommitGroup(epoch: owner.epoch, now: .minutes(1), changes: open))
        try await owner.commit(.openSession(sessions[0]), at: .minutes(2))
        try await owner.commit(.expireSessions(unusedSince: .minutes(3)))
        func isThere(_ index: Int) async throws -> Bool {
            try await owner.commit(.submit(Submission(1, [], session: sessions[index]))) != [
                .submitted(.sessionExpired)
            ]
        }
        #expect(try await isThere(0))
        #expect(try await !isThere(1))
        #expect(try await !isThere(Change.expiredSessionsMax))
        #expect(try await isThere(Change.expiredSessionsMax + 1))
        await owner.store.close()
    }
}
