import MartletCore
import Testing

@Suite struct FairShareTests {
    /// Runs jobs one after the other on a node with few slots, and counts whose they were.
    private static func run(_ count: Int, on bench: DispatchBench, groupOf: (UInt64) -> String) -> [String: Int] {
        var counts: [String: Int] = [:]
        var done = 0
        while done < count {
            let got = bench.assign()
            guard !got.isEmpty else { break }
            for id in got { counts[groupOf(id), default: 0] += 1 }
            done += got.count
            bench.finish(got)
        }
        return counts
    }

    @Test(arguments: [1, 3, 64, 500])
    func backloggedGroupsShareByWeight(slots: Int) {
        let weights = ["": 2, "big": 4, "small": 1]
        let bench = DispatchBench(DispatchLimits(queues: ["q": .init(weights: weights)]))
        bench.submit(1...5000, share: group("big"))
        bench.submit(5001...10_000, lane: 1, share: group("small"))
        bench.submit(10_001...15_000)
        bench.join(1, slots: slots)
        let names = ["big", "small", ""]
        let counts = Self.run(3500, on: bench) { names[Int(($0 - 1) / 5000)] }
        let total = counts.values.reduce(0, +)
        for (name, weight) in weights {
            let expected = total * weight / 7
            #expect(abs(counts[name]! - expected) <= 2 * DispatchCore.groupTurnMax, "\(name): \(counts)")
        }
    }

    /// However many jobs one tenant has, they do not delay another's one.
    @Test func newcomerRunsWithinAFewTurns() {
        let bench = DispatchBench()
        bench.submit(1...20_000, share: group("big"))
        bench.join(1, slots: 4)
        _ = Self.run(1000, on: bench) { _ in "" }
        bench.submit(2_000_000...2_000_000, share: group("new"))
        var before = 0
        while true {
            let got = bench.assign()
            before += got.count
            if got.contains(2_000_000) { break }
            bench.finish(got)
            guard before < 1000 else {
                Issue.record("the newcomer waits")
                return
            }
        }
        #expect(before <= 2 * DispatchCore.groupTurnMax)
    }

    @Test func noCreditIsSavedWhileIdle() {
        let bench = DispatchBench()
        bench.submit(1...10_000, share: group("busy"))
        bench.submit(200_000...200_000, share: group("idle"))
        bench.join(1, slots: 4)
        // One runs alone for long; then both have work.
        _ = Self.run(3000, on: bench) { _ in "" }
        bench.submit(300_000...302_000, share: group("idle"))
        let counts = Self.run(400, on: bench) { $0 >= 200_000 ? "idle" : "busy" }
        #expect(abs(counts["idle"]! - counts["busy"]!) <= 2 * DispatchCore.groupTurnMax, "\(counts)")
    }

    /// Nor by waiting for a pause to end.
    @Test func noCreditIsSavedDuringAPause() {
        let bench = DispatchBench()
        bench.submit(1...10_000, lane: 0, share: group("a"))
        bench.submit(200_000...205_000, lane: 1, share: group("b"))
        bench.join(1, slots: 4)
        bench.core.pause(.type("Y"))
        _ = Self.run(2000, on: bench) { _ in "" }
        bench.core.resume(.type("Y"), at: bench.now)
        let counts = Self.run(400, on: bench) { $0 >= 200_000 ? "b" : "a" }
        #expect(abs(counts["a"]! - counts["b"]!) <= 2 * DispatchCore.groupTurnMax, "\(counts)")
    }

    /// Who comes back at once goes on with its debt: a group cannot gain by sending jobs singly.
    @Test func groupThatSendsSinglyGetsNoMoreThanItsShare() {
        let bench = DispatchBench()
        bench.submit(1...10_000, share: group("steady"))
        bench.join(1, slots: 1)
        var singly = 0
        var next: UInt64 = 100_000
        bench.submit(next...next, share: group("singly"))
        for _ in 0..<1000 {
            let got = bench.assign()
            if got == [next] {
                singly += 1
                next += 1
                bench.submit(next...next, share: group("singly"))
            }
            bench.finish(got)
        }
        #expect((490...510).contains(singly), "\(singly)")
    }

    @Test func priorityComesBeforeShares() {
        let keys = [LaneKey(queue: "q", type: "X"), LaneKey(queue: "q", type: "X", priority: .highest)]
        let now = Instant.seconds(0)
        var core = DispatchCore()
        core.defineLanes(keys, at: now)
        for (lane, name) in [(0, "a"), (1, "b")] {
            let traits = JobTraits.sample(lane: lane, key: keys[lane], share: group(name))
            let bodies = ContiguousArray(repeating: JobBody(traits: traits, payload: .empty), count: 50)
            core.enqueue(
                lane: LaneID(rawValue: UInt32(lane)), share: group(name),
                first: JobID(rawValue: UInt64(lane * 100 + 1)),
                count: 50, bodies: bodies, at: now)
        }
        core.nodeJoined(
            NodeKey(rawValue: 1), service: NodeService(queues: [], types: ["X"]), slots: 60, at: now)
        core.nodeChanged(
            NodeKey(rawValue: 1), NodeStanding(creditTotal: 60, settledTotal: 0, isPaused: false), at: now)
        var actions: [DispatchCore.Action] = []
        core.assign(at: now, into: &actions)
        guard case .assign(_, let jobs)? = actions.first else { fatalError("nothing was assigned") }
        #expect(jobs.prefix(50).allSatisfy { $0.lane.rawValue == 1 } && jobs.count == 60)
    }

    @Test func queuesWithoutGroupsStillGoByAge() {
        let bench = DispatchBench()
        bench.submit(1...3, lane: 2)
        bench.submit(4...6, share: group("g"))
        bench.submit(7...9, lane: 2)
        bench.join(1, slots: 9)
        #expect(bench.assign() == [1, 2, 3, 7, 8, 9, 4, 5, 6] || bench.core.readyCount == 0)
    }

    /// Groups and keys come and go by the million; what is idle leaves nothing behind.
    @Test func idleGroupsAndKeysLeaveNothing() {
        let bench = DispatchBench(DispatchLimits(queues: ["q": .init(keyConcurrency: 1)]))
        bench.join(1, slots: 100)
        let empty = bench.core.census
        for round in 0..<50 as Range<UInt64> {
            for number in 1...100 as ClosedRange<UInt64> {
                let id = round * 100 + number
                let share = id % 2 == 0 ? group("g\(id)") : ordered("k\(id)", group: "h\(id)")
                bench.submit(id...id, share: share)
            }
            while bench.core.readyCount > 0 { bench.finish(bench.assign()) }
            let left = bench.core.census
            #expect(left.lines == empty.lines && left.keys == 0 && left.flows == empty.flows)
        }
    }
}
