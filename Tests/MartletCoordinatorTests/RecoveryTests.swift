import MartletCoordinator
import MartletCore
import MartletSimulation
import MartletStore
import MartletTransport
import MartletWire
import Testing

@Suite struct RecoveryTests {
    @Test func nodeGoesOnWithItsJobsUnderNewLeases() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let old = try await bench.node("n1")
            _ = try await client.submit(["a", "b", "c", "d"], sequence: 1)
            let held = try await old.fetchAll(3)
            #expect(try await old.succeed([held[0]]) == [.accepted])
            bench.crash()
            try await bench.start()
            // Another node must not get what the first one still runs.
            let other = try await bench.node("n2")
            #expect(try await other.fetchIfAny(10).isEmpty)
            let new = try await bench.node("n1", held: held.map { $0.item() }, lastDelivery: old.received)
            guard case .ended = new.registered.verdicts[0], case .leased(let b) = new.registered.verdicts[1],
                case .leased(let c) = new.registered.verdicts[2]
            else { return #expect(Bool(false), "\(new.registered.verdicts)") }
            #expect(b.epoch == bench.parts.epoch && b < c && b > held[2].token)
            #expect(try await other.fetch(10).map(\.payload) == ["d"], "once all nodes are back, the rest goes on")
            await bench.checkInvariants()
            #expect(try await new.succeed([held[1]]) == [.unknown], "a lease of the earlier epoch")
            let leased = TestNode.Held(
                id: held[1].id, token: b, attempt: 1, type: "Send", timeout: .seconds(1), payload: "b")
            #expect(try await new.succeed([leased]) == [.accepted])
            #expect(bench.state(of: held[1].id) == nil)
        }
    }

    @Test func recoveredJobsWaitForTheLeaseTimeOfNodesThatStayAway() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let away = try await bench.node("n1")
            let ids = try await client.submit(["a", "b"], sequence: 1).first
            _ = try await away.fetchAll(2)
            bench.crash()
            try await bench.start()
            let begun = bench.outside.now
            let node = try await bench.node("n2")
            node.beat()
            let pong: Pong = try await client.ask(Ping())
            #expect(!pong.isRecovered)
            _ = try await client.submit(["new"], sequence: 2)
            #expect(try await node.fetch(10).map(\.payload) == ["new"], "new jobs go at once")
            let recovered = try await node.fetchAll(2)
            let waited = bench.outside.now - begun
            #expect(recovered.first?.id == ids && recovered.count == 2)
            #expect(waited > .seconds(14.9) && waited < .seconds(16.5))
            let list: NodeList = try await client.ask(ListNodes())
            #expect(list.nodes.map(\.name) == ["n2"])
            // Its leases are over: it comes back too late.
            let late = try await bench.node("n1", held: [])
            #expect(late.registered.verdicts.isEmpty)
        }
    }

    @Test func nodeThatComesBackTooLateHasLostItsJobs() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let away = try await bench.node("n1")
            _ = try await client.submit(["a"], sequence: 1)
            let held = try await away.fetchAll(1)
            bench.crash()
            try await bench.start()
            let node = try await bench.node("n2")
            node.beat()
            let again = try await node.fetchAll(1)
            #expect(again[0].id == held[0].id)
            let late = try await bench.node("n1", held: held.map { $0.item() }, lastDelivery: away.received)
            #expect(late.registered.verdicts == [.ended])
            await bench.checkInvariants()
        }
    }

    @Test func withoutNodesFromBeforeNothingWaits() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            _ = try await client.submit(["a"], sequence: 1)
            try await node.report(isDraining: true, isLast: true)
            try await bench.sleep(.milliseconds(50))
            bench.crash()
            try await bench.start()
            let other = try await bench.node("n2")
            #expect(try await other.fetch(1).map(\.payload) == ["a"])
        }
    }

    /// Both hold the same job: the older lease had ended before the restart, but its node does not know.
    @Test(arguments: [true, false]) func laterLeaseWins(olderComesFirst: Bool) throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let nodes = [try await bench.node("n1"), try await bench.node("n2")]
            _ = try await client.submit(["a", "b"], sequence: 1)
            let older = try await nodes[0].fetchAll(1)[0]
            let newer = try await nodes[1].fetchAll(1)[0]
            bench.crash()
            try await bench.start()
            // Both name the job of the first node, the second with the higher token.
            let stale = Register.Item(id: older.id, token: older.token, phase: .running)
            let fresh = Register.Item(id: older.id, token: newer.token, phase: .running)
            func back(_ name: String, _ item: Register.Item) async throws -> TestNode {
                try await bench.node(name, held: [item], lastDelivery: 1)
            }
            let first = try await olderComesFirst ? back("n1", stale) : back("n2", fresh)
            #expect(first.registered.verdicts != [.ended])
            async let order = first.order()
            try await bench.sleep(.milliseconds(10))
            let second = try await olderComesFirst ? back("n2", fresh) : back("n1", stale)
            if olderComesFirst {
                guard case .leased(let token) = first.registered.verdicts[0] else { return }
                #expect(second.registered.verdicts != [.ended])
                #expect(try await order.ended == [token], "the older one is told")
            } else {
                #expect(second.registered.verdicts == [.ended])
                await first.connection.close()
                _ = try? await order
            }
            await bench.checkInvariants()
            let third = try await bench.node("n3")
            #expect(try await third.fetchIfAny(5).map(\.id) == [newer.id], "only the job nobody named")
        }
    }

    /// The answer to the first registration after the restart was lost.
    @Test func claimsAreKnownAgainByTheirOldTokens() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let old = try await bench.node("n1")
            _ = try await client.submit(["a"], sequence: 1)
            let held = try await old.fetchAll(1)
            bench.crash()
            try await bench.start()
            let missed = try await bench.node("n1", held: held.map { $0.item() }, lastDelivery: 1)
            let again = try await bench.node("n1", held: held.map { $0.item() }, lastDelivery: 1)
            #expect(again.registered.verdicts == missed.registered.verdicts && again.registered.verdicts != [.ended])
            await bench.checkInvariants()
            let other = try await bench.node("n2")
            #expect(try await other.fetchIfAny(5).isEmpty)
        }
    }

    @Test func jobsDueWhileTheCoordinatorWasAwayRunAndLaterOnesWait() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let now = bench.outside.wallTime
            _ = try await client.submit(["soon"], sequence: 1, due: now + .seconds(10))
            _ = try await client.submit(["later"], sequence: 2, due: now + .seconds(120))
            bench.crash()
            try await bench.sleep(.seconds(20))
            try await bench.start()
            let node = try await bench.node("n1")
            node.beat()
            #expect(try await node.fetch(5).map(\.payload) == ["soon"])
            #expect(try await node.fetch(5).map(\.payload) == ["later"])
            #expect(bench.outside.wallTime >= now + .seconds(120))
        }
    }

    @Test func coordinatorThatStopsInGoodOrderLetsAnotherTakeOver() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let first = bench.parts.epoch
            _ = try await client.submit(["a"], sequence: 1)
            try await bench.stop()
            guard case .success? = bench.ending else { return #expect(Bool(false), "\(bench.ending as Any)") }
            try await bench.start()
            #expect(bench.parts.epoch > first)
            let node = try await bench.node("n1")
            #expect(try await node.fetch(1).map(\.payload) == ["a"])
        }
    }
}
