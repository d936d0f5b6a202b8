import Martlet
import MartletCore
import MartletRuntime
import MartletSimulation
import MartletTransport
import MartletWire
import Synchronization
import Testing

struct Add: Job {
    static let type = "add"

    var a: Int
    var b: Int

    func run(_ context: JobContext) async throws {
        Self.sums.withLock { $0.append(self.a + self.b) }
    }

    static let sums = Mutex<[Int]>([])
}

@Suite struct WorkerTests {
    @Test func typedAndRawJobsRunAndAreReported() throws {
        let cluster = Cluster()
        let (worker, process) = cluster.worker()
        let seen = Mutex<[String]>([])
        worker.register(Add.self)
        worker.register(raw: "raw") { payload, context in
            seen.withLock { $0.append("\(context.id) \(context.attempt) \(context.type) \(payload.text ?? "")") }
            #expect(context.timeRemaining == .seconds(90))
        }
        _ = cluster.start(worker, process)
        cluster.ask {
            $0.add("add", Bytes(copying: #"{"a": 40, "b": 2}"#.utf8))
            $0.add("raw", Bytes(copying: "hello".utf8), timeout: .seconds(90), attempt: 3)
        }
        cluster.run(for: .seconds(2))
        #expect(cluster.ask { $0.results.map(\.result) } == [.succeeded, .succeeded])
        #expect(Add.sums.withLock { $0 } == [42])
        #expect(seen.withLock { $0 } == ["2 3 raw hello"])
        #expect(cluster.ask { $0.registers.first?.types.map(\.text) } == ["add", "raw"])
    }

    @Test func aHandlersLogLinesCarryItsJob() throws {
        let cluster = Cluster()
        let records = Mutex<[LogRecord]>([])
        let configuration = WorkerConfiguration(
            name: "w1", address: Cluster.address, logHandler: { record in records.withLock { $0.append(record) } })
        let (worker, process) = cluster.worker(configuration)
        worker.register(raw: "raw") { _, context in context.logger.info("sent", ["to": "the \"moon\""]) }
        _ = cluster.start(worker, process)
        cluster.ask { $0.add("raw", attempt: 2) }
        cluster.run(for: .seconds(1))
        let lines = records.withLock { $0.map(\.description) }
        #expect(lines.contains(#"info sent job=1 type=raw attempt=2 to="the \"moon\"""#))
        #expect(lines.contains("notice registered node=w1 address=\(Cluster.address) epoch=1"))
    }

    @Test func failuresSayWhatHappenedAndNeverShowThePayload() throws {
        struct Broken: Error {}
        let cluster = Cluster()
        let (worker, process) = cluster.worker(.quiet(slots: 1))
        worker.register(Add.self)
        worker.register(raw: "broken") { _, _ in throw Broken() }
        worker.register(raw: "final") { _, _ in throw NonRetryable("the account is gone") }
        worker.register(raw: "exit") { _, _ in throw NonRetryable(JobFailureError(kind: "exit 65", message: "no")) }
        _ = cluster.start(worker, process)
        cluster.ask {
            $0.add("broken")
            $0.add("final")
            $0.add("exit")
            $0.add("add", Bytes(copying: #"{"a": "secret", "b": 2}"#.utf8))
            $0.add("unheard-of")
        }
        cluster.run(for: .seconds(2))
        let results = cluster.ask { $0.results.map(\.result) }
        #expect(
            results == [
                .failed(JobFailure(kind: "Broken", message: "Broken()"), isRetryable: true),
                .failed(JobFailure(kind: "NonRetryable", message: "the account is gone"), isRetryable: false),
                .failed(JobFailure(kind: "exit 65", message: "no"), isRetryable: false),
                .failed(JobFailure(kind: "payload", message: "does not decode as Add: a is no Int"), isRetryable: true),
                .failed(
                    JobFailure(kind: "no handler", message: "this worker has no handler for unheard-of"),
                    isRetryable: true),
            ])
    }

    @Test func asManyHandlersRunAtOnceAsThereAreSlots() throws {
        let cluster = Cluster()
        let (worker, process) = cluster.worker(.quiet(slots: 3))
        let gate = Gate()
        let running = Mutex((now: 0, most: 0))
        worker.register(raw: "wait") { _, _ in
            running.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            await gate.wait()
            running.withLock { $0.now -= 1 }
        }
        _ = cluster.start(worker, process)
        cluster.ask { $0.add(10, of: "wait", .empty) }
        cluster.run(for: .seconds(3))
        #expect(running.withLock { $0.now } == 3)
        #expect(cluster.ask { $0.reports.last?.running.count } == 3)
        gate.open()
        cluster.run(for: .seconds(3))
        #expect(cluster.ask { $0.results.count } == 10)
        #expect(running.withLock { $0.most } == 3)
    }

    @Test func lostReportsAndDeliveriesAreRepeated() throws {
        let cluster = Cluster()
        let (worker, process) = cluster.worker()
        let runs = Mutex<[JobID: Int]>([:])
        worker.register(raw: "n") { _, context in runs.withLock { $0[context.id, default: 0] += 1 } }
        _ = cluster.start(worker, process)
        cluster.run(for: .seconds(1))
        cluster.ask {
            $0.loseReports = 1
            $0.loseDeliveries = 1
            $0.add(3, of: "n", .empty)
        }
        cluster.run(for: .seconds(12))
        #expect(cluster.ask { $0.results.count } == 3)
        #expect(runs.withLock { $0.values.sorted() } == [1, 1, 1])
        #expect(cluster.ask { $0.registers.count } == 1, "neither needs a new registration")
    }

    @Test func aRestartedCoordinatorIsToldOfAllThatIsHeldAndLeasesItAnew() throws {
        let cluster = Cluster()
        let (worker, process) = cluster.worker(.quiet(slots: 2))
        let gate = Gate()
        worker.register(raw: "wait") { _, _ in await gate.wait() }
        _ = cluster.start(worker, process)
        cluster.ask { $0.add(2, of: "wait", .empty) }
        cluster.run(for: .seconds(1))
        cluster.ask { $0.restart() }
        cluster.run(for: .seconds(3))
        let registers = cluster.ask { $0.registers }
        #expect(registers.count == 2)
        #expect(Set(registers.map(\.incarnation)).count == 1)
        #expect(registers.last?.inventory.map(\.phase) == [.running, .running])
        #expect(registers.last?.lastDelivery == 1)
        gate.open()
        cluster.run(for: .seconds(3))
        #expect(cluster.ask { $0.results.count } == 2, "under the new leases")
        #expect(worker.counts.refused == 0)
    }

    @Test func aWorkerCutOffCancelsItsHandlersBeforeTheLeasesEndAndComesBackEmpty() throws {
        let cluster = Cluster()
        let (worker, process) = cluster.worker(.quiet(slots: 1))
        let cancelledAt = Box<Instant>()
        let runs = Mutex(0)
        worker.register(raw: "long") { _, context in
            guard
                runs.withLock({
                    $0 += 1
                    return $0
                }) == 1
            else { return }
            let gate = Gate()
            await withTaskCancellationHandler {
                await gate.wait()
            } onCancel: {
                cancelledAt.value = process.now
                gate.open()
            }
            // It takes no notice: its work is done anyway.
            try? await process.sleep(for: .zero)
        }
        _ = cluster.start(worker, process)
        cluster.ask { $0.add("long") }
        cluster.run(for: .seconds(5))
        #expect(cancelledAt.value == nil)
        let cutAt = cluster.world.now
        cluster.ask { $0.isSilent = true }
        cluster.run(for: .seconds(30))
        let lease = try #require(cancelledAt.value) - cutAt
        #expect(lease > .seconds(10) && lease < .seconds(15), "\(lease)")
        cluster.ask {
            $0.isSilent = false
            $0.restart()
        }
        cluster.run(for: .seconds(10))
        #expect(cluster.ask { $0.registers.last?.inventory } == [])
        #expect(cluster.ask { $0.results.isEmpty }, "a result under a lease that has ended is not reported")
        #expect(worker.counts.leasesLost == 1)
        cluster.ask { $0.add("long") }
        cluster.run(for: .seconds(10))
        #expect(cluster.ask { $0.results.map(\.result) } == [.succeeded], "the slot works again")
    }

    @Test func aHandlerThatHangsIsFailedAtItsTimeoutAndOnlyIt() throws {
        let cluster = Cluster()
        let (worker, process) = cluster.worker(.quiet(slots: 2))
        let others = Mutex(0)
        worker.register(raw: "hang") { _, _ in try await Gate().waitCancellably() }
        worker.register(raw: "other") { _, _ in
            try await process.sleep(for: .seconds(1))
            others.withLock { $0 += 1 }
        }
        _ = cluster.start(worker, process)
        cluster.ask {
            $0.add("hang", timeout: .seconds(4))
            $0.add(10, of: "other", .empty)
        }
        cluster.run(for: .seconds(15))
        let results = cluster.ask { $0.results }
        #expect(
            results.first { $0.id.rawValue == 1 }?.result
                == .failed(CoreDriver.timeoutFailure(.seconds(4)), isRetryable: true))
        #expect(results.count { $0.result == .succeeded } == 10 && results.count == 11)
    }

    @Test func anOrderEndsTheHandlersOfTheseLeasesOnly() throws {
        let cluster = Cluster()
        let (worker, process) = cluster.worker(.quiet(slots: 2))
        let cancelled = Mutex<[JobID]>([])
        let gate = Gate()
        worker.register(raw: "wait") { _, context in
            let own = Gate()
            if context.id.rawValue == 2 { return await gate.wait() }
            do { try await own.waitCancellably() } catch {
                cancelled.withLock { $0.append(context.id) }
                throw error
            }
        }
        _ = cluster.start(worker, process)
        cluster.ask { $0.add(2, of: "wait", .empty) }
        cluster.run(for: .seconds(2))
        cluster.ask { $0.order(ended: [$0.token(of: JobID(rawValue: 1))!]) }
        cluster.run(for: .seconds(2))
        gate.open()
        cluster.run(for: .seconds(2))
        #expect(cancelled.withLock { $0.map(\.rawValue) } == [1])
        #expect(cluster.ask { $0.results.map(\.id.rawValue) } == [2])
    }

    enum End: CaseIterable { case drain, cancellation, order }

    @Test(arguments: End.allCases)
    func aWorkerEndsInOrder(by end: End) throws {
        let cluster = Cluster()
        let (worker, process) = cluster.worker(.quiet(slots: 1, prefetchMax: 50))
        let gate = Gate()
        worker.register(raw: "short") { _, _ in }
        worker.register(raw: "wait") { _, _ in
            await gate.wait()
            #expect(!Task.isCancelled)
        }
        let ended = Box<Result<Void, any Error>>()
        let stop = Gate()
        process.spawn {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    do { ended.value = .success(try await worker.run()) } catch { ended.value = .failure(error) }
                }
                await stop.wait()
                group.cancelAll()
            }
        }
        cluster.ask { $0.add(20, of: "short", .empty) }
        cluster.run(for: .seconds(1))
        cluster.ask { $0.add(10, of: "wait", .empty) }
        cluster.run(for: .seconds(1))
        switch end {
        case .drain: worker.drain()
        case .cancellation: stop.open()
        case .order: cluster.ask { $0.order(drain: true) }
        }
        cluster.run(for: .seconds(2))
        #expect(ended.value == nil, "a handler runs")
        #expect(cluster.ask { $0.results.count { $0.result == .returned } } == 9, "what was fetched went back at once")
        gate.open()
        cluster.run(for: .seconds(2), until: { ended.value != nil })
        #expect(throws: Never.self) { try ended.value?.get() }
        #expect(ended.value != nil && cluster.ask { $0.isNodeGone })
        #expect(cluster.ask { $0.results.count { $0.result == .succeeded } } == 21)
    }

    @Test func aDrainCancelsHandlersAfterItsTimeAndLeavesThoseBehindThatIgnoreIt() throws {
        let cluster = Cluster()
        let (worker, process) = cluster.worker(.quiet(slots: 2, drainTimeout: .seconds(10)))
        worker.register(raw: "polite") { _, _ in try await Gate().waitCancellably() }
        worker.register(raw: "rude") { _, _ in await Gate().wait() }
        let ended = cluster.start(worker, process)
        cluster.ask {
            $0.add("polite")
            $0.add("rude")
        }
        cluster.run(for: .seconds(1))
        worker.drain()
        cluster.run(for: .seconds(12))
        #expect(cluster.ask { $0.results.map { "\($0.id) \($0.result)" } } == ["1 returned"])
        cluster.run(for: .seconds(5))
        #expect(cluster.ask { $0.results.map { "\($0.id) \($0.result)" } } == ["1 returned", "2 returned"])
        #expect(throws: Never.self) { try ended.value?.get() }
        #expect(ended.value != nil && cluster.ask { $0.isNodeGone })
    }

    @Test func aWorkerWaitsForItsCoordinatorAndCanBeStoppedMeanwhile() throws {
        let cluster = Cluster()
        cluster.ask { $0.isSilent = true }
        let (worker, process) = cluster.worker()
        worker.register(raw: "n") { _, _ in }
        let ended = cluster.start(worker, process)
        cluster.run(for: .seconds(120))
        #expect(ended.value == nil)
        worker.drain()
        cluster.run(for: .seconds(1))
        #expect(throws: Never.self) { try ended.value?.get() }
        #expect(ended.value != nil)
    }

    @Test(arguments: [
        (ErrorReply.Code.authenticationFailed, MartletError.Code.authenticationFailed, 1),
        (.invalidRequest, .invalidRequest, 1), (.nodeNameTaken, .nodeNameTaken, 40),
    ])
    func aRefusalThatNoPatienceCuresEndsTheWorker(
        refusal: ErrorReply.Code, expected: MartletError.Code, seconds: Int
    ) throws {
        let cluster = Cluster()
        cluster.ask { $0.registerRefusal = refusal }
        let (worker, process) = cluster.worker()
        worker.register(raw: "n") { _, _ in }
        let ended = cluster.start(worker, process)
        cluster.run(for: .seconds(seconds))
        let error = #expect(throws: MartletError.self) { try ended.value?.get() }
        #expect(error?.code == expected)
    }

    @Test func aFullClusterIsAskedAgain() throws {
        let cluster = Cluster()
        cluster.ask { $0.registerRefusal = .tooManyNodes }
        let (worker, process) = cluster.worker()
        worker.register(raw: "n") { _, _ in }
        _ = cluster.start(worker, process)
        cluster.run(for: .seconds(100))
        cluster.ask {
            $0.registerRefusal = nil
            $0.add("n")
        }
        cluster.run(for: .seconds(3))
        #expect(cluster.ask { $0.results.count } == 1)
    }

    @Test func aWorkerWithoutHandlersSaysSo() throws {
        let cluster = Cluster()
        let (worker, process) = cluster.worker()
        let ended = cluster.start(worker, process)
        cluster.run(for: .seconds(1))
        let error = #expect(throws: MartletError.self) { try ended.value?.get() }
        #expect(error?.code == .invalidRequest)
    }

    /// Equal seeds run equally, with cuts and a restart in between.
    @Test func equalSeedsLeaveEqualTraces() throws {
        func trace(_ seed: UInt64) -> UInt64 {
            let cluster = Cluster(seed: seed)
            let (worker, process) = cluster.worker()
            worker.register(raw: "n") { _, context in try await process.sleep(for: .milliseconds(30)) }
            _ = cluster.start(worker, process)
            cluster.ask { $0.add(200, of: "n", .empty) }
            cluster.run(for: .milliseconds(500))
            cluster.network.cutConnections { _, _ in true }
            cluster.run(for: .milliseconds(500))
            cluster.ask { $0.restart() }
            cluster.run(for: .seconds(5))
            worker.checkInvariants()
            #expect(cluster.ask { $0.results.count } == 200)
            return cluster.world.traceHash
        }
        #expect(trace(5) == trace(5))
        #expect(trace(5) != trace(6))
    }
}
