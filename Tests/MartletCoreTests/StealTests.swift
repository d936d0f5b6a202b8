import MartletCore
import Testing

/// When the dispatcher has nodes asked for jobs.
@Suite struct StealTests {
    /// A dispatcher with nodes that say how much they hold.
    private struct Nodes {
        var core: DispatchCore
        var now = Instant.seconds(0)
        private var credit: [UInt64: UInt64] = [:]
        private var settled: [UInt64: UInt64] = [:]
        private var means: [UInt64: Duration] = [:]
        private(set) var assigned: [UInt64: [QueuedJob]] = [:]
        private var lastID: UInt64 = 0

        init(isStealing: Bool = true) {
            self.core = DispatchCore(limits: DispatchLimits(isStealing: isStealing), at: self.now)
            self.core.defineLanes(
                [LaneKey(queue: "mail", type: "Send"), LaneKey(queue: "mail", type: "Scan")], at: self.now)
        }

        mutating func join(_ key: UInt64, slots: Int = 2, prefetch: UInt64, mean: Duration?, types: [String] = ["Send"])
        {
            self.core.nodeJoined(
                NodeKey(rawValue: key), service: NodeService(queues: [], types: types), slots: slots, at: self.now)
            self.credit[key] = UInt64(slots) + prefetch
            self.means[key] = mean
            self.tell(key)
        }

        mutating func tell(_ key: UInt64, settled: UInt64 = 0) {
            self.settled[key, default: 0] += settled
            // As a worker does, whose queue has shrunk.
            self.credit[key]! += settled
            let standing = NodeStanding(
                creditTotal: self.credit[key]!, settledTotal: self.settled[key]!, isPaused: false,
                meanDuration: self.means[key])
            self.core.nodeChanged(NodeKey(rawValue: key), standing, at: self.now)
            self.core.checkInvariants()
        }

        mutating func submit(_ count: Int) {
            let first = JobID(rawValue: self.lastID + 1)
            self.lastID += UInt64(count)
            let bodies = ContiguousArray((0..<count).map { _ in QueuedJob.sample(1).body })
            self.core.enqueue(lane: LaneID(rawValue: 0), first: first, count: count, bodies: bodies, at: self.now)
        }

        mutating func giveBack(_ count: Int, from key: UInt64) {
            let jobs = self.assigned[key]!.suffix(count)
            self.assigned[key]!.removeLast(count)
            self.core.giveBack(Array(jobs), at: self.now)
            self.tell(key, settled: UInt64(count))
        }

        /// Who is asked, and for how many.
        mutating func turn() -> [(node: UInt64, ask: AskBack)] {
            var actions: [DispatchCore.Action] = []
            self.core.assign(at: self.now, into: &actions)
            var asks: [(UInt64, AskBack)] = []
            for action in actions {
                switch action {
                case .assign(let key, let jobs): self.assigned[key.rawValue, default: []] += jobs
                case .askBack(let key, let ask): asks.append((key.rawValue, ask))
                case .load: break
                }
            }
            self.core.checkInvariants()
            return asks
        }

        mutating func pass(_ duration: Duration) { self.now = self.now + duration }
    }

    /// One node has 20 jobs of a second each, two of which run.
    private func laden(isStealing: Bool = true) -> Nodes {
        var nodes = Nodes(isStealing: isStealing)
        nodes.join(1, prefetch: 18, mean: .seconds(1))
        nodes.submit(20)
        _ = nodes.turn()
        nodes.tell(1)
        #expect(nodes.assigned[1]?.count == 20)
        return nodes
    }

    @Test func aNodeThatJoinsLateGetsWhatAnotherHasNotStarted() throws {
        var nodes = self.laden()
        #expect(nodes.turn().isEmpty, "nobody is idle")
        nodes.join(2, prefetch: 0, mean: nil)
        let asks = nodes.turn()
        #expect(asks.map(\.node) == [1] && asks.first?.ask.count == 2)
        let ask = try #require(asks.first?.ask)
        nodes.giveBack(2, from: 1)
        nodes.core.askEnded(NodeKey(rawValue: 1), number: ask.number, gaveBack: 2, at: nodes.now)
        #expect(nodes.turn().isEmpty, "nobody is idle any more")
        #expect(nodes.assigned[2]?.count == 2 && nodes.assigned[1]?.count == 18)
    }

    /// It has the credit for what it gave back: that does not go to and fro.
    @Test func whatCameBackDoesNotGoBackToWhereItWaited() {
        var nodes = self.laden()
        nodes.join(2, slots: 1, prefetch: 0, mean: nil)
        #expect(nodes.turn().count == 1)
        nodes.giveBack(6, from: 1)
        _ = nodes.turn()
        #expect(nodes.assigned[2]?.count == 1, "the idle one has one slot")
        #expect(nodes.assigned[1]?.count == 14, "and the others wait for whoever is free first")
        nodes.tell(1, settled: 11)
        _ = nodes.turn()
        #expect(nodes.assigned[1]?.count == 14, "one still waits there")
        nodes.tell(1, settled: 1)
        _ = nodes.turn()
        #expect(nodes.assigned[1]?.count == 19, "nothing waits there any more, and it fetches ahead again")
    }

    @Test func oneAskIsUnderWayAtATimeAndIsGivenUpInTheEnd() {
        var nodes = self.laden()
        nodes.join(2, slots: 1, prefetch: 0, mean: nil)
        #expect(nodes.turn().map(\.ask.number) == [1])
        nodes.pass(DispatchCore.askPatience - .milliseconds(1))
        #expect(nodes.turn().isEmpty)
        nodes.pass(DispatchCore.lookIntervalMax)
        #expect(nodes.turn().map(\.ask.number) == [2])
        nodes.core.askEnded(NodeKey(rawValue: 1), number: 1, gaveBack: 1, at: nodes.now)
        nodes.pass(DispatchCore.lookIntervalMax)
        #expect(nodes.turn().isEmpty, "the answer to an earlier one ends nothing")
    }

    @Test func whoHadNothingToGiveIsLeftAloneForAWhile() {
        var nodes = self.laden()
        nodes.join(2, slots: 1, prefetch: 0, mean: nil)
        #expect(nodes.turn().count == 1)
        nodes.core.askEnded(NodeKey(rawValue: 1), number: 1, gaveBack: 0, at: nodes.now)
        nodes.pass(DispatchCore.askPause - .milliseconds(1))
        #expect(nodes.turn().isEmpty)
        nodes.pass(DispatchCore.lookIntervalMax)
        #expect(nodes.turn().count == 1)
    }

    /// Its mean is that of the short jobs before; that nothing ends says more.
    @Test func jobsThatTakeLongerThanThoseBeforeAreSeenToDoSo() {
        var nodes = Nodes()
        nodes.join(1, prefetch: 10, mean: .microseconds(100))
        nodes.submit(12)
        _ = nodes.turn()
        nodes.tell(1)
        nodes.join(2, prefetch: 0, mean: .microseconds(100))
        #expect(nodes.turn().isEmpty, "five rounds of a tenth of a millisecond")
        let wake = nodes.core.nextWake
        #expect(wake != nil && wake! <= nodes.now + DispatchCore.lookInterval, "but it is looked at again")
        for _ in 0..<2 {
            nodes.pass(.milliseconds(1))
            nodes.tell(1, settled: 1)
        }
        #expect(nodes.turn().isEmpty, "jobs end")
        nodes.pass(.milliseconds(20))
        #expect(nodes.turn().map(\.node) == [1])
    }

    @Test func nothingIsAskedForWhileThereIsWorkForAll() {
        var nodes = self.laden()
        nodes.submit(5)
        nodes.join(2, prefetch: 0, mean: nil)
        #expect(nodes.turn().isEmpty)
        #expect(nodes.assigned[2]?.count == 2 && nodes.core.nextWake == nil)
    }

    @Test func onlyWhatTheIdleNodeServesIsAskedFor() throws {
        var nodes = self.laden()
        nodes.join(2, prefetch: 0, mean: nil, types: ["Scan"])
        #expect(nodes.turn().isEmpty)
        nodes.pass(.seconds(1))
        nodes.join(3, slots: 3, prefetch: 0, mean: nil, types: ["Scan", "Send"])
        let asks = nodes.turn()
        #expect(asks.map(\.ask.count) == [3])
        #expect(asks.first?.ask.service == NodeService(queues: [], types: ["Scan", "Send"]))
    }

    @Test func itCanBeTurnedOff() {
        var nodes = self.laden(isStealing: false)
        nodes.join(2, prefetch: 0, mean: nil)
        nodes.pass(.seconds(10))
        #expect(nodes.turn().isEmpty && nodes.core.nextWake == nil)
    }

    @Test func whoLeavesIsNotAsked() {
        var nodes = self.laden()
        nodes.join(2, prefetch: 0, mean: nil)
        nodes.core.nodeLeft(NodeKey(rawValue: 1), at: nodes.now)
        #expect(nodes.turn().isEmpty && nodes.core.nextWake == nil)
    }
}
