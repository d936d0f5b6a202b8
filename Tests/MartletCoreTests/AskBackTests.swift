import MartletCore
import Testing

/// Jobs that a node holds unstarted, for others that are idle.
@Suite struct AskBackTests {
    private static let service = NodeService(queues: [], types: ["Send"])

    /// A node with two slots that was sent jobs 11 to 16, and is about to be sent 17 and 18.
    private static func laden(givesBack: Bool = true) -> NodeBench {
        let bench = NodeBench(givesBack: givesBack)
        bench.fetch(received: 0)
        bench.assign(jobs(11, 12, 13, 14, 15, 16))
        bench.control()
        bench.assign(jobs(17, 18))
        _ = bench.done()
        return bench
    }

    private static func ask(_ count: Int, number: UInt64 = 1, service: NodeService = service) -> AskBack {
        AskBack(number: number, count: count, service: service, until: .seconds(9))
    }

    @Test func whatWasNotSentComesBackAtOnceAndTheEndOfTheRestIsAskedFor() {
        let bench = Self.laden()
        bench.core.askBack(Self.ask(5), into: &bench.actions)
        #expect(bench.done() == ["give back 17 18", "order 1 on 2: ask 1: 4 5 6"])
        #expect(bench.core.steals.asks == 1 && bench.core.steals.asked == 5 && bench.core.steals.gaveBack == 2)
        #expect(bench.core.leases.count == 6, "leases stand until the node has answered")
    }

    @Test func theFirstJobsOfANodeAreTakenForRunning() {
        let bench = Self.laden()
        bench.core.askBack(Self.ask(100), into: &bench.actions)
        #expect(bench.done() == ["give back 17 18", "order 1 on 2: ask 1: 3 4 5 6"])
    }

    @Test func whatComesBackIsMarkedUntilAnotherNodeHasIt() {
        let bench = Self.laden()
        bench.core.askBack(Self.ask(4), into: &bench.actions)
        _ = bench.done()
        let back = bench.settle(16, 6, .returned)
        #expect(back.verdicts == [.accepted] && back.returned.map(\.body.wasGivenBack) == [true])
        #expect(bench.settle(13, 3, .returned).returned.map(\.body.wasGivenBack) == [false], "it came unasked")
        #expect(bench.settle(15, 5, .succeeded).verdicts == [.accepted], "it was started first")
        bench.core.answered(1, into: &bench.actions)
        #expect(bench.done() == ["ask 1 ended with 3"])
        #expect(bench.core.steals.gaveBack == 3)
        let other = NodeBench()
        other.fetch(received: 0)
        other.assign(back.returned)
        #expect(other.core.steals.tookOver == 1)
        #expect(other.settle(16, 1, .returned).returned.map(\.body.wasGivenBack) == [false])
    }

    @Test func aNodeThatDoesNotKnowOfItIsNotAsked() {
        let bench = Self.laden(givesBack: false)
        bench.core.askBack(Self.ask(5), into: &bench.actions)
        #expect(bench.done() == ["give back 17 18", "ask 1 ended with 2"])
        bench.core.askBack(Self.ask(5, number: 2), into: &bench.actions)
        #expect(bench.done() == ["ask 2 ended with 0"])
        #expect(bench.core.steals.asks == 1, "nothing was asked for the second time")
    }

    @Test func onlyWhatTheOthersServeAndMayHaveIsAskedFor() {
        let bench = NodeBench(givesBack: true)
        bench.control()
        bench.fetch(received: 0)
        let keyed = JobTraits.sample(share: LaneShare(key: "k", isOrdered: true))
        let other = JobTraits.sample(lane: 1, key: LaneKey(queue: "mail", type: "Scan"))
        var limited = QueuedJob.sample(15)
        limited.startBy = .seconds(1)
        bench.assign(jobs(11, 12) + [.sample(13, traits: keyed), .sample(14, traits: other), limited] + jobs(16))
        _ = bench.done()
        bench.core.askBack(Self.ask(9), into: &bench.actions)
        #expect(bench.done() == ["order 1 on 1: ask 1: 6"])
    }

    @Test func anOrderThatWasLostIsSaidAgainAsLongAsItIsWanted() {
        let bench = Self.laden()
        bench.core.askBack(Self.ask(3), into: &bench.actions)
        bench.control(lastOrder: 0)
        #expect(bench.done() == ["give back 17 18", "order 1 on 2: ask 1: 6", "order 2 on 3: ask 1: 6"])
        bench.core.answered(1, into: &bench.actions)
        bench.control(lastOrder: 1)
        #expect(bench.done() == ["ask 1 ended with 2"])
    }

    @Test func aCancelOfWhatIsAskedForWinsOverItsReturn() {
        let bench = Self.laden()
        bench.core.askBack(Self.ask(3), into: &bench.actions)
        _ = bench.done()
        #expect(bench.revoke(16))
        #expect(bench.settle(16, 6, .returned).verdicts == [.refused])
        bench.core.answered(1, into: &bench.actions)
        #expect(bench.core.steals.gaveBack == 2 && bench.core.ask == nil)
    }

    @Test func aNodeThatDiesHasNothingAskedOfItAnyMore() {
        let bench = Self.laden()
        bench.core.askBack(Self.ask(3), into: &bench.actions)
        _ = bench.done()
        bench.core.die(into: &bench.actions)
        #expect(bench.done().contains("give back 13 14 15 16"), "each job once, by the end of its lease")
        bench.core.askBack(Self.ask(3, number: 2), into: &bench.actions)
        #expect(bench.done() == ["ask 2 ended with 0"])
    }
}
