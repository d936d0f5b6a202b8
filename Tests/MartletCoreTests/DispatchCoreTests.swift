import MartletCore
import Testing

/// A dispatcher with lanes `a/X` of priorities 0 to 9 (lane = priority) and `a/Y` (lane 10), which few nodes serve.
private final class Bench {
    var core: DispatchCore
    var now = Instant.seconds(0)
    var assigned: [NodeKey: [UInt64]] = [:]
    var loads: [(line: DispatchCore.LineID, ids: [JobID])] = []
    private let keys: [LaneKey]

    init(isRecovering: Bool = false) {
        self.keys =
            (0...9).map { LaneKey(queue: "a", type: "X", priority: Priority(rawValue: $0)!) }
            + [LaneKey(queue: "a", type: "Y")]
        self.core = DispatchCore(isRecovering: isRecovering)
        self.core.defineLanes(self.keys, at: self.now)
    }

    func traits(_ lane: Int) -> JobTraits { .sample(lane: lane, key: self.keys[lane]) }

    func submit(_ ids: ClosedRange<UInt64>, lane: Int = 5, hasBodies: Bool = true) {
        let bodies = ContiguousArray(ids.map { QueuedJob.sample($0, traits: self.traits(lane)).body })
        self.core.enqueue(
            lane: LaneID(rawValue: UInt32(lane)), first: JobID(rawValue: ids.lowerBound), count: ids.count,
            bodies: hasBodies ? bodies : nil, at: self.now)
    }

    func join(_ key: UInt64, types: [String] = ["X"], slots: Int = 4, credit: UInt64 = 0) {
        self.core.nodeJoined(
            NodeKey(rawValue: key), service: NodeService(queues: [], types: types), slots: slots, at: self.now)
        self.change(key, credit: credit)
    }

    func change(_ key: UInt64, credit: UInt64, settled: UInt64 = 0, isPaused: Bool = false) {
        let standing = NodeStanding(creditTotal: credit, settledTotal: settled, isPaused: isPaused)
        self.core.nodeChanged(NodeKey(rawValue: key), standing, at: self.now)
    }

    func claim(_ id: UInt64, lane: UInt32) -> Bool {
        self.core.claim(JobID(rawValue: id), lane: LaneID(rawValue: lane))
    }

    /// What each node got in one turn.
    @discardableResult
    func assign() -> [UInt64: [UInt64]] {
        var actions: [DispatchCore.Action] = []
        self.core.assign(at: self.now, into: &actions)
        var got: [UInt64: [UInt64]] = [:]
        for action in actions {
            switch action {
            case .assign(let key, let jobs): got[key.rawValue, default: []] += jobs.map(\.id.rawValue)
            case .load(let line, let ids): self.loads.append((line, ids))
            case .askBack: break
            }
        }
        self.core.checkInvariants()
        return got
    }

    func answerLoads(nodeDeaths: UInt8 = 0) {
        for (line, ids) in self.loads {
            let jobs = ids.map {
                QueuedJob.sample($0.rawValue, traits: self.traits(Int(line.lane.rawValue)), nodeDeaths: nodeDeaths)
            }
            self.core.bodiesLoaded(jobs, outOf: ids[...], line: line, at: self.now)
        }
        self.loads = []
    }
}

@Suite struct DispatchCoreTests {
    @Test func higherPriorityGoesFirstThenTheOlderJob() {
        let bench = Bench()
        bench.submit(1...2, lane: 5)
        bench.submit(3...4, lane: 9)
        bench.submit(5...6, lane: 0)
        bench.submit(7...8, lane: 5)
        bench.join(1, credit: 7)
        #expect(bench.assign() == [1: [3, 4, 1, 2, 7, 8, 5]])
    }

    @Test func equalPrioritiesGoByAgeAcrossLanes() {
        let bench = Bench()
        bench.submit(10...12, lane: 10)
        bench.submit(5...6, lane: 5)
        bench.join(1, types: ["X", "Y"], credit: 100)
        #expect(bench.assign() == [1: [5, 6, 10, 11, 12]])
    }

    @Test func roomIsNeverExceeded() {
        let bench = Bench()
        bench.submit(1...100)
        bench.join(1, credit: 10)
        #expect(bench.assign()[1]?.count == 10)
        #expect(bench.assign() == [:])
        bench.change(1, credit: 10, settled: 10)
        #expect(bench.assign() == [:], "settled jobs give no credit by themselves")
        bench.change(1, credit: 12, settled: 10)
        #expect(bench.assign()[1]?.count == 2)
        bench.change(1, credit: 5, settled: 10)
        #expect(bench.assign() == [:], "credit may shrink")
        bench.change(1, credit: 40, settled: 12, isPaused: true)
        #expect(bench.assign() == [:])
        bench.change(1, credit: .max / 2, settled: 12)
        #expect(bench.assign()[1]?.count == 88)
    }

    @Test func burstIsSharedOverIdleNodes() {
        let bench = Bench()
        for key in 1...4 as ClosedRange<UInt64> { bench.join(key, credit: 16) }
        bench.submit(1...8)
        #expect(bench.assign().values.map(\.count) == [2, 2, 2, 2])
    }

    /// One node fetches hundreds ahead, others have idle slots.
    @Test func idleSlotsComeBeforeRoomToFetchAhead() {
        let bench = Bench()
        bench.join(1, slots: 2, credit: 300)
        bench.join(2, slots: 2, credit: 2)
        bench.join(3, types: ["X", "Y"], slots: 2, credit: 2)
        bench.submit(1...6)
        let got = bench.assign()
        #expect((1...3).map { got[$0]?.count } == [2, 2, 2])
    }

    @Test func lowPriorityComesThroughAfterItsMinutes() {
        let bench = Bench()
        bench.join(1, credit: 0)
        bench.submit(1...1, lane: 4)
        var next: UInt64 = 10
        for second in 0..<130 {
            bench.now = .seconds(Double(second))
            bench.submit(next...next, lane: 5)
            bench.core.age(at: bench.now)
            bench.change(1, credit: UInt64(second) + 1, settled: UInt64(second))
            let got = bench.assign()[1] ?? []
            if got == [1] { return #expect((60..<125).contains(second), "passed over for a minute, not longer") }
            next += 1
        }
        Issue.record("the low priority never came through")
    }

    /// Reading bodies on the way must not cost a lane its age.
    @Test func laneKeepsItsAgeWhileItsBodiesAreRead() {
        let bench = Bench()
        bench.join(1, credit: 0)
        bench.submit(1...1, lane: 4, hasBodies: false)
        for second in 0...121 {
            bench.now = .seconds(Double(second))
            bench.core.age(at: bench.now)
        }
        bench.submit(10...20, lane: 5)
        bench.change(1, credit: 1)
        bench.assign()
        #expect(bench.loads.count == 1)
        // The one credit was used meanwhile; the lane is first when there is another.
        bench.answerLoads()
        bench.change(1, credit: 2)
        #expect(bench.assign()[1]?.contains(1) == true)
    }

    @Test func lanesThatNobodyServesCostOthersNothing() {
        let bench = Bench()
        bench.submit(1...50, lane: 10)
        bench.submit(100...101, lane: 0)
        bench.join(1, credit: 10)
        #expect(bench.assign() == [1: [100, 101]])
        #expect(!bench.core.isServed(LaneID(rawValue: 10)) && bench.core.isServed(LaneID(rawValue: 0)))
        bench.join(2, types: ["Y"], credit: 3)
        #expect(bench.assign() == [2: [1, 2, 3]])
        bench.core.nodeLeft(NodeKey(rawValue: 2), at: bench.now)
        #expect(!bench.core.isServed(LaneID(rawValue: 10)))
        #expect(bench.assign() == [:])
        #expect(bench.core.readyCount == 47)
    }

    @Test func jobsGivenBackGoFirstOldestFirst() {
        let bench = Bench()
        bench.submit(1...3)
        bench.join(1, credit: 3)
        bench.assign()
        bench.submit(4...4)
        bench.core.nodeLeft(NodeKey(rawValue: 1), at: bench.now)
        bench.core.giveBack([3, 1, 2].map { .sample($0, traits: bench.traits(5)) }, at: bench.now)
        bench.join(2, credit: 10)
        #expect(bench.assign() == [2: [1, 2, 3, 4]])
    }

    // MARK: Bodies

    @Test func bodiesAreReadInBoundedNumbers() {
        let bench = Bench()
        for lane in 0...10 {
            bench.submit(UInt64(lane * 1000 + 1)...UInt64(lane * 1000 + 900), lane: lane, hasBodies: false)
        }
        bench.join(1, types: ["X", "Y"], credit: 1)
        bench.assign()
        #expect(!bench.loads.isEmpty && bench.loads.count <= DispatchCore.loadsMax)
        #expect(bench.loads.allSatisfy { $0.ids.count == LaneLine.loadMax })
        #expect(bench.loads.first?.line.lane.rawValue == 9)
        bench.answerLoads()
        #expect(bench.assign() == [1: [9001]])
    }

    /// One credit must not have the bodies of thousands of lanes read at once.
    @Test func onlySoManyLanesAreReadAtATime() {
        let keys = (0..<200).map { LaneKey(queue: "q\($0)", type: "X") }
        let now = Instant.seconds(0)
        var core = DispatchCore()
        core.defineLanes(keys, at: now)
        for lane in 0..<200 as Range<UInt32> {
            core.enqueue(JobID(rawValue: UInt64(lane) + 1), lane: LaneID(rawValue: lane), at: now)
        }
        let node = NodeKey(rawValue: 1)
        core.nodeJoined(node, service: NodeService(queues: [], types: ["X"]), slots: 1000, at: now)
        core.nodeChanged(
            node, NodeStanding(creditTotal: 1000, settledTotal: 0, isPaused: false), at: .seconds(0))
        var assigned = 0
        var loads: [(line: DispatchCore.LineID, ids: [JobID])] = []
        for _ in 0..<1000 where assigned < 200 {
            var actions: [DispatchCore.Action] = []
            core.assign(at: now, into: &actions)
            for action in actions {
                switch action {
                case .assign(_, let jobs): assigned += jobs.count
                case .load(let line, let ids): loads.append((line, ids))
                case .askBack: break
                }
            }
            #expect(loads.count <= 32 && DispatchCore.loadsMax == 32)
            core.checkInvariants()
            guard !loads.isEmpty else { continue }
            let (line, ids) = loads.removeFirst()
            let lane = Int(line.lane.rawValue)
            let traits = JobTraits.sample(lane: lane, key: keys[lane])
            core.bodiesLoaded(
                ids.map { .sample($0.rawValue, traits: traits) }, outOf: ids[...], line: line, at: now)
        }
        #expect(assigned == 200 && loads.isEmpty && core.readyCount == 0)
    }

    @Test func jobsThatAreGoneLeaveTheLane() {
        let bench = Bench()
        bench.submit(1...10, hasBodies: false)
        bench.join(1, credit: 100)
        bench.assign()
        let (line, ids) = bench.loads[0]
        bench.core.bodiesLoaded(
            [.sample(3, traits: bench.traits(5))], outOf: ids.prefix(5), line: line, at: bench.now)
        bench.loads = []
        #expect(bench.assign() == [1: [3]])
        #expect(bench.loads[0].ids.map(\.rawValue) == [6, 7, 8, 9, 10])
        bench.core.loadFailed(line: bench.loads[0].line, at: bench.now)
        bench.loads = []
        bench.assign()
        bench.answerLoads()
        #expect(bench.assign() == [1: [6, 7, 8, 9, 10]])
    }

    // MARK: Suspects

    @Test func suspectRunsAloneOnANodeThatHasFinishedItsWork() {
        let bench = Bench()
        bench.submit(1...3)
        bench.join(1, credit: 10)
        bench.assign()
        bench.core.giveBack([.sample(99, traits: bench.traits(5), nodeDeaths: 2)], at: bench.now)
        bench.submit(4...9)
        #expect(bench.assign() == [:], "the node finishes its work and gets none")
        #expect(bench.core.suspect(of: NodeKey(rawValue: 1))?.rawValue == 99)
        bench.change(1, credit: 13, settled: 2)
        #expect(bench.assign() == [:])
        bench.change(1, credit: 13, settled: 3)
        #expect(bench.assign() == [1: [99]])
        bench.change(1, credit: 13, settled: 3)
        #expect(bench.assign() == [:], "nothing beside the suspect")
        bench.change(1, credit: 20, settled: 4)
        #expect(bench.assign() == [1: [4, 5, 6, 7, 8, 9]], "then it serves everybody again")
    }

    @Test func suspectsLeaveMostNodesToOthers() {
        let bench = Bench()
        for key in 1...8 as ClosedRange<UInt64> { bench.join(key, credit: 4) }
        bench.core.giveBack((1...20).map { .sample($0, traits: bench.traits(5), nodeDeaths: 2) }, at: bench.now)
        bench.submit(100...140)
        let got = bench.assign()
        let ordinary = got.values.joined().count { $0 >= 100 }
        let alone = got.values.count { (ids: [UInt64]) in ids.count == 1 && ids[0] < 100 }
        #expect(alone == 2 && ordinary == 24)
        #expect(bench.core.readyCount == 18 + 41 - 24)
    }

    @Test func suspectFindsAnotherNodeWhenItsOwnGoes() {
        let bench = Bench()
        bench.submit(1...1)
        bench.join(1, credit: 4)
        bench.assign()
        bench.core.giveBack([.sample(99, traits: bench.traits(5), nodeDeaths: 2)], at: bench.now)
        bench.assign()
        bench.core.nodeLeft(NodeKey(rawValue: 1), at: bench.now)
        bench.join(2, credit: 4)
        #expect(bench.assign() == [2: [99]])
        // Silent nodes do not keep a suspect waiting either.
        bench.change(2, credit: 4, settled: 1)
        bench.submit(10...10)
        #expect(bench.assign() == [2: [10]])
        bench.core.giveBack([.sample(98, traits: bench.traits(5), nodeDeaths: 3)], at: bench.now)
        #expect(bench.assign() == [:])
        bench.change(2, credit: 4, settled: 1, isPaused: true)
        bench.join(3, credit: 4)
        #expect(bench.assign() == [3: [98]])
    }

    @Test func suspectsAmongBodiesReadRunAloneToo() {
        let bench = Bench()
        bench.submit(1...2, hasBodies: false)
        bench.join(1, credit: 10)
        bench.assign()
        bench.answerLoads(nodeDeaths: 2)
        #expect(bench.core.readyCount == 2)
        #expect(bench.assign() == [1: [1]])
    }

    @Test func claimedSuspectStaysAlone() {
        let bench = Bench()
        bench.join(1, credit: 10)
        bench.core.nodeClaimed(NodeKey(rawValue: 1), count: 1, suspect: JobID(rawValue: 7))
        bench.submit(20...21)
        bench.change(1, credit: 11, settled: 0)
        #expect(bench.assign() == [:])
        bench.change(1, credit: 11, settled: 1)
        #expect(bench.assign() == [1: [20, 21]])
    }

    // MARK: Recovery

    @Test func heldJobsWaitForTheEndOfRecoveryAndNewOnesDoNot() {
        let bench = Bench(isRecovering: true)
        for id in 1...4 as ClosedRange<UInt64> { bench.core.recover(JobID(rawValue: id), lane: LaneID(rawValue: 5)) }
        bench.submit(50...50)
        bench.join(1, credit: 10)
        #expect(bench.assign() == [1: [50]])
        #expect(bench.claim(2, lane: 5))
        #expect(!bench.claim(50, lane: 5), "only recovered jobs are claimed")
        #expect(!bench.claim(2, lane: 4))
        #expect(bench.core.readyCount == 3)
        bench.core.finishRecovery(at: bench.now)
        #expect(!bench.core.isRecovering)
        bench.assign()
        bench.answerLoads()
        #expect(bench.assign() == [1: [1, 3, 4]], "a claimed job is its node's")
        #expect(!bench.claim(1, lane: 5))
    }

    @Test func recoveryMayEndWhileBodiesOfNewJobsAreRead() {
        let bench = Bench(isRecovering: true)
        bench.core.recover(JobID(rawValue: 1), lane: LaneID(rawValue: 5))
        bench.submit(50...51, hasBodies: false)
        bench.join(1, credit: 10)
        bench.assign()
        #expect(bench.loads.count == 1)
        bench.core.finishRecovery(at: bench.now)
        bench.core.checkInvariants()
        bench.answerLoads()
        bench.assign()
        bench.answerLoads()
        bench.assign()
        #expect(bench.core.readyCount == 0)
    }

    @Test func claimedJobThatIsGivenBackRunsOnce() {
        let bench = Bench(isRecovering: true)
        bench.core.recover(JobID(rawValue: 1), lane: LaneID(rawValue: 5))
        #expect(bench.claim(1, lane: 5))
        bench.core.giveBack([.sample(1, traits: bench.traits(5))], at: bench.now)
        #expect(bench.core.readyCount == 1)
        bench.join(1, credit: 10)
        #expect(bench.assign() == [1: [1]])
        bench.core.finishRecovery(at: bench.now)
        #expect(bench.assign() == [:] && bench.core.readyCount == 0)
    }
}
