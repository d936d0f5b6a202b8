import MartletCoordinator
import MartletCore
import MartletTransport
import MartletWire
import Testing

/// Unstarted jobs of one node run on another that is idle.
@Suite struct StealTests {
    /// A node that was given `count` jobs and has two slots.
    private static func laden(_ bench: Bench, _ count: Int, givesBack: Bool = true) async throws
        -> (client: TestClient, node: TestNode, jobs: [TestNode.Held])
    {
        let client = try await bench.client()
        let node = try await bench.node("busy", slots: 2, givesBack: givesBack)
        _ = try await client.submit((0..<count).map { "\($0)" }, sequence: 1)
        let jobs = try await node.fetchAll(count)
        try await node.report(
            running: jobs.prefix(2).map(\.id), standing: .init(meanDuration: .seconds(1), answeredAsk: 0))
        return (client, node, jobs)
    }

    private static func items(_ jobs: some Sequence<TestNode.Held>) -> [(TestNode.Held, Report.Item.Result)] {
        jobs.map { ($0, .returned) }
    }

    @Test func aLateNodeGetsWhatABusyOneHasNotStartedAndOnlyThen() throws {
        try Bench.run { bench in
            let (client, busy, jobs) = try await Self.laden(bench, 6)
            let idle = try await bench.node("idle", slots: 2)
            async let order = busy.order()
            async let stolen = idle.fetchAll(2)
            let ask = try #require(try await order.ask)
            #expect(ask.wanted == jobs[4...].map(\.token), "the last of what it has")
            try await bench.sleep(.milliseconds(50))
            #expect(idle.receivedCount == 0, "nobody else's before it has given them back")
            let verdicts = try await busy.report(
                Self.items(jobs[4...]), standing: .init(meanDuration: .seconds(1), answeredAsk: ask.number))
            #expect(verdicts == [.accepted, .accepted])
            let got = try await stolen
            #expect(
                got.map(\.id) == jobs[4...].map(\.id) && got.allSatisfy { $0.attempt == 1 && $0.token > jobs[5].token })
            #expect(try await idle.succeed(got) == [.accepted, .accepted])
            let nodes: NodeList = try await client.ask(ListNodes())
            let steals = Dictionary(uniqueKeysWithValues: nodes.nodes.map { ($0.name, $0.steals) })
            #expect(steals["busy"]?.asks == 1 && steals["busy"]?.asked == 2 && steals["busy"]?.gaveBack == 2)
            #expect(steals["idle"]?.tookOver == 2 && steals["idle"]?.asks == 0)
            await bench.checkInvariants()
        }
    }

    @Test func whatWasStartedMeanwhileStaysWhereItIs() throws {
        try Bench.run { bench in
            let (_, busy, jobs) = try await Self.laden(bench, 4)
            let idle = try await bench.node("idle", slots: 2)
            async let order = busy.order()
            async let nothing = idle.fetchIfAny(2, within: .seconds(2))
            let ask = try #require(try await order.ask)
            #expect(ask.wanted.count == 2)
            #expect(
                try await busy.report(
                    [(jobs[2], .succeeded), (jobs[3], .succeeded)],
                    standing: .init(meanDuration: .seconds(1), answeredAsk: ask.number)) == [.accepted, .accepted])
            #expect(try await nothing.isEmpty)
            await bench.checkInvariants()
        }
    }

    @Test func aCancelledJobThatIsGivenBackIsGone() throws {
        try Bench.run { bench in
            let (client, busy, jobs) = try await Self.laden(bench, 3)
            let idle = try await bench.node("idle", slots: 2)
            async let order = busy.order()
            async let nothing = idle.fetchIfAny(2, within: .seconds(2))
            let ask = try #require(try await order.ask)
            #expect(ask.wanted == [jobs[2].token])
            let _: JobsChanged = try await client.ask(ChangeJobs(.cancel, ids: [jobs[2].id]))
            let verdicts = try await busy.report(
                Self.items([jobs[2]]), standing: .init(meanDuration: .seconds(1), answeredAsk: ask.number))
            #expect(verdicts == [.refused])
            #expect(try await nothing.isEmpty)
            await bench.checkInvariants()
        }
    }

    /// The node goes silent with the jobs that were asked for: they run elsewhere when its leases end, once.
    @Test func jobsThatWereAskedForEndWithTheLeasesOfALostNode() throws {
        try Bench.run { bench in
            let (_, busy, jobs) = try await Self.laden(bench, 5)
            let idle = try await bench.node("idle", slots: 4)
            idle.beat()
            async let order = busy.order()
            let got = try await idle.fetchAll(5)
            #expect(Set(got.map(\.id)) == Set(jobs.map(\.id)))
            _ = try? await order
            #expect(
                try await refusal { try await busy.report(Self.items(jobs[2...])) } == .unknownNode,
                "its session is over")
            await bench.checkInvariants()
        }
    }

    @Test func aNodeThatRegistersAgainGivesBackUnderItsNewSession() throws {
        try Bench.run { bench in
            let (_, busy, jobs) = try await Self.laden(bench, 4)
            let idle = try await bench.node("idle", slots: 2)
            async let stolen = idle.fetchAll(2)
            async let order = busy.order()
            _ = try #require(try await order.ask)
            let again = try await bench.node(
                "busy", slots: 2, held: jobs.map { $0.item(.unstarted) }, lastDelivery: busy.received, givesBack: true)
            try await again.report(Self.items(jobs[2...]))
            #expect(try await stolen.map(\.id) == jobs[2...].map(\.id))
            await bench.checkInvariants()
        }
    }

    @Test func aWorkerOf010IsNeverAsked() throws {
        try Bench.run { bench in
            let (_, busy, _) = try await Self.laden(bench, 6, givesBack: false)
            let idle = try await bench.node("idle", slots: 2)
            busy.beat()
            #expect(try await idle.fetchIfAny(2, within: .seconds(3)).isEmpty)
            let nodes: NodeList = try await bench.client().ask(ListNodes())
            #expect(nodes.nodes.allSatisfy { $0.steals == StealCounts() })
        }
    }

    @Test func turnedOffItLeavesJobsWhereTheyAre() throws {
        let settings = CoordinatorSettings(clientAddress: Bench.clients, nodeAddress: Bench.nodes, isStealing: false)
        try Bench.run(settings) { bench in
            let (_, busy, _) = try await Self.laden(bench, 6)
            #expect(!busy.registered.features.contains(.stealing))
            let idle = try await bench.node("idle", slots: 2)
            busy.beat()
            #expect(try await idle.fetchIfAny(2, within: .seconds(3)).isEmpty)
        }
    }

    @Test func explainSaysWhereAJobWaitsAndThatItWasAskedFor() throws {
        try Bench.run { bench in
            let (client, busy, jobs) = try await Self.laden(bench, 4)
            func reason(_ job: TestNode.Held) async throws -> WaitReason {
                let explanation: JobExplanation = try await client.ask(ExplainJob(id: job.id))
                #expect(explanation.subject == "busy")
                return explanation.reason
            }
            #expect(try await reason(jobs[0]) == .running)
            #expect(try await reason(jobs[3]) == .prefetched)
            let idle = try await bench.node("idle", slots: 1)
            async let order = busy.order()
            async let stolen = idle.fetchAll(1)
            let ask = try #require(try await order.ask)
            #expect(try await reason(jobs[3]) == .askedBack)
            try await busy.report(
                Self.items([jobs[3]]), standing: .init(meanDuration: .seconds(1), answeredAsk: ask.number))
            _ = try await stolen
        }
    }
}
