import Martlet
import MartletCore
import MartletRuntime
import MartletSimulation
import MartletWire
import Synchronization
import Testing

/// What handlers leave, seen by a coordinator that is faked.
@Suite struct LeavingTests {
    private static func cluster(_ features: PeerFeatures = .current) -> Cluster {
        let cluster = Cluster()
        cluster.ask { $0.features = features }
        return cluster
    }

    /// Runs one job and returns what was reported of it, and what `body` gave.
    private static func run<Value: Sendable>(
        on cluster: Cluster = Self.cluster(), _ body: @escaping @Sendable (JobContext) async throws -> Value
    ) -> (Report.Item.Result?, Value?) {
        let box = Box<Value>()
        let (worker, process) = cluster.worker()
        worker.register(raw: "t") { _, context in box.value = try await body(context) }
        _ = cluster.start(worker, process)
        cluster.ask { $0.add("t") }
        cluster.run(for: .seconds(10))
        return (cluster.ask { $0.results.first?.result }, box.value)
    }

    private static func code(_ body: () async throws -> Void) async -> MartletError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? MartletError)?.code
        }
    }

    // MARK: Results and follow-ups

    struct Count: Job {
        static let type = "count"
        var to: Int
        func run(_ context: JobContext) async throws -> Int { self.to }
    }

    @Test func whatRunReturnsIsTheResult() {
        let cluster = Self.cluster()
        let (worker, process) = cluster.worker()
        worker.register(Count.self)
        _ = cluster.start(worker, process)
        cluster.ask { $0.add("count", Bytes(copying: #"{"to": 7}"#.utf8)) }
        cluster.run(for: .seconds(2))
        #expect(cluster.ask { $0.results.map(\.result) } == [.completed(Completion(result: Bytes(copying: "7".utf8)))])
    }

    struct SetAndReturn: Job {
        static let type = "both"
        func run(_ context: JobContext) async throws -> Int {
            try context.setResult("set")
            return 1
        }
    }

    @Test func whatWasSetStandsInPlaceOfWhatRunReturns() {
        let cluster = Self.cluster()
        let (worker, process) = cluster.worker()
        worker.register(SetAndReturn.self)
        _ = cluster.start(worker, process)
        cluster.ask { $0.add("both", Bytes(copying: "{}".utf8)) }
        cluster.run(for: .seconds(2))
        let result = Bytes(copying: #""set""#.utf8)
        #expect(cluster.ask { $0.results.map(\.result) } == [.completed(Completion(result: result))])
    }

    @Test func followUpsGoWithTheSuccess() throws {
        let cluster = Self.cluster()
        let now = cluster.world.wallTime
        let (result, _) = Self.run(on: cluster) { context in
            try context.submit(Count(to: 3), delay: .seconds(5))
            try context.submit(raw: RawJob(type: "mail", queue: "m", payload: Payload("x")))
            try context.submit(Count(to: 4), at: now + .seconds(60))
            try context.submit(raw: RawJob(type: "mail", at: now + .seconds(-60)))
            try context.setResult(["a": 1])
        }
        guard case .completed(let completion) = result else {
            Issue.record("not completed: \(String(describing: result))")
            return
        }
        #expect(completion.result == Bytes(copying: #"{"a":1}"#.utf8))
        #expect(completion.followUps.map(\.template.type) == ["count", "mail", "count", "mail"])
        #expect(completion.followUps.map(\.template.queue) == ["default", "m", "default", "default"])
        #expect(completion.followUps.map(\.delay)[0] == .seconds(5))
        #expect(completion.followUps.map(\.delay)[1] == .zero && completion.followUps.map(\.delay)[3] == .zero)
        #expect((.seconds(49)...(.seconds(60))).contains(completion.followUps[2].delay), "from now on")
        #expect(completion.followUps[1].payload == Bytes(copying: "x".utf8))
    }

    @Test func aFailureLeavesNothing() throws {
        struct Broken: Error {}
        let cluster = Self.cluster()
        let (worker, process) = cluster.worker(.quiet(slots: 1))
        let attempts = Mutex(0)
        worker.register(raw: "t") { _, context in
            let attempt = attempts.withLock { count in
                count += 1
                return count
            }
            guard attempt == 1 else { return }
            try context.submit(raw: RawJob(type: "mail"))
            try context.setResult(1)
            throw Broken()
        }
        _ = cluster.start(worker, process)
        cluster.ask { $0.add(2, of: "t", .empty) }
        cluster.run(for: .seconds(2))
        let results = cluster.ask { $0.results.map(\.result) }
        #expect(results.count == 2)
        #expect(results.first == .failed(JobFailure(kind: "Broken", message: "Broken()"), isRetryable: true))
        #expect(results.last == .succeeded, "nor does the next job leave it")
    }

    @Test func followUpsAreBounded() {
        let (result, codes) = Self.run { context in
            let job = RawJob(type: "mail")
            for _ in 0..<1000 { try context.submit(raw: job) }
            return [
                await Self.code { try context.submit(raw: job) },
                await Self.code { try context.submit(raw: RawJob(type: "not a name")) },
            ]
        }
        #expect(codes == [.invalidRequest, .invalidRequest])
        guard case .completed(let completion) = result else {
            Issue.record("not completed")
            return
        }
        #expect(completion.followUps.count == 1000, "the attempt may catch it")
    }

    @Test func bytesAreBoundedTogether() {
        let (_, codes) = Self.run { context in
            let half = Payload(copying: [UInt8](repeating: 0, count: 600 << 10))
            try context.setResult(raw: half)
            let codes = [
                await Self.code { try context.submit(raw: RawJob(type: "mail", payload: half)) },
                await Self.code { try await context.save(rawCheckpoint: Payload(copying: half.array + half.array)) },
            ]
            // In its place, not beside it.
            try context.setResult(raw: half)
            return codes
        }
        #expect(codes == [.payloadTooLarge, .payloadTooLarge])
    }

    @Test func aContextThatOutlivesItsAttemptIsTurnedAway() throws {
        let cluster = Self.cluster()
        let kept = Box<JobContext>()
        _ = Self.run(on: cluster) { context in kept.value = context }
        let codes = cluster.start {
            let context = kept.value!
            return [
                await Self.code { try context.submit(raw: RawJob(type: "mail")) },
                await Self.code { try context.setResult(1) },
                await Self.code { try await context.save(checkpoint: 1) },
            ]
        }
        cluster.run(for: .seconds(1))
        #expect(try codes.value?.get() == [.closed, .closed, .closed])
        kept.value?.progress(0.5)
        cluster.run(for: .seconds(2))
        #expect(cluster.ask { $0.reports.allSatisfy(\.progress.isEmpty) })
    }

    // MARK: Checkpoints

    @Test func aCheckpointIsDurableWhenTheCallReturns() {
        let cluster = Self.cluster()
        let coordinator = cluster.coordinator
        let (_, saved) = Self.run(on: cluster) { context in
            try await context.save(checkpoint: ["page": 3])
            let first = await coordinator.ask { $0.checkpoints.map(\.value) }
            try await context.save(rawCheckpoint: Payload("raw"))
            return [first, await coordinator.ask { $0.checkpoints.map(\.value) }]
        }
        let page = Bytes(copying: #"{"page":3}"#.utf8)
        #expect(saved == [[page], [page, Bytes(copying: "raw".utf8)]])
    }

    @Test func aCheckpointUnderAnEndedLeaseIsRefused() {
        let cluster = Self.cluster()
        cluster.ask { $0.nextVerdict = [.refused] }
        let (result, code) = Self.run(on: cluster) { context in
            await Self.code { try await context.save(checkpoint: 1) }
        }
        #expect(code == .refused)
        #expect(result == .succeeded)
    }

    @Test func anOldCoordinatorRefusesCheckpoints() {
        let (_, code) = Self.run(on: Self.cluster([])) { context in
            await Self.code { try await context.save(checkpoint: 1) }
        }
        #expect(code == .refused)
    }

    @Test func twoCheckpointsAtATimeAreOneTooMany() {
        let (result, codes) = Self.run { context in
            async let first = Self.code { try await context.save(checkpoint: 1) }
            async let second = Self.code { try await context.save(checkpoint: 2) }
            return await [first, second]
        }
        #expect(codes?.count { $0 == .invalidRequest } == 1)
        #expect(codes?.count { $0 == nil } == 1, "and the other is saved")
        #expect(result == .succeeded)
    }

    /// A task that a handler left behind must not wait for ever, nor keep the next job from saving.
    @Test func aCheckpointThatIsNotWaitedForDisturbsNobody() {
        let cluster = Self.cluster()
        let (worker, process) = cluster.worker(.quiet(slots: 1))
        let codes = Box<[MartletError.Code?]>()
        codes.value = []
        let left = Box<Task<Void, Never>>()
        let hasBegun = Box<Bool>()
        worker.register(raw: "leaves") { _, context in
            left.value = Task(executorPreference: process) {
                hasBegun.value = true
                let code = await Self.code { try await context.save(checkpoint: 1) }
                codes.value?.append(code)
            }
            // On one thread, it gets so far as to wait and no further.
            while hasBegun.value == nil { await Task.yield() }
        }
        worker.register(raw: "saves") { _, context in
            let code = await Self.code { try await context.save(checkpoint: 2) }
            codes.value?.append(code)
        }
        _ = cluster.start(worker, process)
        cluster.run(for: .seconds(2))
        cluster.ask {
            // The handler ends before it could hear of its checkpoint.
            $0.loseReports = 1
            $0.add("leaves")
            $0.add("saves")
        }
        cluster.run(for: .seconds(10))
        #expect(codes.value == [.refused, nil])
        #expect(cluster.ask { $0.checkpoints.last?.id.rawValue } == 2)
    }

    // MARK: Progress

    @Test func progressIsToldWithTheNextHeartbeat() {
        let cluster = Self.cluster()
        _ = Self.run(on: cluster) { context in
            context.progress(0.25, "reading")
            context.progress(0.5, "writing")
            try await context.sleep(for: .seconds(3))
            context.progress(7)
            try await context.sleep(for: .seconds(3))
        }
        let told = cluster.ask { $0.reports.flatMap(\.progress) }
        #expect(told.map(\.fraction) == [0.5, 1])
        #expect(told.map(\.message) == ["writing", ""])
    }

    @Test func anOldCoordinatorIsToldNoProgress() {
        let cluster = Self.cluster([])
        _ = Self.run(on: cluster) { context in
            context.progress(0.5)
            try await context.sleep(for: .seconds(3))
        }
        #expect(cluster.ask { $0.reports.allSatisfy(\.progress.isEmpty) })
    }
}
