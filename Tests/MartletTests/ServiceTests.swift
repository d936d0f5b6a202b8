import Martlet
import MartletCore
import MartletRuntime
import MartletSimulation
import MartletWire
import Synchronization
import Testing

/// What handlers say and ask of external services, seen by a coordinator that is faked.
@Suite struct ServiceTests {
    private static func cluster(_ features: PeerFeatures = [.completions, .services]) -> Cluster {
        let cluster = Cluster()
        cluster.ask { $0.features = features }
        return cluster
    }

    /// Runs jobs of type "t", each by `body`.
    private static func run(
        _ count: Int = 1, on cluster: Cluster, timeout: Duration = .seconds(600),
        _ body: @escaping @Sendable (JobContext) async throws -> Void
    ) -> Worker {
        let (worker, process) = cluster.worker(.quiet(slots: 16))
        worker.register(raw: "t") { _, context in try await body(context) }
        _ = cluster.start(worker, process)
        cluster.ask { coordinator in
            for _ in 0..<count { coordinator.add("t", timeout: timeout) }
        }
        return worker
    }

    // MARK: Unavailable

    @Test func unavailableServiceCostsNoAttempt() {
        let cluster = Self.cluster()
        let worker = Self.run(2, on: cluster) { context in
            if context.id.rawValue == 1 { throw ServiceUnavailable("stripe", retryAfter: .seconds(30)) }
            throw ServiceUnavailable()
        }
        cluster.run(for: .seconds(2))
        #expect(
            cluster.ask { $0.results.sorted { $0.id < $1.id }.map(\.result) } == [
                .unavailable(service: "stripe", retryAfter: .seconds(30)), .unavailable(service: nil, retryAfter: nil),
            ])
        #expect(worker.counts.unavailable == 2 && worker.counts.failed == 0 && worker.counts.accepted == 2)
    }

    @Test func coordinatorThatKnowsNoServicesIsToldOfAFailure() {
        let cluster = Self.cluster([])
        let worker = Self.run(on: cluster) { _ in throw ServiceUnavailable("stripe", retryAfter: .seconds(30)) }
        cluster.run(for: .seconds(2))
        let failure = JobFailure(
            kind: "ServiceUnavailable", message: "the service stripe is unavailable for 30.0 seconds")
        #expect(cluster.ask { $0.results.map(\.result) } == [.failed(failure, isRetryable: true)])
        #expect(worker.counts.unavailable == 0 && worker.counts.failed == 1)
    }

    /// It would spoil the whole report.
    @Test func nameThatNoServiceCanHaveIsAFailure() {
        let cluster = Self.cluster()
        _ = Self.run(on: cluster) { _ in throw ServiceUnavailable("no service") }
        cluster.run(for: .seconds(2))
        guard case .failed(let failure, isRetryable: true, _) = cluster.ask({ $0.results.first?.result }) else {
            Issue.record("not failed")
            return
        }
        #expect(failure.kind == "ServiceUnavailable")
    }

    @Test func jobsOfABatchSayItOneByOne() {
        let cluster = Self.cluster()
        let (worker, process) = cluster.worker()
        worker.register(batchOfRaw: "t", max: 2, within: .seconds(1)) { jobs in
            [jobs[0].succeeded, jobs[1].failed(ServiceUnavailable("maps"))]
        }
        _ = cluster.start(worker, process)
        cluster.ask { $0.add(2, of: "t", .empty) }
        cluster.run(for: .seconds(3))
        #expect(
            cluster.ask { $0.results.map(\.result) } == [
                .succeeded, .unavailable(service: "maps", retryAfter: nil),
            ])
    }

    // MARK: Calls inside a job

    @Test func callsWaitForTheClustersBudget() {
        let cluster = Self.cluster()
        let done = Mutex(0)
        _ = Self.run(10, on: cluster) { context in
            try await context.service("maps").acquire(2)
            done.withLock { $0 += 1 }
        }
        cluster.run(for: .seconds(1))
        #expect(done.withLock { $0 } == 0)
        #expect(cluster.ask { $0.acquires.count } <= 3, "one request for all of them, and one a park time")
        cluster.ask { $0.give(7, of: "maps") }
        cluster.run(for: .seconds(1))
        #expect(done.withLock { $0 } == 3)
        #expect(cluster.ask { $0.tokens["maps"] } == 0, "what is left over was taken for the next and is spent")
        cluster.ask { $0.give(100, of: "maps") }
        cluster.run(for: .seconds(1))
        #expect(done.withLock { $0 } == 10)
        #expect(cluster.ask { $0.tokens["maps"] } == 86, "no more than what waited")
        #expect(cluster.ask { $0.results.count } == 10)
    }

    /// One that must wait holds up no other.
    @Test func callsOfOneServiceDoNotWaitForThoseOfAnother() {
        let cluster = Self.cluster()
        let names = Box<[String]>()
        names.value = []
        cluster.ask { $0.give(10, of: "free") }
        _ = Self.run(on: cluster) { context in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for name in ["slow", "free", "keyed"] {
                    group.addTask {
                        try await context.service(name, key: name == "keyed" ? "a" : nil).acquire()
                        names.value! += [name]
                    }
                }
                try await group.waitForAll()
            }
        }
        cluster.run(for: .milliseconds(50))
        #expect(names.value == ["free"])
        cluster.ask { $0.give(1, of: "keyed/a") }
        cluster.run(for: .milliseconds(50))
        #expect(names.value == ["free", "keyed"])
        cluster.ask { $0.give(1, of: "slow") }
        cluster.run(for: .seconds(1))
        #expect(cluster.ask { $0.results.count } == 1)
    }

    @Test func lostAnswerIsSpentAndAskedForAgain() {
        let cluster = Self.cluster()
        cluster.ask { $0.loseTokens = 1 }
        cluster.ask { $0.give(2, of: "maps") }
        _ = Self.run(2, on: cluster) { try await $0.service("maps").acquire() }
        cluster.run(for: .seconds(30))
        let results = cluster.ask { $0.results.count }
        #expect(results < 2)
        cluster.ask { $0.give(5, of: "maps") }
        cluster.run(for: .seconds(30))
        #expect(cluster.ask { $0.results.count } == 2)
    }

    @Test func cancelledAttemptStopsWaiting() {
        let cluster = Self.cluster()
        let thrown = Box<String>()
        _ = Self.run(on: cluster, timeout: .seconds(5)) { context in
            do {
                try await context.service("maps").acquire()
            } catch {
                thrown.value = "\(type(of: error))"
                throw error
            }
        }
        cluster.run(for: .seconds(7))
        #expect(thrown.value == "CancellationError")
        cluster.ask { $0.give(3, of: "maps") }
        cluster.run(for: .seconds(2))
        #expect(cluster.ask { $0.tokens["maps"]! } == 3, "the request that was parked for it is withdrawn")
        #expect(cluster.ask { $0.acquires.last?.wants.count } == 0)
    }

    @Test func callsGoOnAfterTheCoordinatorsRestart() {
        let cluster = Self.cluster()
        _ = Self.run(on: cluster) { try await $0.service("maps").acquire() }
        cluster.run(for: .seconds(1))
        cluster.ask { $0.restart() }
        cluster.run(for: .seconds(3))
        cluster.ask { $0.give(1, of: "maps") }
        cluster.run(for: .seconds(2))
        #expect(cluster.ask { $0.results.map(\.result) } == [.succeeded])
    }

    @Test func whatCannotBeServedFailsWithTheReason() {
        let cluster = Self.cluster()
        cluster.ask { $0.problems = ["mpas": "there is no service \"mpas\""] }
        let errors = Mutex<[String]>([])
        _ = Self.run(on: cluster) { context in
            for (name, tokens) in [("mpas", 1), ("no name", 1), ("maps", 0)] {
                do {
                    try await context.service(name).acquire(tokens)
                } catch let error as MartletError {
                    errors.withLock { $0.append("\(error.code): \(error.message)") }
                }
            }
        }
        cluster.run(for: .seconds(2))
        let said = errors.withLock { $0 }
        #expect(said.first == "refused: there is no service \"mpas\"")
        #expect(said.dropFirst().allSatisfy { $0.hasPrefix("invalidRequest: ") } && said.count == 3)
    }

    @Test func coordinatorThatKnowsNoServicesIsNotAsked() {
        let cluster = Self.cluster([.completions])
        let code = Box<MartletError.Code>()
        _ = Self.run(on: cluster) { context in
            do {
                try await context.service("maps").acquire()
            } catch let error as MartletError {
                code.value = error.code
            }
        }
        cluster.run(for: .seconds(2))
        #expect(code.value == .refused)
        #expect(cluster.ask { $0.acquires.count } == 0)
    }

    @Test func contextThatOutlivesItsAttemptGetsNothing() {
        let cluster = Self.cluster()
        let kept = Box<JobContext>()
        _ = Self.run(on: cluster) { kept.value = $0 }
        cluster.run(for: .seconds(1))
        let code = Box<MartletError.Code>()
        let context = kept.value!
        _ = cluster.start {
            do {
                try await context.service("maps").acquire()
            } catch let error as MartletError {
                code.value = error.code
            }
        }
        cluster.run(for: .seconds(1))
        #expect(code.value == .closed)
    }
}
