import MartletCore
import Testing

@Suite struct LimitTests {
    // MARK: Caps

    @Test func queueAndTypeRunNoMoreThanTheirCaps() {
        let limits = DispatchLimits(queues: ["q": .init(concurrency: 5)], types: ["X": 3])
        let bench = DispatchBench(limits)
        bench.submit(1...20, lane: 0)
        bench.submit(21...40, lane: 1)
        bench.submit(41...60, lane: 2)
        for node in 1...4 as ClosedRange<UInt64> { bench.join(node, slots: 8, prefetch: 50) }
        #expect(bench.assign().sorted() == [1, 2, 3, 21, 22], "three of type X, five of queue q")
        #expect(bench.core.blocker(of: LaneID(rawValue: 0), at: bench.now) == .queueCap)
        #expect(bench.core.blocker(of: LaneID(rawValue: 2), at: bench.now) == .typeCap)
        bench.finish([1])
        #expect(bench.assign() == [4], "the place of the type goes to the older job")
        bench.finish([21])
        #expect(bench.assign() == [23])
        bench.finish([4])
        #expect(bench.assign() == [5])
    }

    @Test func keyRunsNoMoreThanItsCapWhateverItsTypeAndGroup() {
        let bench = DispatchBench(DispatchLimits(queues: ["q": .init(keyConcurrency: 2)]))
        bench.submit(1...9, lane: 0, share: key("k"))
        bench.submit(10...19, lane: 1, share: LaneShare(group: "g", key: "k"))
        bench.submit(20...22, lane: 0, share: key("other"))
        bench.submit(30...31, lane: 2, share: key("k"))
        bench.join(1, slots: 100)
        let got = bench.assign()
        #expect(got.count { $0 < 20 } == 2 && got.count { (20...22).contains($0) } == 2)
        #expect(got.count { $0 >= 30 } == 2, "queue r has no such limit")
        #expect(bench.core.blocker(of: LaneID(rawValue: 0), share: key("k"), at: bench.now) == .keyCap)
        bench.finish([got.first { $0 < 20 }!])
        #expect(bench.assign().count == 1)
    }

    /// A job that is fetched ahead would hold its place and not run.
    @Test func whatIsCappedGoesToFreeSlotsOnly() {
        let bench = DispatchBench(DispatchLimits(queues: ["q": .init(concurrency: 50)]))
        bench.submit(1...40)
        bench.join(1, slots: 3, prefetch: 20)
        #expect(bench.assign() == [1, 2, 3])
        bench.submit(100...130, lane: 2)
        #expect(bench.assign() == [], "nothing is fetched ahead of what waits for a slot")
        bench.finish([2])
        #expect(bench.assign() == [4])
    }

    @Test func cappedLanesThatWaitKeepNobodyFromFetchingAhead() {
        let bench = DispatchBench(DispatchLimits(queues: ["q": .init(concurrency: 1)]))
        bench.submit(1...40)
        bench.join(1, slots: 3, prefetch: 20)
        bench.submit(100...130, lane: 2)
        #expect(bench.assign().count == 23)
    }

    @Test func jobsGivenBackFreeTheirPlaces() {
        let bench = DispatchBench(DispatchLimits(queues: ["q": .init(concurrency: 2)]))
        bench.submit(1...4)
        bench.join(1, slots: 2)
        bench.assign()
        bench.core.nodeLeft(NodeKey(rawValue: 1), at: bench.now)
        bench.core.giveBack([bench.job(1)], at: bench.now)
        bench.join(2, slots: 8)
        #expect(bench.assign() == [1], "the other lease may still run")
        bench.core.giveBack([bench.job(2)], at: bench.now)
        #expect(bench.assign() == [2])
    }

    @Test func suspectsCountToo() {
        let bench = DispatchBench(DispatchLimits(types: ["X": 1]))
        bench.submit(1...2)
        bench.join(1, slots: 4)
        bench.join(2, slots: 4)
        #expect(bench.assign() == [1])
        var suspect = bench.job(2)
        suspect.body.history.nodeDeaths = 2
        #expect(bench.remove([2]) == [2])
        bench.core.giveBack([suspect], at: bench.now)
        #expect(bench.assign() == [])
        bench.finish([1])
        #expect(bench.assign() == [2])
        bench.submit(3...3)
        #expect(bench.assign() == [])
    }

    // MARK: Restart

    @Test func cappedAndOrderedJobsWaitForTheEndOfRecoveryAndClaimsCount() {
        let bench = DispatchBench(DispatchLimits(queues: ["q": .init(concurrency: 2)]), isRecovering: true)
        for id in 1...3 as ClosedRange<UInt64> {
            bench.core.recover(JobID(rawValue: id), lane: LaneID(rawValue: 0))
        }
        bench.submit(10...12)
        bench.submit(20...20, lane: 2)
        bench.submit(21...21, lane: 2, share: ordered("o"))
        bench.join(1, slots: 10)
        #expect(bench.assign() == [20])
        #expect(bench.core.blocker(of: LaneID(rawValue: 0), at: bench.now) == .recovery)
        let isClaimed = bench.core.claim(JobID(rawValue: 2), lane: LaneID(rawValue: 0))
        #expect(isClaimed)
        bench.core.finishRecovery(at: bench.now)
        bench.core.checkInvariants()
        #expect(bench.assign() == [21])
        #expect(bench.loads.map(\.ids) == [[JobID(rawValue: 1), JobID(rawValue: 3)]])
        bench.core.bodiesLoaded(
            [1, 3].map { .sample($0, traits: .sample(lane: 0, key: DispatchBench.keys[0])) },
            outOf: bench.loads[0].ids[...], line: bench.loads[0].line, at: bench.now)
        #expect(bench.assign() == [1], "the claimed job holds a place")
        bench.core.settled(JobID(rawValue: 2), at: bench.now)
        #expect(bench.assign() == [3])
    }

    @Test func afterARestartTheLowestPendingIDOfAKeyIsItsHead() {
        let bench = DispatchBench(isRecovering: true)
        bench.submit(9...9, lane: 1, share: ordered("o"))
        for id in [3, 5] as [UInt64] {
            bench.core.recover(JobID(rawValue: id), lane: LaneID(rawValue: 0), share: ordered("o"))
        }
        bench.core.setApart(
            JobID(rawValue: 2), lane: LaneID(rawValue: 1), share: ordered("o"), at: bench.now)
        bench.join(1, slots: 10)
        bench.core.finishRecovery(at: bench.now)
        #expect(bench.assign() == [] && bench.loads.isEmpty, "2 is due later and holds up all others")
        #expect(bench.core.blocker(of: LaneID(rawValue: 0), share: ordered("o"), at: bench.now) == .keyOrder)
        bench.core.ended(JobID(rawValue: 2), lane: LaneID(rawValue: 1), share: ordered("o"), at: bench.now)
        bench.assign()
        #expect(bench.loads.map(\.ids) == [[JobID(rawValue: 3), JobID(rawValue: 5)]])
    }

    // MARK: Order

    @Test func jobsOfAKeyRunOneAfterTheOtherAcrossTypes() {
        let bench = DispatchBench()
        bench.submit(1...2, lane: 0, share: ordered("o"))
        bench.submit(3...4, lane: 1, share: ordered("o", group: "g"))
        bench.submit(5...6, lane: 0, share: ordered("o"))
        bench.submit(7...8, lane: 0, share: ordered("free"))
        bench.join(1, slots: 10)
        bench.join(2, slots: 10)
        #expect(bench.assign().sorted() == [1, 7])
        for id in 1...5 as ClosedRange<UInt64> {
            #expect(bench.assign() == [])
            bench.finish([id], isOver: false)
            #expect(bench.assign() == [], "its end is not durable yet")
            let job = bench.ready(id)
            bench.core.ended(job.id, lane: job.lane, share: job.share, at: bench.now)
            #expect(bench.assign() == [id + 1])
        }
    }

    @Test func failedJobIsTriedAgainBeforeTheNextBegins() {
        let bench = DispatchBench()
        bench.submit(1...3, share: ordered("o"))
        bench.join(1, slots: 10)
        #expect(bench.assign() == [1])
        bench.fail(1)
        #expect(bench.assign() == [])
        bench.due(1)
        bench.assign()
        bench.answerLoads()
        #expect(bench.assign() == [1])
        bench.finish([1])
        #expect(bench.assign() == [2])
    }

    @Test func delayedJobHoldsUpThoseAfterIt() {
        let bench = DispatchBench()
        bench.submit(1...5, share: ordered("o"), hasBodies: false)
        #expect(bench.remove([2, 4]) == [2, 4])
        bench.setApart(2)
        bench.setApart(4)
        bench.join(1, slots: 10)
        var order: [UInt64] = []
        func run() {
            for _ in 0..<12 {
                let got = bench.assign()
                order += got
                bench.finish(got)
                bench.answerLoads()
            }
        }
        run()
        #expect(order == [1])
        bench.due(4)
        run()
        #expect(order == [1])
        bench.due(2)
        run()
        #expect(order == [1, 2, 3, 4, 5])
    }

    @Test func cancelledHeadLetsTheNextGo() {
        let bench = DispatchBench()
        bench.submit(1...3, share: ordered("o"))
        bench.setApart(1)
        bench.join(1, slots: 10)
        #expect(bench.remove([1]) == [1])
        #expect(bench.assign() == [2])
    }

    // MARK: Pauses

    @Test func pausedQueueOrTypeGivesNothingAndRunningJobsGoOn() {
        let bench = DispatchBench()
        bench.submit(1...4, lane: 0)
        bench.submit(11...14, lane: 1)
        bench.submit(21...24, lane: 2)
        bench.core.pause(.queue("q"))
        bench.join(1, slots: 2)
        #expect(bench.assign() == [21, 22])
        bench.core.pause(.type("X"))
        bench.finish([21, 22])
        #expect(bench.assign() == [])
        #expect(bench.core.blocker(of: LaneID(rawValue: 1), at: bench.now) == .queuePaused)
        #expect(bench.core.blocker(of: LaneID(rawValue: 2), at: bench.now) == .typePaused)
        bench.core.resume(.queue("q"), at: bench.now)
        #expect(bench.assign() == [11, 12], "type X is still paused")
        bench.finish([11, 12])
        bench.core.resume(.type("X"), at: bench.now)
        #expect(bench.assign() == [1, 2])
    }

    @Test func pauseOfWhatIsNotThereYetHoldsWhatComes() {
        var core = DispatchCore()
        core.pause(.queue("later"))
        core.defineLanes([LaneKey(queue: "later", type: "X")], at: .seconds(0))
        #expect(core.blocker(of: LaneID(rawValue: 0), at: .seconds(0)) == .nobodyServesIt)
        core.nodeJoined(
            NodeKey(rawValue: 1), service: NodeService(queues: [], types: ["X"]), slots: 1, at: .seconds(0))
        #expect(core.blocker(of: LaneID(rawValue: 0), at: .seconds(0)) == .queuePaused)
    }

    // MARK: Taking jobs out

    @Test func jobsLeaveWhateverHoldsThem() {
        let bench = DispatchBench()
        bench.submit(1...10)
        bench.submit(11...20, lane: 1, hasBodies: false)
        bench.submit(21...30, share: group("g"))
        bench.join(1, types: ["Y"], slots: 1)
        bench.assign()
        #expect(bench.loads.count == 1, "11 to 20 are being read")
        #expect(bench.remove([1, 5, 10, 11, 15, 20, 22, 99]) == [1, 5, 10, 11, 15, 20, 22])
        bench.core.checkInvariants()
        bench.answerLoads()
        bench.join(2, slots: 100)
        #expect(
            bench.assign().sorted() == [2, 3, 4, 6, 7, 8, 9] + [12, 13, 14, 16, 17, 18, 19] + [21] + Array(23...30))
        #expect(bench.core.readyCount == 0)
    }

    @Test func subLaneEmptiedWhileItsBodiesAreReadIsNotTakenForAnother() {
        let bench = DispatchBench()
        bench.submit(1...3, share: group("g"), hasBodies: false)
        bench.join(1, slots: 1)
        bench.assign()
        #expect(bench.remove([1, 2, 3]) == [1, 2, 3])
        bench.submit(10...10, share: group("h"))
        bench.submit(11...11, share: group("g"))
        bench.core.checkInvariants()
        bench.answerLoads()
        #expect(bench.assign().count == 1 && bench.core.readyCount == 1)
    }

    @Test func firstJobsOfEachQueueAndTypeAreKnown() {
        let bench = DispatchBench()
        bench.submit(7...9)
        bench.submit(5...6, share: group("g"))
        bench.submit(10...11, share: group("h"))
        bench.submit(3...4, lane: 1, share: ordered("o"))
        bench.submit(20...21, lane: 2)
        let first = bench.core.firstJobs(eachMax: 1)
        #expect(first.map(\.queue) == ["q", "q", "r"] && Set(first.map(\.id.rawValue)) == [3, 5, 20])
        // One of each line.
        let two = bench.core.firstJobs(eachMax: 2)
        #expect(Set(two.map(\.id.rawValue)) == [3, 5, 7, 20])
    }
}
