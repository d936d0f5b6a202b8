import MartletCoordinator
import MartletCore
import MartletObservability
import MartletSimulation
import MartletStore
import MartletTransport
import MartletWire
import Testing

@Suite struct FaultTests {
    private static let full = StoreError(.diskFull, "as told")

    @Test func fullDiskRefusesSubmitsAndStillTakesResults() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let submitted = try await client.submit(["a", "b", "c"], sequence: 1)
            let held = try await node.fetchAll(3)
            bench.faults.current.refuse = { $0.mayUseReserve ? nil : Self.full }
            // Together in one group, and alone.
            async let results = node.succeed([held[0], held[1]])
            async let refused = refusal { try await client.submit(["x"], sequence: 2) }
            #expect(try await results == [.accepted, .accepted])
            #expect(try await refused == .storeFull)
            #expect(try await refusal { try await client.submit(["x"], sequence: 3) } == .storeFull)
            #expect(try await node.fail(held[2]) == [.accepted])
            #expect(bench.state(of: submitted.first) == nil)
            #expect(bench.state(of: held[2].id) == .scheduled)
            // A node that lost its connection comes back although nothing new may be stored.
            _ = try await bench.node("n1", incarnation: 2, holdsLock: true)
            bench.faults.current.refuse = { _ in nil }
            #expect(try await client.submit(["x"], sequence: 2).isRepeat == false, "nothing was half done")
            await bench.checkInvariants()
        }
    }

    /// Not even the reserve is left: submitters must hear so, not wait behind the results.
    @Test func submittersAreAnsweredWhileResultsWaitForSpace() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            _ = try await client.submit(["a"], sequence: 1)
            let held = try await node.fetchAll(1)
            bench.faults.current.refuse = { _ in Self.full }
            async let result = node.succeed(held)
            try await bench.sleep(.seconds(30))
            let begun = bench.outside.now
            for sequence in 2...6 as ClosedRange<UInt64> {
                #expect(try await refusal { try await client.submit(["x"], sequence: sequence) } == .storeFull)
            }
            #expect(bench.outside.now - begun < .seconds(6))
            bench.faults.current.refuse = { _ in nil }
            #expect(try await result == [.accepted])
            #expect(await bench.parts.commitLog.pendingBytes == 0)
        }
    }

    @Test func groupThatIsRolledBackOnceIsTriedAgainForResultsOnly() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            _ = try await client.submit(["a"], sequence: 1)
            let held = try await node.fetchAll(1)
            bench.faults.current.refuse = { $0.mayUseReserve ? nil : StoreError(.rolledBack, "as told") }
            #expect(try await refusal { try await client.submit(["x"], sequence: 2) } == .storeUnavailable)
            #expect(try await node.succeed(held) == [.accepted])
        }
    }

    /// COMMIT or fsync failed: nobody knows, so nobody is told anything, and the process must exit.
    @Test(arguments: [StoreError.Code.outcomeUnknown, .fenced])
    func nobodyIsAnsweredWhenTheOutcomeIsUnknown(code: StoreError.Code) throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let dead = try await client.submit(["dead", "b"], sequence: 1)
            let held = try await node.fetchAll(2)
            _ = try await node.fail(held[0], isRetryable: false)
            bench.faults.current.failAfter = { _ in StoreError(code, "as told") }
            let revive = ChangeDead(action: .retry, ids: [dead.first])
            async let submit = Self.isUnanswered { try await client.submit(["x"], sequence: 2) }
            async let report = Self.isUnanswered { try await node.succeed([held[1]]) }
            async let register = Self.isUnanswered { try await bench.node("n2") }
            async let change = Self.isUnanswered { () -> DeadChanged in try await client.ask(revive) }
            let silences = try await [submit, report, register, change]
            #expect(silences == [true, true, true, true])
            try await bench.until { bench.ending != nil }
            guard case .failure(let error as StoreError)? = bench.ending, error.code == code else {
                return #expect(Bool(false), "\(bench.ending as Any)")
            }
            // What was applied is found again by its key; nothing is there twice.
            bench.faults.current.failAfter = { _ in nil }
            bench.crash()
            try await bench.start()
            let again = try await client.submit(["x"], sequence: 2)
            #expect(again.count == 1)
            #expect(bench.disk.contents.laneTotals[0].submittedTotal == 3)
        }
    }

    private static func isUnanswered(_ body: () async throws -> some Any) async throws -> Bool {
        do {
            _ = try await body()
            return false
        } catch is TransportError {
            return true
        }
    }

    @Test func stopWhileACommitIsUnderWayEndsInGoodTime() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            bench.faults.current.latency = .seconds(2)
            async let submit = Self.isUnanswered { try await client.submit(["x"], sequence: 1) }
            async let node = Self.isUnanswered { try await bench.node("n1") }
            try await bench.sleep(.milliseconds(100))
            try await bench.stop()
            _ = try await (submit, node)
            guard case .success? = bench.ending else { return #expect(Bool(false), "\(bench.ending as Any)") }
        }
    }

    @Test func storeThatSomebodyElseHasOpenIsNotTaken() throws {
        try Bench.run { bench in
            let store = ScriptedStore(disk: bench.disk, faults: StoreFaults(), loop: bench.outside)
            let second = Coordinator(
                settings: .standard, transport: bench.network.transport(on: bench.outside), store: store,
                loop: bench.outside, log: .none)
            await #expect { try await second.run() } throws: { ($0 as? StoreError)?.code == .locked }
        }
    }

    /// While one transaction is syncing, the next one gathers.
    @Test func submitsThatWaitShareACommit() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            bench.faults.current.latency = .milliseconds(50)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for sequence in 1...100 as ClosedRange<UInt64> {
                    group.addTask { _ = try await client.submit(["x"], sequence: sequence) }
                }
                try await group.waitForAll()
            }
            #expect(bench.faults.applied.count { $0.hasSubmits } <= 3)
        }
    }
}
