import MartletCore
import MartletStore
import Testing

/// Epochs, the lock, and what outlives an owner.
extension StoreConformance {
    static let openingCases = [
        Case("anEmptyStoreOpensEmpty", anEmptyStoreOpensEmpty),
        Case("eachOpeningBeginsAHigherEpoch", eachOpeningBeginsAHigherEpoch),
        Case("aSecondOwnerIsLockedOutUntilTheFirstCloses", aSecondOwnerIsLockedOutUntilTheFirstCloses),
        Case("aGroupOfAnotherEpochIsFencedAndChangesNothing", aGroupOfAnotherEpochIsFencedAndChangesNothing),
        Case("lanesAreKeptInOrder", lanesAreKeptInOrder),
        Case("nodesAreKeptUntilForgotten", nodesAreKeptUntilForgotten),
        Case("jobsOutliveTheirOwner", jobsOutliveTheirOwner),
    ]

    private static func anEmptyStoreOpensEmpty(_ suite: StoreConformance) async throws {
        let owner = try await suite.open()
        #expect(owner.opening.lanes.isEmpty)
        #expect(owner.opening.nodes.isEmpty)
        #expect(owner.opening.pendingCount == 0)
        #expect(try await owner.store.readyJobs(after: nil, limit: 10).isEmpty)
        #expect(try await owner.store.scheduledJobs(after: nil, dueBy: .minutes(9), limit: 10).isEmpty)
        #expect(try await owner.store.laneTotals().isEmpty)
        #expect(try await owner.store.jobs(matching: JobFilter(), after: nil, limit: 10).isEmpty)
        #expect(try await owner.store.job(JobID(shard: 0, sequence: 1)) == nil)
        await owner.store.close()
    }

    private static func eachOpeningBeginsAHigherEpoch(_ suite: StoreConformance) async throws {
        var owner = try await suite.open()
        for _ in 0..<4 {
            let before = owner.epoch
            owner = try await suite.reopen(owner)
            #expect(owner.epoch > before)
        }
        await owner.store.close()
    }

    private static func aSecondOwnerIsLockedOutUntilTheFirstCloses(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        for _ in 0..<2 {
            let error = await #expect(throws: StoreError.self) { try await suite.makeStore().open() }
            #expect(error?.code == .locked)
        }
        // The one who was refused took nothing from the one who is there.
        #expect(try await owner.submit(1, .jobs(1)).count == 1)
        let next = try await suite.reopen(owner)
        #expect(next.epoch > owner.epoch)
        await next.store.close()
    }

    private static func aGroupOfAnotherEpochIsFencedAndChangesNothing(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, .jobs(2))
        for epoch in [owner.epoch.rawValue - 1, owner.epoch.rawValue + 1] {
            let error = await #expect(throws: StoreError.self) {
                try await owner.commit(
                    .submit(Submission(2, .jobs(1))), .succeed([SucceededJob(ids[0])]), epoch: Epoch(rawValue: epoch))
            }
            #expect(error?.code == .fenced)
        }
        #expect(try await owner.states(ids) == [.ready, .ready])
        #expect(try await owner.totals().submittedTotal == 2)
        #expect(try await owner.submit(2, .jobs(1)) == [ids[1].advanced(by: 1)])
        await owner.store.close()
    }

    private static func lanesAreKeptInOrder(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        // Those that are known already are passed over.
        try await owner.commit(newLanes: LaneKey.standard)
        let key = LaneKey(queue: "late", type: "comer")
        try await owner.commit(newLanes: LaneKey.standard + [key])
        owner = try await suite.reopen(owner)
        #expect(owner.opening.lanes == LaneKey.standard + [key])
        #expect(try await owner.store.laneTotals().map(\.lane) == LaneKey.standard + [key])
        await owner.store.close()
    }

    private static func nodesAreKeptUntilForgotten(_ suite: StoreConformance) async throws {
        func node(_ name: String, _ incarnation: UInt64, _ seconds: Int) -> NodeRecord {
            NodeRecord(id: NodeID(name: name, incarnation: incarnation), leaseDuration: .seconds(seconds))
        }
        var owner = try await suite.open()
        let outcomes = try await owner.commit(
            .saveNode(node("wren", 1, 15)), .saveNode(node("dipper", .max, 30)), .saveNode(node("wren", 2, 20)),
            .saveNode(node("siskin", 5, 15)))
        #expect(outcomes == [.done, .done, .done, .done])
        owner = try await suite.reopen(owner)
        #expect(owner.opening.nodes == [node("dipper", .max, 30), node("siskin", 5, 15), node("wren", 2, 20)])
        try await owner.commit(.forgetNode(name: "siskin"), .forgetNode(name: "nobody"))
        owner = try await suite.reopen(owner)
        #expect(owner.opening.nodes == [node("dipper", .max, 30), node("wren", 2, 20)])
        await owner.store.close()
    }

    private static func jobsOutliveTheirOwner(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, [.job("now"), .job("later", due: 5000), .job("done"), .job("dead")])
        try await owner.commit(.succeed([SucceededJob(ids[2])]), .update([JobUpdate(ids[3], .dead, failures: 3)]))
        let totals = try await owner.store.laneTotals()
        owner = try await suite.reopen(owner)
        #expect(owner.opening.pendingCount == 2)
        #expect(try await owner.states(ids) == [.ready, .scheduled, nil, .dead])
        #expect(try await owner.store.laneTotals() == totals)
        let loaded = try await owner.store.load(ids, bytesMax: .max)
        #expect(loaded.jobs.map(\.payload) == [Bytes(copying: "now".utf8), Bytes(copying: "later".utf8)])
        await owner.store.close()
    }
}
