import MartletCoordinator
import MartletCore
import MartletStore
import MartletWire
import Testing

@Suite struct DeadTests {
    /// Three dead jobs: ids 0 and 1 of type A, 2 of type B.
    private static func kill(_ bench: Bench, _ client: TestClient, _ node: TestNode) async throws -> [JobID] {
        let a = try await client.submit(["a1", "a2"], sequence: 1, type: "A")
        let b = try await client.submit(["b1"], sequence: 2, type: "B")
        for job in try await node.fetchAll(3) { _ = try await node.fail(job, isRetryable: false) }
        #expect(try await client.list(.dead).count == 3)
        return [a.first, a.first.advanced(by: 1), b.first]
    }

    @Test func namedJobsAreRevivedWithACleanHistory() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1", types: ["A", "B"])
            let ids = try await Self.kill(bench, client, node)
            let unknown = JobID(rawValue: 99_999)
            let changed: DeadChanged = try await client.ask(
                ChangeDead(action: .retry, ids: [ids[2], ids[0], ids[2], unknown]))
            #expect(changed.count == 2 && changed.missing == [unknown])
            let jobs = try await node.fetchAll(2)
            #expect(Set(jobs.map(\.id)) == [ids[0], ids[2]] && jobs.allSatisfy { $0.attempt == 1 })
            let again: DeadChanged = try await client.ask(ChangeDead(action: .retry, ids: [ids[0]]))
            #expect(again.count == 0 && again.missing == [ids[0]], "it is not dead any more")
            #expect(try await node.succeed(jobs) == [.accepted, .accepted])
            #expect(try await client.list(.dead).map(\.id) == [ids[1]])
        }
    }

    @Test func allThatMatchAreRevivedOrDeleted() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1", types: ["A", "B"])
            let ids = try await Self.kill(bench, client, node)
            let none: DeadChanged = try await client.ask(ChangeDead(action: .delete, queue: "other"))
            #expect(none.count == 0)
            let deleted: DeadChanged = try await client.ask(ChangeDead(action: .delete, type: "A"))
            #expect(deleted.count == 2 && deleted.missing.isEmpty)
            #expect(bench.state(of: ids[0]) == nil && bench.state(of: ids[1]) == nil)
            #expect(try await refusal { try await client.show(ids[0]) } == .notFound)
            let revived: DeadChanged = try await client.ask(ChangeDead(action: .retry))
            #expect(revived.count == 1)
            #expect(try await node.fetchAll(1).map(\.payload) == ["b1"])
            let totals = bench.disk.contents.laneTotals.reduce(0) { $0 + $1.deletedTotal }
            #expect(totals == 2)
            await bench.checkInvariants()
        }
    }

    @Test func moreDeadJobsThanOneStepTakesAreAllChanged() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            _ = try await client.submit([String](repeating: "x", count: 1203), sequence: 1)
            let jobs = try await node.fetchAll(1203)
            let failure = JobFailure(kind: "Test", message: "")
            _ = try await node.report(jobs.map { ($0, .failed(failure, isRetryable: false)) })
            let revived: DeadChanged = try await client.ask(ChangeDead(action: .retry))
            #expect(revived.count == 1203)
            #expect(try await node.fetchAll(1203).count == 1203)
            await bench.checkInvariants()
        }
    }
}
