import MartletCore
import MartletStore
import Testing

/// Sets of jobs with callbacks.
extension StoreConformance {
    static let batchCases = [
        Case("aBatchCountsItsMembers", aBatchCountsItsMembers),
        Case("aBatchEndsWhenItIsClosedAndEmpty", aBatchEndsWhenItIsClosedAndEmpty),
        Case("theFirstDeathCallsAtOnceAndOnce", theFirstDeathCallsAtOnceAndOnce),
        Case("successIsCalledOnlyIfAllSucceeded", successIsCalledOnlyIfAllSucceeded),
        Case("anUnknownOrClosedBatchRefusesAll", anUnknownOrClosedBatchRefusesAll),
        Case("openingABatchIsRepeatable", openingABatchIsRepeatable),
        Case("aBatchWithinABatchIsAMember", aBatchWithinABatchIsAMember),
        Case("aRevivedMemberIsPendingAgain", aRevivedMemberIsPendingAgain),
        Case("followUpsJoinUntilTheirBatchHasEnded", followUpsJoinUntilTheirBatchHasEnded),
        Case("batchesAreForgottenInTime", batchesAreForgottenInTime),
        Case("nestingIsBounded", nestingIsBounded),
    ]

    private static func aBatchCountsItsMembers(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let batch = try await owner.openBatch(1, name: "delete account 7")
        let ids = try await owner.submit(2, .members(of: batch, 5))
        try await owner.commit(
            .succeed([SucceededJob(ids[0])]),
            .update([
                JobUpdate(ids[1], .dead), JobUpdate(ids[2], .cancelled, keptFor: .zero), JobUpdate(ids[3], .expired),
            ]))
        owner = try await suite.reopen(owner)
        let row = try #require(try await owner.store.batch(batch))
        #expect(row.name == "delete account 7" && row.isBalanced && row.total == 5 && row.pending == 1)
        #expect(row.succeeded == 1 && row.dead == 1 && row.cancelled == 1 && row.expired == 1)
        // A member that succeeded is removed as any other job.
        #expect(try await owner.states(ids) == [nil, .dead, nil, .expired, .ready])
        #expect(try await owner.store.batches(before: nil, limit: 9).map(\.id) == [batch])
        await owner.store.close()
    }

    private static func aBatchEndsWhenItIsClosedAndEmpty(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let batch = try await owner.openBatch(1, .end)
        let callback = JobID(rawValue: batch.rawValue + 1)
        let ids = try await owner.submit(2, .members(of: batch, 2))
        try await owner.commit(.succeed(ids.map { SucceededJob($0) }))
        #expect(try await owner.states([callback]) == [.blocked])
        let consequences = try await owner.consequences(of: .closeBatch(batch), at: 500)
        #expect(consequences.waiting.map(\.id) == [callback])
        #expect(try await owner.states([callback]) == [.ready])
        #expect(try await owner.store.batch(batch)?.finishedAt == 500)
        // Closing it again does nothing; one that is not there is said to be missing.
        #expect(try await owner.consequences(of: .closeBatch(batch)) == Consequences())
        let nobody = BatchID(rawValue: 1 << 40)
        #expect(
            try await owner.commit(.closeBatch(batch), .closeBatch(nobody))
                == [.applied(missing: []), .applied(missing: [JobID(rawValue: nobody.rawValue)])])
        await owner.store.close()
    }

    private static func theFirstDeathCallsAtOnceAndOnce(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let batch = try await owner.openBatch(1, .death, .end)
        let onDeath = JobID(rawValue: batch.rawValue + 1)
        let ids = try await owner.submit(2, .members(of: batch, 2))
        var consequences = try await owner.consequences(of: .update([JobUpdate(ids[0], .dead)]))
        #expect(consequences.waiting.map(\.id) == [onDeath])
        try await owner.commit(.succeed([SucceededJob(onDeath)]), .update([JobUpdate(ids[0], expected: .dead, .ready)]))
        consequences = try await owner.consequences(of: .update([JobUpdate(ids[0], .dead)]))
        #expect(consequences == Consequences())
        // Without a death it is not needed.
        let other = try await owner.openBatch(3, .death)
        consequences = try await owner.consequences(of: .closeBatch(other))
        #expect(consequences.ended == [JobID(rawValue: other.rawValue + 1)])
        await owner.store.close()
    }

    private static func successIsCalledOnlyIfAllSucceeded(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        for (sequence, end) in [(1, nil), (3, .dead), (5, .cancelled)] as [(UInt64, JobState?)] {
            let batch = try await owner.openBatch(sequence, .end, .success)
            let callbacks = [JobID(rawValue: batch.rawValue + 1), JobID(rawValue: batch.rawValue + 2)]
            let ids = try await owner.submit(sequence + 1, .members(of: batch, 2))
            try await owner.commit(.closeBatch(batch), .succeed([SucceededJob(ids[0])]))
            let last: Change = end.map { .update([JobUpdate(ids[1], $0)]) } ?? .succeed([SucceededJob(ids[1])])
            let consequences = try await owner.consequences(of: last)
            #expect(Set(consequences.waiting.map(\.id)) == Set(end == nil ? callbacks : [callbacks[0]]))
            #expect(consequences.ended == (end == nil ? [] : [callbacks[1]]))
            #expect(try await owner.states(callbacks) == [.ready, end == nil ? .ready : .cancelled])
        }
        await owner.store.close()
    }

    private static func anUnknownOrClosedBatchRefusesAll(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let nobody = BatchID(rawValue: 1 << 40)
        let unknown = Submission(1, [.job()] + .members(of: nobody, 1))
        #expect(try await owner.commit(.submit(unknown)) == [.submitted(.batchRefused(nobody, .unknown))])
        let batch = try await owner.openBatch(1)
        let ids = try await owner.submit(2, .members(of: batch, 1))
        try await owner.commit(.closeBatch(batch))
        let late = Submission(3, [.job()] + .members(of: batch, 1))
        #expect(try await owner.commit(.submit(late)) == [.submitted(.batchRefused(batch, .closed))])
        let nested = Submission.batch(3, parent: batch)
        #expect(try await owner.commit(.submit(nested)) == [.submitted(.batchRefused(batch, .closed))])
        #expect(try await owner.totals().submittedTotal == 1)
        // What was refused has used up neither ids nor its sequence; what was accepted is still known.
        #expect(
            try await owner.commit(.submit(Submission(2, .members(of: batch, 1))))
                == [.submitted(.repeated(first: ids[0], count: 1))])
        #expect(try await owner.submit(3, .jobs(1)) == [ids[0].advanced(by: 1)])
        await owner.store.close()
    }

    private static func openingABatchIsRepeatable(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let batch = try await owner.openBatch(1, .end)
        owner = try await suite.reopen(owner)
        #expect(
            try await owner.commit(.submit(.batch(1, .end)))
                == [.submitted(.repeated(first: JobID(rawValue: batch.rawValue), count: 2))])
        #expect(try await owner.store.batches(before: nil, limit: 9).count == 1)
        #expect(try await owner.totals().submittedTotal == 1)
        await owner.store.close()
    }

    private static func aBatchWithinABatchIsAMember(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let outer = try await owner.openBatch(1, .end, .success)
        let inner = try await owner.openBatch(2, .end, parent: outer)
        let ids = try await owner.submit(3, .members(of: inner, 2))
        try await owner.commit(.closeBatch(outer), .closeBatch(inner), .succeed([SucceededJob(ids[0])]))
        let before = try #require(try await owner.store.batch(outer))
        #expect(before.total == 1 && before.pending == 1 && before.finishedAt == nil)
        let consequences = try await owner.consequences(of: .update([JobUpdate(ids[1], .dead)]))
        let callbacks = [inner, outer].map { JobID(rawValue: $0.rawValue + 1) }
        #expect(consequences.waiting.map(\.id) == callbacks)
        let after = try #require(try await owner.store.batch(outer))
        #expect(after.dead == 1 && after.pending == 0 && after.finishedAt != nil)
        #expect(try await owner.states([callbacks[1].advanced(by: 1)]) == [.cancelled])
        // A member that runs again opens both, and ends both again without a call.
        try await owner.commit(.update([JobUpdate(ids[1], expected: .dead, .ready)]))
        #expect(try await owner.store.batch(outer)?.pending == 1)
        #expect(try await owner.consequences(of: .succeed([SucceededJob(ids[1])])) == Consequences())
        let end = try #require(try await owner.store.batch(outer))
        #expect(end.succeeded == 1 && end.dead == 0 && end.finishedAt != nil)
        await owner.store.close()
    }

    private static func aRevivedMemberIsPendingAgain(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let batch = try await owner.openBatch(1, .end)
        let ids = try await owner.submit(2, .members(of: batch, 1))
        try await owner.commit(.update([JobUpdate(ids[0], .dead)]), .closeBatch(batch))
        #expect(try await owner.store.batch(batch)?.finishedAt != nil)
        try await owner.commit(.update([JobUpdate(ids[0], expected: .dead, .ready)]))
        let row = try #require(try await owner.store.batch(batch))
        #expect(row.pending == 1 && row.dead == 0 && row.finishedAt == nil && row.expires == nil)
        #expect(try await owner.consequences(of: .succeed([SucceededJob(ids[0])])).waiting.isEmpty)
        #expect(try await owner.store.batch(batch)?.succeeded == 1)
        await owner.store.close()
    }

    private static func followUpsJoinUntilTheirBatchHasEnded(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let batch = try await owner.openBatch(1)
        let ids = try await owner.submit(2, .members(of: batch, 1) + [.job()])
        try await owner.commit(.closeBatch(batch))
        func succeed(_ id: JobID) -> Change {
            let details = SucceededJob.Details(followUps: .members(of: batch, 1))
            return .succeed([SucceededJob(id: id, lane: .first, details: details)])
        }
        let next = try #require(try await owner.consequences(of: succeed(ids[0])).waiting.first?.id)
        #expect(try await owner.store.batch(batch)?.total == 2)
        try await owner.commit(.succeed([SucceededJob(next)]))
        #expect(try await owner.store.batch(batch)?.finishedAt != nil)
        let late = try #require(try await owner.consequences(of: succeed(ids[1])).waiting.first?.id)
        #expect(try await owner.store.job(late)?.record.options.batch == nil)
        #expect(try await owner.store.batch(batch)?.total == 2)
        await owner.store.close()
    }

    private static func batchesAreForgottenInTime(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let batch = try await owner.openBatch(1)
        #expect(try await owner.commit(.purgeWorkflows(limit: 9), at: .minutes(9)) == [.purged(count: 0)])
        try await owner.commit(.closeBatch(batch), at: 500)
        #expect(try await owner.commit(.purgeWorkflows(limit: 9), at: 1499) == [.purged(count: 0)])
        #expect(try await owner.commit(.purgeWorkflows(limit: 9), at: 1500) == [.purged(count: 1)])
        #expect(try await owner.store.batch(batch) == nil)
        await owner.store.close()
    }

    private static func nestingIsBounded(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        var batch = try await owner.openBatch(1)
        for depth in 2...NewBatch.depthMax { batch = try await owner.openBatch(UInt64(depth), parent: batch) }
        let deeper = Submission.batch(99, parent: batch)
        #expect(try await owner.commit(.submit(deeper)) == [.submitted(.batchRefused(batch, .tooDeep))])
        await owner.store.close()
    }
}

extension Submission {
    /// Opens a batch with a callback for each of these events.
    static func batch(
        _ sequence: UInt64, _ callbacks: BatchEvent..., name: String = "batch", parent: BatchID? = nil
    ) -> Submission {
        self.batch(sequence, callbacks, name: name, parent: parent)
    }

    fileprivate static func batch(
        _ sequence: UInt64, _ callbacks: [BatchEvent], name: String, parent: BatchID?
    ) -> Submission {
        Submission(
            session: .standard, sequence: sequence, jobs: .jobs(callbacks.count),
            batch: NewBatch(name: name, parent: parent, callbacks: callbacks, keptFor: .microseconds(1000)))
    }
}

extension Owner {
    func openBatch(
        _ sequence: UInt64, _ callbacks: BatchEvent..., name: String = "batch", parent: BatchID? = nil
    ) async throws -> BatchID {
        let submission = Submission.batch(sequence, callbacks, name: name, parent: parent)
        let outcomes = try await self.commit(.submit(submission))
        guard case .submitted(.accepted(let first, callbacks.count + 1, _)) = try #require(outcomes.first) else {
            Issue.record("the batch was not opened: \(outcomes)")
            return BatchID(rawValue: 0)
        }
        return BatchID(rawValue: first.rawValue)
    }
}

extension [NewJob] {
    fileprivate static func members(of batch: BatchID, _ count: Int) -> [NewJob] {
        var options = JobOptions.standard
        options.batch = batch
        return (0..<count).map { .job("\($0)", options: options) }
    }
}
