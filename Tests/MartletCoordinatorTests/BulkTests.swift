import MartletCoordinator
import MartletCore
import MartletSimulation
import MartletStore
import MartletWire
import Testing

@Suite struct BulkTests {
    @Test func allThatMatchAreCancelledAndOthersStay() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let a = try await client.submit(["1", "2", "3"], sequence: 1, type: "A").first
            let b = try await client.submit(["4"], sequence: 2, type: "B").first
            let dry: JobsChanged = try await client.ask(
                ChangeJobs(.cancel, matching: JobSelection(type: "A"), isDryRun: true))
            #expect(dry.count == 3 && dry.bulk == nil && dry.next == nil)
            #expect(bench.state(of: a) == .ready, "a dry run changes nothing")
            let changed: JobsChanged = try await client.ask(ChangeJobs(.cancel, matching: JobSelection(type: "A")))
            #expect(changed.count == 3 && changed.isFinished && changed.bulk == 1)
            #expect(bench.state(of: a) == .cancelled && bench.state(of: b) == .ready)
            let list: BulkList = try await client.ask(ListBulk(id: 1))
            #expect(list.operations.map(\.changed) == [3] && list.operations[0].finishedAt != nil)
            #expect(try await refusal { try await client.ask(ListBulk(id: 7)) as BulkList } == .notFound)
        }
    }

    @Test func runningJobsAloneAreCancelled() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            _ = try await client.submit(["1", "2", "3"], sequence: 1)
            let jobs = try await node.fetchAll(2)
            let changed: JobsChanged = try await client.ask(
                ChangeJobs(.cancel, matching: JobSelection(state: .running)))
            #expect(changed.count == 2)
            #expect(try await node.succeed(jobs).allSatisfy { $0 != .accepted })
            #expect(try await node.fetchAll(1).map(\.payload) == ["3"])
        }
    }

    @Test func aPurgeLeavesWhatNodesHave() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let first = try await client.submit(["1", "2", "3"], sequence: 1).first
            let jobs = try await node.fetchAll(1)
            let changed: JobsChanged = try await client.ask(ChangeJobs(.purge, matching: JobSelection(queue: "mail")))
            #expect(changed.count == 2)
            #expect(bench.state(of: first.advanced(by: 1)) == nil, "it is not kept")
            #expect(try await node.succeed(jobs) == [.accepted])
            #expect(bench.disk.contents.laneTotals[0].cancelledTotal == 2)
        }
    }

    @Test func whatMakesNoSenseIsRefused() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            for request in [
                ChangeJobs(.purge), ChangeJobs(.cancel, matching: JobSelection(state: .dead)),
                ChangeJobs(.delete, matching: JobSelection(state: .ready)),
                ChangeJobs(.reschedule(nil), matching: JobSelection(state: .running)),
                ChangeJobs(.retry, matching: JobSelection(state: .succeeded)),
            ] {
                #expect(try await refusal { try await client.ask(request) as JobsChanged } == .invalidRequest)
            }
        }
    }

    /// A crash in the midst of it: the next coordinator goes on from the stored cursor.
    @Test func anOperationGoesOnAfterACrash() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            for sequence in 1...4 as ClosedRange<UInt64> {
                _ = try await client.submit([String](repeating: "x", count: 2000), sequence: sequence)
            }
            let changed: JobsChanged = try await client.ask(ChangeJobs(.cancel, matching: JobSelection(queue: "mail")))
            #expect(!changed.isFinished && changed.count < 8000 && changed.count > 0)
            bench.crash()
            let late = bench.disk.contents.laneTotals[0]
            #expect(late.ready > 0, "it was in the midst")
            try await bench.start()
            let next = try await bench.client()
            // Submitted after it began: not its business.
            let kept = try await next.submit(["y"], sequence: 1).first
            try await bench.until { bench.disk.contents.laneTotals[0].cancelledTotal == 8000 }
            #expect(bench.state(of: kept) == .ready)
            let list: BulkList = try await next.ask(ListBulk())
            try #require(list.operations.count == 1)
            #expect(list.operations[0].changed == 8000 && list.operations[0].finishedAt != nil)
        }
    }

    /// Counts what others get done between the groups of an operation on very many jobs.
    @Test func anOperationOnVeryManyJobsDelaysNobody() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1", types: ["Other"])
            node.beat()
            for sequence in 1...6 as ClosedRange<UInt64> {
                _ = try await client.submit([String](repeating: "x", count: 10_000), sequence: sequence)
            }
            let changed: JobsChanged = try await client.ask(ChangeJobs(.cancel, matching: JobSelection(queue: "mail")))
            #expect(!changed.isFinished && changed.count <= 60_000 / 10, "it answers before it is done")
            var ran = 0
            var slowest = Duration.zero
            var sequence: UInt64 = 7
            while bench.disk.contents.laneTotals[0].ready > 0 {
                let begin = bench.world.now
                _ = try await client.submit(["y"], sequence: sequence, type: "Other", queue: "other")
                let jobs = try await node.fetchAll(1)
                #expect(try await node.succeed(jobs) == [.accepted])
                slowest = max(slowest, bench.world.now - begin)
                ran += 1
                sequence += 1
            }
            #expect(ran >= 30, "\(ran) jobs ran beside it")
            #expect(slowest < .milliseconds(50), "one took \(slowest)")
            #expect(bench.disk.contents.laneTotals[0].cancelledTotal == 60_000)
        }
    }
}
