import MartletCoordinator
import MartletCore
import MartletSimulation
import MartletStore
import MartletTransport
import MartletWire
import Testing

@Suite struct NodeTests {
    // MARK: Attempts

    @Test func failedJobComesBackAfterItsBackoffAndIsDeadInTheEnd() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            let retry = RetryPolicy(maxAttempts: 3, initialBackoff: .seconds(60), jitter: 0)
            let id = try await client.submit(["x"], sequence: 1, options: JobOptions(retry: retry)).first
            for (attempt, wait) in [(1, 0), (2, 60), (3, 120)] as [(UInt16, Int64)] {
                let before = bench.outside.now
                let job = try await node.fetchAll(1)[0]
                #expect(job.attempt == attempt)
                let waited = bench.outside.now - before
                #expect(waited >= .seconds(wait) - .milliseconds(10) && waited < .seconds(wait) + .milliseconds(100))
                #expect(try await node.fail(job) == [.accepted])
                #expect(bench.state(of: id) == (attempt == 3 ? .dead : .scheduled))
            }
            let view = try await client.show(id)
            #expect(view.failures == 3 && view.lastFailure?.kind == "Test")
            #expect(try await node.fetchIfAny(1, within: .seconds(600)).isEmpty)
        }
    }

    @Test func errorThatCannotBeRetriedKillsTheJobAtOnce() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let id = try await client.submit(["x"], sequence: 1).first
            let job = try await node.fetchAll(1)[0]
            #expect(try await node.fail(job, isRetryable: false) == [.accepted])
            #expect(bench.state(of: id) == .dead)
        }
    }

    @Test func typeDefaultsHoldWhereASubmitSaysNothing() throws {
        let settings = CoordinatorSettings(
            clientAddress: Bench.clients, nodeAddress: Bench.nodes,
            typeDefaults: ["Send": .init(timeout: .seconds(7), retry: .never)])
        try Bench.run(settings) { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let first = try await client.submit(["x"], sequence: 1).first
            _ = try await client.submit(["y"], sequence: 2, options: JobOptions(timeout: .seconds(9)))
            let jobs = try await node.fetchAll(2)
            #expect(jobs.map(\.timeout) == [.seconds(7), .seconds(9)])
            _ = try await node.fail(jobs[0])
            #expect(bench.state(of: first) == .dead)
        }
    }

    @Test func reportThatComesAgainIsAnsweredAgainAndCountsOnce() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            _ = try await client.submit(["x"], sequence: 1)
            let job = try await node.fetchAll(1)[0]
            #expect(try await node.report([(job, .succeeded)]) == [.accepted])
            #expect(try await node.report([(job, .succeeded)], number: 1) == [.accepted], "the same answer")
            #expect(try await node.report([(job, .succeeded)]) == [.refused])
            #expect(try await refusal { try await node.report(number: 1) } == .invalidRequest)
            #expect(bench.disk.contents.laneTotals[0].succeededTotal == 1)
        }
    }

    @Test func jobGivenBackRunsElsewhereWithoutLosingAnAttempt() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let one = try await bench.node("n1")
            let two = try await bench.node("n2")
            _ = try await client.submit(["x"], sequence: 1)
            let job = try await one.fetchAll(1)[0]
            #expect(try await one.report([(job, .returned)], isDraining: true) == [.accepted])
            let again = try await two.fetchAll(1)[0]
            #expect(again.id == job.id && again.attempt == 1 && again.token > job.token)
            #expect(try await one.fetchIfAny(5).isEmpty, "a draining node gets nothing")
        }
    }

    /// A node whose parked requests ended before its last report was answered would register again to ask.
    @Test func leavingNodeIsSentAwayOnlyAfterItsLastResultsAreDurable() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let id = try await client.submit(["x"], sequence: 1).first
            let job = try await node.fetchAll(1)[0]
            bench.faults.current.latency = .seconds(1)
            async let stateAtOrder = Self.stateAfterOrder(node, of: id, in: bench)
            try await bench.sleep(.milliseconds(50))
            #expect(try await node.report([(job, .succeeded)], isDraining: true, isLast: true) == [.accepted])
            #expect(try await stateAtOrder == nil)
            let nodes: NodeList = try await client.ask(ListNodes())
            #expect(nodes.nodes.isEmpty)
        }
    }

    private static func stateAfterOrder(_ node: TestNode, of id: JobID, in bench: Bench) async throws -> JobState? {
        _ = try await node.order()
        return bench.state(of: id)
    }

    // MARK: Silence

    @Test func leaseEndsWithSilenceAndTheLateResultIsRefused() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let silent = try await bench.node("n1")
            let live = try await bench.node("n2")
            live.beat()
            _ = try await client.submit(["x"], sequence: 1)
            let job = try await silent.fetchAll(1)[0]
            let begun = bench.outside.now
            let again = try await live.fetchAll(1)[0]
            let waited = bench.outside.now - begun
            #expect(waited >= .seconds(15) && waited < .seconds(16.5))
            #expect(again.id == job.id && again.token > job.token)
            #expect(try await client.show(job.id).nodeDeaths == 1)
            #expect(try await refusal { try await silent.succeed([job]) } == .unknownNode)
            #expect(try await live.succeed([again]) == [.accepted])
            await bench.checkInvariants()
        }
    }

    @Test func silentNodeGetsNoWorkUntilItIsHeardAgain() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            async let parked = node.fetch(4)
            try await bench.sleep(.seconds(7))
            _ = try await client.submit(["x"], sequence: 1)
            #expect(try await client.list(.running).isEmpty)
            let list: NodeList = try await client.ask(ListNodes())
            #expect(list.nodes.map(\.status) == [.silent])
            try await node.report()
            #expect(try await parked.count == 1)
        }
    }

    @Test func hungHandlerLosesItsLease() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let options = JobOptions(timeout: .seconds(30), retry: .never)
            let id = try await client.submit(["x"], sequence: 1, options: options).first
            let job = try await node.fetchAll(1)[0]
            node.beat(running: [job.id])
            async let order = node.order()
            try await bench.sleep(.seconds(44))
            #expect(bench.state(of: id) == .ready)
            try await bench.sleep(.seconds(3))
            #expect(bench.state(of: id) == .dead)
            #expect(try await order.ended == [job.token])
            #expect(try await client.show(id).lastFailure?.kind == "timeout")
        }
    }

    /// Two nodes die with it, a third alone: it is the job.
    @Test func jobThatKillsNodesIsQuarantined() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let id = try await client.submit(["poison"], sequence: 1).first
            for death in 1...3 as ClosedRange<UInt64> {
                let node = try await bench.node("n\(death)")
                let other = try await client.submit(["innocent"], sequence: death + 1).first
                let got = try await node.fetchAll(1)
                #expect(got.map(\.id).contains(id))
                if death == 3 {
                    #expect(try await node.fetchIfAny(4).isEmpty, "it runs alone")
                    #expect(bench.state(of: other) == .ready)
                }
                try await bench.until { bench.disk.contents.job(id)?.record.history.nodeDeaths == UInt8(death) }
            }
            #expect(bench.state(of: id) == .dead)
            #expect(try await client.show(id).lastFailure?.kind == "quarantined")
            let last = try await bench.node("n4")
            #expect(try await last.fetchAll(3).map(\.payload) == ["innocent", "innocent", "innocent"])
        }
    }

    // MARK: Names

    @Test func liveNameIsRefusedUnlessTheLockProvesTheOldOneDead() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let old = try await bench.node("n1", incarnation: 1)
            _ = try await client.submit(["x"], sequence: 1)
            let job = try await old.fetchAll(1)[0]
            #expect(try await refusal { try await bench.node("n1", incarnation: 2) } == .nodeNameTaken)
            let new = try await bench.node("n1", incarnation: 2, holdsLock: true)
            let again = try await new.fetchAll(1)[0]
            #expect(again.id == job.id && again.token > job.token, "at once, not at the end of the lease")
            #expect(try await refusal { try await old.succeed([job]) } == .unknownNode)
            #expect(try await new.succeed([again]) == [.accepted])
            #expect(await bench.parts.registry.nodeCount == 1)
        }
    }

    @Test func nodesBeyondTheirNumberAreRefused() throws {
        let settings = CoordinatorSettings(clientAddress: Bench.clients, nodeAddress: Bench.nodes, nodesMax: 2)
        try Bench.run(settings) { bench in
            let one = try await bench.node("n1")
            _ = try await bench.node("n2")
            #expect(try await refusal { try await bench.node("n3") } == .tooManyNodes)
            _ = try await bench.node("n1", holdsLock: true)
            #expect(try await refusal { try await one.report() } == .unknownNode)
            let two = try await bench.node("n2")
            try await two.report(isDraining: true, isLast: true)
            _ = try await bench.node("n3")
        }
    }

    @Test func nodesThatRegisterTogetherAreAllServed() throws {
        try Bench.run { bench in
            let nodes = try await withThrowingTaskGroup(of: TestNode.self) { group in
                for number in 0..<30 { group.addTask { try await bench.node("n\(number)") } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(nodes.map(\.registered.key)).count == 30)
            let client = try await bench.client()
            _ = try await client.submit([String](repeating: "x", count: 60), sequence: 1)
            let counts = try await withThrowingTaskGroup(of: Int.self) { group in
                for node in nodes { group.addTask { try await node.fetch(2).count } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(counts.reduce(0, +) == 60)
        }
    }

    // MARK: Lost connections

    @Test func copyOfARegistrationThatComesLateIsRefused() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            _ = try await client.submit(["a"], sequence: 1)
            let held = try await node.fetchAll(1)
            #expect(
                try await refusal {
                    let _: Registered = try await bench.connect(to: Bench.nodes).ask(node.registration)
                }
                    == .unavailable)
            #expect(try await node.succeed(held) == [.accepted])
        }
    }

    @Test func nodeThatLostItsConnectionKeepsItsLeases() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let old = try await bench.node("n1")
            _ = try await client.submit(["a", "b", "c"], sequence: 1)
            let held = try await old.fetchAll(2)
            // The third was assigned and sent, but the connection broke under it.
            let lost = Fetch(key: old.registered.key, lastDelivery: old.received, creditTotal: 3)
            let _: Delivery = try await old.connection.ask(lost)
            await old.connection.close()
            let inventory = held.map { $0.item() }
            let new = try await bench.node("n1", held: inventory, lastDelivery: old.received)
            #expect(new.registered.verdicts == held.map { .leased($0.token) })
            #expect(new.registered.key != old.registered.key)
            await bench.checkInvariants()
            #expect(try await new.fetch(4).map(\.payload) == ["c"], "what did not arrive is sent again")
            #expect(try await new.succeed(held) == [.accepted, .accepted])
            await bench.checkInvariants()
        }
    }

    @Test func creditsAreNotExceededAfterALostConnection() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let old = try await bench.node("n1", slots: 2)
            _ = try await client.submit([String](repeating: "x", count: 40), sequence: 1)
            let held = try await old.fetchAll(10)
            let new = try await bench.node("n1", slots: 2, held: held.map { $0.item() }, lastDelivery: old.received)
            #expect(try await new.fetch(3).count == 3)
            #expect(try await new.fetchIfAny(0).isEmpty)
            #expect(try await new.succeed(held).allSatisfy { $0 == .accepted })
            #expect(try await new.fetchIfAny(0).isEmpty)
            #expect(try await new.fetch(2).count == 2)
            await bench.checkInvariants()
        }
    }

    @Test func itemsThatTheNodeHoldsNoLeaseOnAreEnded() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let old = try await bench.node("n1")
            _ = try await client.submit(["a", "b"], sequence: 1)
            let held = try await old.fetchAll(2)
            #expect(try await old.succeed([held[0]]) == [.accepted])
            let foreign = Register.Item(
                id: held[1].id, token: LeaseToken(epoch: held[1].token.epoch, sequence: 999), phase: .running)
            let new = try await bench.node(
                "n1", held: [held[0].item(.finished), foreign, held[1].item(.unstarted)], lastDelivery: old.received)
            #expect(new.registered.verdicts == [.ended, .ended, .leased(held[1].token)])
        }
    }

    @Test func lostDeliveryIsSentAgainWithTheSameLeases() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            _ = try await client.submit(["a"], sequence: 1)
            let fetch = Fetch(key: node.registered.key, lastDelivery: 0, creditTotal: 1)
            let first: Delivery = try await node.connection.ask(fetch)
            let second: Delivery = try await node.connection.ask(fetch)
            #expect(first == second && first.number == 1 && first.jobs.count == 1)
        }
    }

    @Test func laterFetchSupersedesTheParkedOne() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            async let parked = node.fetch(1)
            try await bench.sleep(.milliseconds(10))
            async let later = node.fetch(1)
            #expect(try await parked.isEmpty)
            _ = try await client.submit(["a"], sequence: 1)
            #expect(try await later.map(\.payload) == ["a"])
        }
    }
}
