import MartletCoordinator
import MartletCore
import MartletSimulation
import MartletStore
import MartletWire
import Testing

@Suite struct CancelTests {
    private static func cancel(_ client: TestClient, _ ids: JobID...) async throws -> JobsChanged {
        try await client.ask(ChangeJobs(.cancel, ids: ids))
    }

    @Test func aWaitingJobIsNeverStarted() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let ready = try await client.submit(["a", "b"], sequence: 1).first
            let changed = try await Self.cancel(client, ready, JobID(rawValue: 999))
            #expect(changed.count == 1 && changed.missing == [JobID(rawValue: 999)])
            #expect(bench.state(of: ready) == .cancelled)
            let node = try await bench.node("n1")
            #expect(try await node.fetch(4).map(\.payload) == ["b"])
            #expect(try await Self.cancel(client, ready).missing == [ready], "it has ended")
            await bench.checkInvariants()
        }
    }

    /// Also those that are due so late that they are on disk only.
    @Test(arguments: [5, 3600] as [Int64])
    func aScheduledJobIsNeverStarted(seconds: Int64) throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            let due = bench.outside.wallTime + .seconds(seconds)
            let first = try await client.submit(["a", "b"], sequence: 1, due: due).first
            #expect(try await Self.cancel(client, first).count == 1)
            #expect(try await node.fetch(4, timeout: .seconds(4000)).map(\.payload) == ["b"])
            #expect(bench.disk.contents.laneTotals[0].cancelledTotal == 1)
        }
    }

    @Test func aRunningJobIsTakenFromItsNodeAndItsResultRefused() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let id = try await client.submit(["a"], sequence: 1).first
            let job = try await node.fetchAll(1)
            async let order = node.order()
            #expect(try await Self.cancel(client, id).count == 1)
            #expect(try await order.ended == [job[0].token])
            #expect(try await node.succeed(job) != [.accepted])
            #expect(bench.state(of: id) == .cancelled)
            #expect(bench.disk.contents.laneTotals[0].succeededTotal == 0)
            await bench.checkInvariants()
        }
    }

    @Test func aCancelledJobIsForgottenAfterItsTime() throws {
        let settings = CoordinatorSettings(
            clientAddress: Bench.clients, nodeAddress: Bench.nodes,
            queues: ["mail": .init(retention: Retention(cancelled: .seconds(100)))])
        try Bench.run(settings) { bench in
            let client = try await bench.client()
            let id = try await client.submit(["a"], sequence: 1).first
            _ = try await Self.cancel(client, id)
            try await bench.sleep(.seconds(90))
            #expect(bench.state(of: id) == .cancelled)
            try await bench.sleep(.seconds(100))
            #expect(bench.state(of: id) == nil)
        }
    }
}

@Suite struct PauseTests {
    @Test func nothingOfAPausedQueueIsStartedUntilItIsResumed() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            let set: PauseSet = try await client.ask(SetPause(.queue, name: "mail", isPaused: true))
            #expect(set.isChanged && set.since != nil)
            let again: PauseSet = try await client.ask(SetPause(.queue, name: "mail", isPaused: true))
            #expect(!again.isChanged && again.since == set.since)
            _ = try await client.submit(["a"], sequence: 1)
            _ = try await client.submit(["other"], sequence: 2, queue: "other")
            #expect(try await node.fetchIfAny(4).map(\.payload) == ["other"])
            let list: PauseList = try await client.ask(ListPauses())
            #expect(list.pauses == [PauseView(.queue, name: "mail", since: set.since!)])
            #expect(try await node.fetchIfAny(4).isEmpty)
            let resumed: PauseSet = try await client.ask(SetPause(.queue, name: "mail", isPaused: false))
            #expect(resumed.isChanged && resumed.since == nil)
            #expect(try await node.fetchAll(1).map(\.payload) == ["a"])
            let none: PauseSet = try await client.ask(SetPause(.queue, name: "mail", isPaused: false))
            #expect(!none.isChanged)
        }
    }

    @Test func aPauseOutlivesACrash() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let _: PauseSet = try await client.ask(SetPause(.type, name: "Send", isPaused: true))
            _ = try await client.submit(["a"], sequence: 1)
            bench.crash()
            try await bench.start()
            let next = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            #expect(try await node.fetchIfAny(4).isEmpty)
            let list: PauseList = try await next.ask(ListPauses())
            #expect(list.pauses.map(\.name) == ["Send"])
            let _: PauseSet = try await next.ask(SetPause(.type, name: "Send", isPaused: false))
            #expect(try await node.fetchAll(1).count == 1)
        }
    }
}

@Suite struct MoveTests {
    @Test(arguments: [5, 3600] as [Int64])
    func aScheduledJobRunsWhenItIsRescheduledToNow(seconds: Int64) throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let due = bench.outside.wallTime + .seconds(seconds)
            let id = try await client.submit(["a"], sequence: 1, due: due).first
            let changed: JobsChanged = try await client.ask(ChangeJobs(.reschedule(nil), ids: [id]))
            #expect(changed.count == 1)
            let jobs = try await node.fetchAll(1)
            #expect(try await node.succeed(jobs) == [.accepted])
            #expect(try await node.fetchIfAny(4, within: .seconds(10)).isEmpty, "it runs once")
            await bench.checkInvariants()
        }
    }

    @Test func aReadyJobIsPutOff() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            let id = try await client.submit(["a", "b"], sequence: 1).first
            let due = bench.outside.wallTime + .seconds(300)
            let _: JobsChanged = try await client.ask(ChangeJobs(.reschedule(due), ids: [id]))
            #expect(try await node.fetch(4).map(\.payload) == ["b"])
            #expect(try await node.fetch(4, timeout: .seconds(400)).map(\.payload) == ["a"])
            #expect(bench.outside.wallTime >= due)
        }
    }

    @Test func aJobThatANodeHasGoesItsWay() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let id = try await client.submit(["a"], sequence: 1).first
            let jobs = try await node.fetchAll(1)
            for action in [ChangeJobs.Action.reschedule(nil), .prioritize(.highest), .purge] {
                let changed: JobsChanged = try await client.ask(ChangeJobs(action, ids: [id]))
                #expect(changed.count == 0 && changed.missing == [id])
            }
            #expect(try await node.succeed(jobs) == [.accepted])
        }
    }

    @Test func anUrgentJobGoesFirst() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let first = try await client.submit(["a", "b", "c"], sequence: 1).first
            let changed: JobsChanged = try await client.ask(
                ChangeJobs(.prioritize(.highest), ids: [first.advanced(by: 2)]))
            #expect(changed.count == 1)
            let node = try await bench.node("n1")
            // Its payload is read back while the first goes.
            #expect(try await node.fetch(1).map(\.payload) == ["a"])
            try await bench.sleep(.milliseconds(10))
            #expect(try await node.fetch(1).map(\.payload) == ["c"])
            #expect(try await client.show(first.advanced(by: 2)).template.options.priority == .highest)
            await bench.checkInvariants()
        }
    }

    /// Taken out for a moment, a job still holds up those of its key.
    @Test func anOrderedJobKeepsItsPlaceWhenItsPriorityChanges() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            var options = JobOptions()
            options.key = "k"
            options.isOrdered = true
            let first = try await client.submit(["a", "b"], sequence: 1, options: options).first
            let node = try await bench.node("n1")
            let set: PauseSet = try await client.ask(SetPause(.queue, name: "mail", isPaused: true))
            #expect(set.isChanged)
            let changed: JobsChanged = try await client.ask(ChangeJobs(.prioritize(.lowest), ids: [first]))
            #expect(changed.count == 1)
            let _: PauseSet = try await client.ask(SetPause(.queue, name: "mail", isPaused: false))
            #expect(try await node.fetch(4).map(\.payload) == ["a"])
        }
    }
}
