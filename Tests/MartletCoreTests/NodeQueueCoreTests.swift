import MartletCore
import Testing

@Suite struct NodeQueueCoreTests {
    // MARK: Deliveries

    @Test func assignedJobsAreLeasedWhenAFetchTakesThem() {
        let bench = NodeBench()
        bench.assign(jobs(11, 12))
        #expect(bench.done() == [] && bench.core.heldCount == 2 && bench.core.leases.isEmpty)
        bench.fetch(received: 0)
        #expect(bench.done() == ["deliver 1 on 1: 11@1 12@2"])
        bench.fetch(received: 1)
        #expect(bench.done() == [])
        bench.assign(jobs(13))
        #expect(bench.done() == ["deliver 2 on 2: 13@3"])
    }

    @Test func lostDeliveryGoesAgainWithItsNumberAndLeases() {
        let bench = NodeBench()
        bench.assign(jobs(11, 12))
        bench.fetch(received: 0)
        bench.assign(jobs(13))
        _ = bench.done()
        bench.fetch(received: 0)
        #expect(bench.done() == ["deliver 1 on 2: 11@1 12@2"])
        bench.fetch(received: 0)
        #expect(bench.done() == ["deliver 1 on 3: 11@1 12@2"])
        bench.fetch(received: 1)
        #expect(bench.done() == ["deliver 2 on 4: 13@3"])
    }

    @Test func jobsThatEndedMeanwhileAreNotSentAgain() {
        let bench = NodeBench()
        bench.assign(jobs(11, 12))
        bench.fetch(received: 0)
        _ = bench.revoke(11)
        _ = bench.done()
        bench.fetch(received: 0)
        #expect(bench.done() == ["deliver 1 on 2: 12@2"])
    }

    @Test func laterFetchSupersedesTheParkedOne() {
        let bench = NodeBench()
        bench.fetch(received: 0)
        bench.fetch(received: 0)
        #expect(bench.done() == ["supersede fetch 1"])
        bench.assign(jobs(11))
        #expect(bench.done() == ["deliver 1 on 2: 11@1"])
    }

    @Test func deliveriesAreBoundedInBytesButHoldOneJobAtLeast() {
        let bench = NodeBench()
        let size = NodeQueueCore.deliveryBytesMax
        bench.assign(jobs(11, bytes: size * 2) + jobs(12, 13, 14, bytes: size / 2))
        bench.fetch(received: 0)
        bench.fetch(received: 1)
        bench.fetch(received: 2)
        #expect(
            bench.done() == ["deliver 1 on 1: 11@1", "deliver 2 on 2: 12@2", "deliver 3 on 3: 13@3"]
                || bench.core.unsentJobs.count <= 1)
        #expect(bench.core.leases.count >= 3)
    }

    @Test func deliveriesGoOnFromWhatTheNodeReceivedBefore() {
        let bench = NodeBench(lastDelivery: 41)
        bench.assign(jobs(11))
        bench.fetch(received: 41)
        #expect(bench.done() == ["deliver 42 on 1: 11@1"])
        let odd = NodeBench(lastDelivery: .max)
        odd.assign(jobs(11))
        odd.fetch(received: .max, credit: .max)
        #expect(odd.core.heldCount == 1 && odd.core.dispatchCreditTotal > 1000)
    }

    // MARK: Results

    @Test func resultUnderAStandingLeaseIsAcceptedOnce() {
        let bench = NodeBench()
        bench.assign(jobs(11, 12, 13))
        bench.fetch(received: 0)
        #expect(bench.settle(11, 1, .succeeded).verdicts == [.accepted])
        #expect(bench.settle(11, 1, .succeeded).verdicts == [.refused])
        #expect(bench.settle(12, 3, .succeeded).verdicts == [.refused], "the token is another job's")
        #expect(bench.settle(12, 2, .succeeded, epoch: 4).verdicts == [.unknown])
        #expect(bench.settle(12, 2, .succeeded, epoch: 6).verdicts == [.unknown])
        #expect(bench.settle(12, 99, .succeeded).verdicts == [.refused])
        let failed = bench.settle(12, 2, .failed(.init(kind: "E", message: ""), isRetryable: true))
        #expect(failed.verdicts == [.accepted] && failed.failed.map(\.next) == [.retry(after: .seconds(60))])
        #expect(bench.settle(13, 3, .returned).returned.map(\.id.rawValue) == [13])
        #expect(bench.core.settledTotal == 3 && bench.core.succeededTotal == 1 && bench.core.failedTotal == 1)
        #expect(bench.core.heldCount == 0)
    }

    // MARK: Silence and death

    @Test func silentNodeGetsNoWorkAndLosesWhatWasNotSent() {
        let bench = NodeBench()
        bench.fetch(received: 0, credit: 10)
        bench.assign(jobs(11))
        bench.assign(jobs(12))
        _ = bench.done()
        bench.tick(seconds: 4.9)
        #expect(bench.done() == [] && !bench.core.isPaused)
        bench.tick(seconds: 5)
        #expect(bench.done() == ["give back 12"] && bench.core.isPaused)
        bench.assign(jobs(13))
        #expect(bench.done() == ["give back 13"])
        #expect(bench.core.dispatchCreditTotal == 12 && bench.core.settledTotal == 2)
        bench.core.heard(at: bench.now)
        #expect(!bench.core.isPaused)
    }

    @Test func leasesEndWhenANodeStaysSilentAndEachJobGoesOnOnce() {
        let bench = NodeBench(slots: 2)
        bench.fetch(received: 0)
        bench.assign(jobs(11, 12, 13, 14))
        bench.core.running([JobID(rawValue: 13)], at: bench.now)
        bench.fetch(received: 1)
        _ = bench.done()
        bench.tick(seconds: 14.9)
        #expect(bench.core.leases.count == 4)
        bench.tick(seconds: 15)
        // The first two could have been started since the last heartbeat.
        #expect(
            bench.done() == [
                "give back 14", "fail 11 node lost, 12 node lost, 13 node lost", "supersede fetch 2", "died",
            ])
        bench.tick(seconds: 16)
        #expect(bench.done() == [] && bench.core.hasEnded && bench.core.heldCount == 0)
        #expect(bench.settle(11, 1, .succeeded).verdicts == [.refused])
    }

    @Test func signsOfLifeKeepLeasesForEver() {
        let bench = NodeBench()
        bench.fetch(received: 0)
        bench.assign(jobs(11))
        _ = bench.done()
        for second in 1...1000 {
            bench.now = .seconds(Double(second))
            bench.core.heard(at: bench.now)
            bench.tick(seconds: Double(second) + 0.5)
        }
        #expect(bench.done() == [] && bench.core.leases.count == 1)
    }

    @Test func timeInWhichTheCoordinatorStoodStillIsExcused() {
        let bench = NodeBench()
        bench.now = .seconds(60)
        bench.core.excuse(.seconds(58), at: bench.now)
        bench.tick(seconds: 60)
        #expect(!bench.core.isSilent && !bench.core.hasEnded)
        bench.core.excuse(.seconds(500), at: bench.now)
        bench.tick(seconds: 75)
        #expect(bench.core.hasEnded, "no more is excused than has passed")
    }

    @Test func hungHandlerLosesItsLeaseAfterTimeoutAndLeaseTime() {
        let bench = NodeBench()
        bench.fetch(received: 0)
        bench.assign(jobs(11, 12))
        bench.core.running([JobID(rawValue: 11)], at: bench.now)
        _ = bench.done()
        // Timeout 60 s, lease 15 s.
        for second in 1...75 {
            bench.core.heard(at: .seconds(Double(second)))
            bench.core.running([JobID(rawValue: 11)], at: .seconds(Double(second)))
            bench.tick(seconds: Double(second))
        }
        #expect(bench.done() == [])
        bench.tick(seconds: 75.1)
        #expect(bench.done() == ["fail 11 timeout"])
        let exchange = bench.exchange()
        bench.core.control(exchange, lastOrder: 0, at: bench.now, into: &bench.actions)
        #expect(bench.done() == ["order 1 on 2: 1"])
        #expect(bench.settle(11, 1, .succeeded).verdicts == [.refused])
        #expect(bench.core.leases.map(\.job.id.rawValue) == [12])
    }

    @Test func anotherRunOfTheSameJobStartsItsOwnClock() {
        let bench = NodeBench()
        bench.fetch(received: 0)
        bench.assign(jobs(11))
        bench.core.running([JobID(rawValue: 11)], at: bench.now)
        bench.now = .seconds(50)
        #expect(bench.settle(11, 1, .returned).verdicts == [.accepted])
        bench.fetch(received: 1)
        bench.assign(jobs(11))
        bench.core.running([JobID(rawValue: 11)], at: bench.now)
        bench.core.heard(at: .seconds(80))
        _ = bench.done()
        bench.tick(seconds: 80)
        #expect(bench.done() == [] && bench.core.leases.count == 1)
    }

    @Test func jobThatKillsNodesRunsAloneAndIsQuarantinedWhenItKillsOneAlone() {
        var history = JobHistory()
        for death in 1...3 {
            let bench = NodeBench()
            bench.fetch(received: 0)
            bench.assign([.sample(11, nodeDeaths: history.nodeDeaths)])
            bench.core.die(into: &bench.actions)
            guard case .fail(let failed)? = bench.actions.first(where: { if case .fail = $0 { true } else { false } })
            else { return #expect(Bool(false), "death \(death) counts") }
            history = failed[0].history
            #expect(failed[0].next == (death < 3 ? .again : .dead))
        }
        #expect(history.nodeDeaths == 3 && DispatchCore.deathsMax == 2)
    }

    @Test func nodeThatLeavesInGoodOrderCountsAgainstNobody() {
        let bench = NodeBench()
        bench.fetch(received: 0)
        bench.assign(jobs(11))
        bench.assign(jobs(12))
        _ = bench.done()
        bench.core.drain(into: &bench.actions)
        #expect(bench.done() == ["give back 12"] && bench.core.isPaused)
        bench.core.leave(into: &bench.actions)
        #expect(bench.done() == ["give back 11", "died"])
    }

    // MARK: Orders

    @Test func lostOrderIsGivenAgain() {
        let bench = NodeBench()
        var exchange = bench.exchange()
        bench.core.control(exchange, lastOrder: 0, at: bench.now, into: &bench.actions)
        bench.core.requestDrain(into: &bench.actions)
        #expect(bench.done() == ["order 1 on 1: drain"])
        exchange = bench.exchange()
        bench.core.control(exchange, lastOrder: 0, at: bench.now, into: &bench.actions)
        #expect(bench.done() == ["order 2 on 2: drain"])
        exchange = bench.exchange()
        bench.core.control(exchange, lastOrder: 2, at: bench.now, into: &bench.actions)
        #expect(bench.done() == [])
        exchange = bench.exchange()
        bench.core.control(exchange, lastOrder: 2, at: bench.now, into: &bench.actions)
        #expect(bench.done() == ["supersede control 3"])
    }

    @Test func revokedLeaseIsToldAndNotGivenBack() {
        let bench = NodeBench()
        bench.fetch(received: 0)
        bench.assign(jobs(11))
        let exchange = bench.exchange()
        bench.core.control(exchange, lastOrder: 0, at: bench.now, into: &bench.actions)
        _ = bench.done()
        #expect(bench.revoke(11))
        #expect(bench.done() == ["order 1 on 2: 1"])
        #expect(!bench.revoke(11))
        #expect(bench.core.settledTotal == 1)
    }

    @Test func manyAreRevokedAtOnceSentOrNot() {
        let bench = NodeBench()
        bench.fetch(received: 0)
        bench.assign(jobs(11, 12, 13))
        bench.assign(jobs(14, 15))
        bench.core.control(bench.exchange(), lastOrder: 0, at: bench.now, into: &bench.actions)
        _ = bench.done()
        let ids = [9, 11, 13, 15, 16].map { JobID(rawValue: $0) }
        let revoked = bench.core.revoke(ids, into: &bench.actions)
        #expect(revoked.map(\.id.rawValue).sorted() == [11, 13, 15])
        #expect(bench.done() == ["order 1 on 2: 1 3"])
        #expect(bench.core.leases.map(\.job.id.rawValue) == [12] && bench.core.unsentJobs.map(\.id.rawValue) == [14])
        #expect(bench.core.settledTotal == 3 && bench.core.withdrawnTotal == 1)
        #expect(bench.settle(11, 1, .succeeded).verdicts == [.refused])
        #expect(bench.core.revoke(ids, into: &bench.actions).isEmpty)
        bench.core.checkInvariants()
    }

    // MARK: Registering again

    @Test func nodeKeepsWhatItHoldsAndTheRestIsFree() {
        let old = NodeBench()
        old.fetch(received: 0)
        old.assign(jobs(11, 12))
        old.assign(jobs(13))
        _ = old.done()
        let new = NodeBench(lastDelivery: 1)
        let inventory: Set = [LeaseToken(epoch: Epoch(rawValue: 5), sequence: 2)]
        let free = new.core.adopt(old.core, inventory: inventory)
        #expect(free.map(\.id.rawValue).sorted() == [11, 13])
        #expect(new.core.leases.map(\.sequence) == [2] && new.core.claimedTotal == 1)
        #expect(new.core.dispatchCreditTotal == 1, "a job of the inventory takes no credit")
        #expect(new.settle(12, 2, .succeeded).verdicts == [.accepted])
        old.core.retire(into: &old.actions)
        #expect(old.core.heldCount == 0 && old.core.hasEnded)
    }

    @Test func claimsGoOnUnderNewTokensAlsoWhenTheNodeMissedThem() {
        let bench = NodeBench()
        let proofs = [3, 8].map { LeaseToken(epoch: Epoch(rawValue: 4), sequence: $0) }
        let tokens = bench.core.claim(jobs(11, 12), proofs: proofs, sequences: &bench.sequences)
        #expect(tokens.allSatisfy { $0 > proofs[1] } && tokens.count == 2)
        // The answer was lost: the node registers again and still names its old tokens.
        let again = NodeBench()
        let free = again.core.adopt(bench.core, inventory: Set(proofs))
        #expect(free.isEmpty)
        #expect(again.core.lease(of: JobID(rawValue: 11), named: proofs[0]) == tokens[0])
        #expect(again.core.lease(of: JobID(rawValue: 12), named: tokens[1]) == tokens[1])
        #expect(again.core.lease(of: JobID(rawValue: 11), named: proofs[1]) == nil)
        again.core.checkInvariants()
    }

    @Test func drainingOutlivesAConnection() {
        let old = NodeBench()
        old.core.requestDrain(into: &old.actions)
        let new = NodeBench()
        _ = new.core.adopt(old.core, inventory: [])
        let exchange = new.exchange()
        new.core.control(exchange, lastOrder: 0, at: new.now, into: &new.actions)
        #expect(new.done() == ["order 1 on 1: drain"])
        new.core.drain(into: &new.actions)
        let third = NodeBench()
        _ = third.core.adopt(new.core, inventory: [])
        #expect(third.core.isPaused)
    }
}
