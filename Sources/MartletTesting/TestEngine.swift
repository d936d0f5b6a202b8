import Foundation
import Martlet
import MartletCoordinator
import MartletCore
import MartletObservability
import MartletRuntime
import MartletStore
import MartletTransport
import MartletVirtualTime

/// The production coordinator, worker and client on one thread, in virtual time.
///
/// Everything but handlers runs on that thread, which sleeps while there is nothing to do. Handlers run on Swift's
/// shared thread pool, as in production. Virtual time passes only on behalf of a ``Goal``, and never while a handler
/// does something other than to wait for virtual time.
final class TestEngine: @unchecked Sendable {
    /// Long, so that much virtual time costs little: nobody loses a connection here.
    private static let times = SessionTimes(
        heartbeatInterval: .seconds(600), silentAfter: .seconds(3600), leaseDuration: .seconds(14_400))
    private static let cancelPatience = Duration.milliseconds(200)
    private static let clientAddress = "tcp://127.0.0.1:7400"
    private static let nodeAddress = "tcp://127.0.0.1:7401"

    let configuration: TestConfiguration
    let recorder: RunRecorder
    let worker: Worker
    private let door = WorldDoor()
    private let world: SimulatedWorld
    private let network = InMemoryNetwork()
    private let disk = InMemoryStore.Disk()
    private let coordinatorProcess: SimulatedProcess
    private let workerProcess: SimulatedProcess
    /// Its timers are the sleeps of handlers.
    private let handlerProcess: SimulatedProcess
    private let clientProcess: SimulatedProcess

    // Of the thread.
    private var goals: [Goal] = []
    /// What became of the attempts, by their place at the recorder.
    private var settled: [JobRun?] = []
    private var unsettled: [Int] = []
    /// How long, in real time, the ends of cancelled handlers are waited for.
    private var cancelledUntil: [Int: ContinuousClock.Instant] = [:]
    private var coordinatorTask: Task<Void, Never>?
    private var hasCoordinatorEnded = false
    private var hasWorkerEnded = false
    private(set) var failure: (any Error)?
    private var isStopping = false
    /// When the thread is to look again although nobody woke it.
    private var lookAgainAt: ContinuousClock.Instant?
    private var progressMark = (runs: 0, at: Instant(nanoseconds: 0))
    private var progressAt = ContinuousClock.now

    init(_ configuration: TestConfiguration, register: (Worker) throws -> Void) rethrows {
        self.configuration = configuration
        let door = self.door
        self.world = SimulatedWorld(seed: configuration.seed, door: door)
        self.world.wallOffsetMicroseconds += configuration.start.microseconds - self.world.wallTime.microseconds
        self.coordinatorProcess = self.world.makeProcess("coordinator")
        self.workerProcess = self.world.makeProcess("worker")
        self.handlerProcess = self.world.makeProcess("handlers")
        self.clientProcess = self.world.makeProcess("client")
        self.recorder = RunRecorder { door.call {} }
        let environment = Worker.Environment(
            loop: self.workerProcess, handlerLoop: self.handlerProcess,
            transport: self.network.transport(on: self.workerProcess, host: HostID(rawValue: 2)),
            executor: globalConcurrentExecutor)
        self.worker = Worker(
            WorkerConfiguration(
                name: "test", address: Self.nodeAddress, slots: configuration.slots, prefetchMax: 0,
                drainTimeout: .zero, cancelGrace: .zero, logHandler: configuration.logHandler),
            in: environment)
        self.worker.admit(0)
        self.worker.use(self.recorder)
        try register(self.worker)
    }

    /// Starts the thread. It holds on to the engine until ``stop()``.
    func start() {
        let thread = Thread { self.live() }
        thread.name = "martlet-test"
        thread.start()
    }

    /// Ends everything. Callable from any thread, without waiting.
    func stop() { self.door.call { self.isStopping = true } }

    // MARK: From outside

    /// Does `body` on the engine's thread when nothing is left to do at this instant.
    func ask<Value: Sendable>(_ body: @escaping @Sendable (TestEngine) -> Value) async throws -> Value {
        try await self.pursue { goal in
            goal.succeed(body(self))
            return .met
        }
    }

    /// Has `step` called whenever the cluster has come to rest, until the goal is met.
    func pursue<Value: Sendable>(
        passingTime: Bool = false, _ step: @escaping @Sendable (Pursuit<Value>) -> Goal.Step
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let pursuit = Pursuit(continuation)
            let goal = Goal(passesTime: passingTime, step: { step(pursuit) }, fail: { pursuit.fail($0) })
            let isHeard = self.door.call { self.goals.append(goal) }
            if !isHeard { pursuit.fail(TestClusterError(.closed, "the test cluster has ended")) }
        }
    }

    func connect() async throws -> Client {
        let transport = self.network.transport(on: self.clientProcess, host: HostID(rawValue: 3))
        let configuration = ClientConfiguration(middleware: self.configuration.clientMiddleware)
        // Nobody dials before the coordinator listens: a second try would wait for time to pass.
        try await self.ask { _ in }
        return try await withCheckedThrowingContinuation { continuation in
            self.door.call {
                self.clientProcess.spawn {
                    do {
                        let client = try await Client.connect(
                            to: Self.clientAddress, over: transport, on: self.clientProcess,
                            configuration: configuration)
                        continuation.resume(returning: client)
                    } catch {
                        continuation.resume(throwing: error)
                    }
                }
            }
        }
    }

    // MARK: The thread

    private func live() {
        self.door.own()
        self.startProcesses()
        while !self.isStopping {
            self.world.settle()
            self.settleRuns()
            if self.world.hasStalled { self.failGoals(TestClusterError(.stalled, "the cluster does not come to rest")) }
            if self.stepGoals() { continue }
            if self.mayTimePass, self.passTime(until: .distantFuture) { continue }
            self.waitForOthers()
        }
        self.end()
    }

    private func startProcesses() {
        let settings = CoordinatorSettings(
            clientAddress: Self.clientAddress, nodeAddress: Self.nodeAddress, nodesMax: 1, times: Self.times)
        let coordinator = Coordinator(
            settings: settings,
            transport: self.network.transport(on: self.coordinatorProcess, host: HostID(rawValue: 1)),
            store: InMemoryStore(disk: self.disk), loop: self.coordinatorProcess, log: .none)
        self.coordinatorTask = self.coordinatorProcess.startRoot {
            do {
                try await coordinator.run()
            } catch {
                self.failure = error
            }
            self.hasCoordinatorEnded = true
        }
        self.world.settle()
        guard self.worker.hasHandlers else {
            self.hasWorkerEnded = true
            return
        }
        self.workerProcess.spawn {
            do throws(MartletError) {
                try await self.worker.run(gracefulShutdownOn: [])
            } catch {
                self.failure = error
            }
            self.hasWorkerEnded = true
        }
    }

    /// True if anything was done that may lead to more.
    private func stepGoals() -> Bool {
        let pending = self.goals
        self.goals = []
        var hasActed = false
        for goal in pending {
            switch goal.step() {
            case .met: hasActed = true
            case .acted:
                hasActed = true
                self.goals.append(goal)
            case .waiting: self.goals.append(goal)
            }
        }
        return hasActed
    }

    private func failGoals(_ error: any Error) {
        let goals = self.goals
        self.goals = []
        for goal in goals { goal.fail(error) }
    }

    /// Waits for a handler to do something, or to be asked for something.
    private func waitForOthers() {
        guard !self.goals.isEmpty else { return self.door.wait(atMost: .seconds(3600)) }
        let mark = (runs: self.recorder.progress, at: self.world.now)
        if mark != self.progressMark {
            self.progressMark = mark
            self.progressAt = .now
        }
        // A slot that is about to ask for a job tells nobody when it has found none. It is a thread's turn away.
        if self.worker.look({ !$0.isSettled }) == true { self.lookAgainAt = .now + .milliseconds(1) }
        if let again = self.lookAgainAt {
            self.lookAgainAt = nil
            return self.door.wait(atMost: max(.zero, again - .now))
        }
        let left = self.progressAt + self.configuration.patience - .now
        guard left <= .zero else { return self.door.wait(atMost: left) }
        self.progressAt = .now
        self.failGoals(
            TestClusterError(
                .handlerDoesNotEnd,
                "waited \(self.configuration.patience) of real time for \(self.recorder.running) to end; let a handler"
                    + " wait with context.sleep(for:), or start it with startNext() and let time pass with advance(by:)"
            ))
    }

    private func end() {
        self.failGoals(TestClusterError(.closed, "the test cluster has ended"))
        self.worker.drain()
        self.coordinatorTask?.cancel()
        for _ in 0..<200 {
            self.world.settle()
            if self.hasWorkerEnded && self.hasCoordinatorEnded { break }
            // Slots end on the shared pool.
            self.door.wait(atMost: .milliseconds(5))
            self.world.settle()
            _ = self.world.passToNextTimer(until: self.world.now + .seconds(60))
        }
        self.failGoals(TestClusterError(.closed, "the test cluster has ended"))
        self.world.end()
    }

    // MARK: Time

    var now: Instant { self.world.now }
    var wallTime: WallTime { self.world.wallTime }

    /// Handlers that wait for virtual time.
    var sleepingCount: Int { self.handlerProcess.timerCount }

    /// Whether nothing happens until virtual time passes.
    var isAtRest: Bool {
        self.hasWorkerEnded
            || self.worker.look { $0.isRegistered && $0.isSettled && $0.occupiedCount <= self.sleepingCount } == true
    }

    private var mayTimePass: Bool { self.goals.contains { $0.passesTime } && self.isAtRest }

    /// For a goal that waits for others until `instant` at most.
    func retry(at instant: ContinuousClock.Instant) -> Goal.Step {
        self.lookAgainAt = min(self.lookAgainAt ?? instant, instant)
        return .waiting
    }

    /// False if nothing is due until then.
    func passTime(until deadline: Instant) -> Bool { self.world.passToNextTimer(until: deadline) }

    func pass(to instant: Instant) { self.world.pass(to: instant) }

    // MARK: Jobs

    /// Whether the worker holds nothing and runs nothing.
    var isIdle: Bool {
        self.hasWorkerEnded
            || self.worker.look { $0.isRegistered && $0.isSettled && $0.holdsNothing && $0.occupiedCount == 0 } == true
    }

    /// A handler that ignores its cancellation keeps its slot.
    var hasRoom: Bool { self.worker.look { $0.occupiedCount < self.configuration.slots } ?? true }

    func settledRun(_ place: Int) -> JobRun? { place < self.settled.count ? self.settled[place] : nil }

    func settledRuns(from place: Int) -> [JobRun] { self.settled[place...].compactMap { $0 } }

    var hasSettledAll: Bool { self.unsettled.isEmpty && self.settled.count == self.recorder.count }

    private func settleRuns() {
        while self.settled.count < self.recorder.count {
            self.unsettled.append(self.settled.count)
            self.settled.append(nil)
        }
        self.unsettled.removeAll { place in
            let run = self.recorder.run(place)
            guard self.worker.look({ $0.holds(run.id) }) != true else { return false }
            // A handler whose job was taken away has been cancelled: it may have something to tell of its end.
            if !run.hasEnded {
                let patience = self.cancelledUntil[place] ?? .now + Self.cancelPatience
                self.cancelledUntil[place] = patience
                if ContinuousClock.now < patience {
                    _ = self.retry(at: patience)
                    return false
                }
            }
            self.cancelledUntil[place] = nil
            self.settled[place] = self.judge(run)
            return true
        }
    }

    private func judge(_ run: RunRecorder.Run) -> JobRun {
        let record = self.disk.contents.job(run.id)?.record
        let outcome: JobRun.Outcome =
            switch record?.state {
            case nil, .succeeded: .succeeded
            case .dead: .dead
            case .ready, .scheduled, .running, .blocked: .willRetry(at: record?.due ?? self.wallTime)
            case .cancelled: .ended(.cancelled)
            case .expired: .ended(.expired)
            }
        return JobRun(
            id: run.id, type: run.type, queue: run.queue, attempt: run.attempt, outcome: outcome, error: run.error,
            failure: outcome == .succeeded ? nil : record?.lastFailure)
    }

    private var runningIDs: Set<JobID> { Set(self.unsettled.map { self.recorder.run($0).id }) }

    func state(of id: JobID) -> JobState? {
        if self.runningIDs.contains(id) { return .running }
        if let record = self.disk.contents.job(id)?.record { return record.state }
        // A job that succeeded is forgotten, unless it is retained.
        return self.settled.contains { $0?.id == id && $0?.hasSucceeded == true } ? .succeeded : nil
    }

    /// In the order of their submit.
    var waiting: [WaitingJob] {
        let contents = self.disk.contents
        let running = self.runningIDs
        return contents.ids(in: [.blocked, .ready, .scheduled]).compactMap { id in
            guard !running.contains(id), let (record, payload) = contents.job(id) else { return nil }
            return WaitingJob(
                id: id, type: record.lane.type, queue: record.lane.queue, state: record.state, due: record.due,
                options: record.options, payload: Payload(payload))
        }
    }
}
