public import Martlet
import MartletCore
import Synchronization

/// A whole Martlet cluster within a unit test: no network, no files, and time passes when the test says so.
///
/// ```swift
/// @Test func aWelcomeMailIsSentAgainAfterAFailure() async throws {
///     let mailer = FakeMailer(failures: 1)
///     let cluster = try await TestCluster { worker in
///         worker.register(raw: "mail.welcome") { payload, context in try await mailer.send(payload) }
///     }
///     let id = try await cluster.client.submit(raw: RawJob(type: "mail.welcome", payload: Payload("ada@example.org")))
///     let first = try await cluster.runNext()
///     #expect(first?.failure?.kind == "MailServerDown")
///     #expect(try await cluster.state(of: id) == .scheduled)
///     try await cluster.advance(by: .seconds(120))
///     #expect(try await cluster.drain().map(\.outcome) == [.succeeded])
/// }
/// ```
///
/// Coordinator, client and worker are those of production, over a store and a network in memory; only the clock and
/// the executor differ. Jobs run when the test asks for it, with ``runNext()``, ``startNext()`` or ``drain(jobsMax:)``,
/// never by themselves. Handlers run on Swift's shared thread pool and may do what they do in production; virtual time
/// stands still meanwhile, unless all that run wait in ``JobContext/sleep(for:)``: then it passes at once to the end of
/// the wait or of the job's timeout. Do not race such a sleep against something real: the sleep would win.
///
/// Each cluster is on its own: tests may run in parallel. It ends when it is let go of.
public final class TestCluster: Sendable {
    /// Submits to this cluster.
    public let client: Client
    private let engine: TestEngine

    /// Starts a cluster with one worker.
    ///
    /// - Parameters:
    ///   - register: registers handlers and middleware. Jobs of other types can be submitted and wait.
    /// - Throws: what `register` throws.
    public init(
        _ configuration: TestConfiguration = .standard, register: (Worker) throws -> Void = { _ in }
    ) async throws {
        let engine = try TestEngine(configuration, register: register)
        self.engine = engine
        engine.start()
        do {
            self.client = try await engine.connect()
            try await engine.pursue { (pursuit: Pursuit<Void>) in
                if let failure = engine.failure {
                    pursuit.fail(failure)
                    return .met
                }
                guard engine.isIdle else { return .waiting }
                pursuit.succeed(())
                return .met
            }
        } catch {
            engine.stop()
            throw error
        }
    }

    deinit { self.engine.stop() }

    // MARK: What was submitted

    /// Jobs that were submitted and have not ended, nor run now, in the order of their submit.
    public func waiting() async throws -> [WaitingJob] { try await self.engine.ask { $0.waiting } }

    /// The payloads of the jobs of one type that wait, in the order of their submit.
    ///
    /// - Throws: ``JobFailureError`` if a payload is not one of this type.
    public func submitted<J: Job>(_ type: J.Type) async throws -> [J] {
        try await self.waiting().filter { $0.type == J.type }.map {
            try PayloadCoding.decode(J.self, from: $0.payload.bytes)
        }
    }

    /// Whether a job that equals `job` waits, in `queue` if one is given.
    public func enqueued<J: Job & Equatable>(_ job: J, in queue: String? = nil) async throws -> Bool {
        try await self.waiting().contains { waiting in
            guard waiting.type == J.type, queue == nil || waiting.queue == queue else { return false }
            return try PayloadCoding.decode(J.self, from: waiting.payload.bytes) == job
        }
    }

    /// Where a job stands. Nil if there never was one with this id, or if it ended without having run here.
    public func state(of id: JobID) async throws -> JobState? { try await self.engine.ask { $0.state(of: id) } }

    // MARK: Running jobs

    /// Runs the job that is to run next, and returns what came of it; nil if none is ready.
    ///
    /// - Throws: ``TestClusterError``.
    @discardableResult
    public func runNext() async throws -> JobRun? { try await self.startNext()?.outcome() }

    /// Starts the job that is to run next, and returns when its handler has begun; nil if none is ready.
    ///
    /// Meanwhile time can be made to pass, to see what a timeout does:
    ///
    /// ```swift
    /// let running = try await cluster.startNext()
    /// try await cluster.advance(by: .seconds(31 * 60))
    /// #expect(try await running?.outcome().failure?.kind == "timeout")
    /// ```
    ///
    /// - Throws: ``TestClusterError``.
    public func startNext() async throws -> RunningJob? {
        let engine = self.engine
        let before = Mutex<Int?>(nil)
        let place: Int? = try await engine.pursue(passingTime: true) { pursuit in
            guard let count = before.withLock({ $0 }) else {
                guard engine.hasRoom else { return .waiting }
                before.withLock { $0 = engine.recorder.count }
                engine.worker.admit(1)
                return .acted
            }
            let hasBegun = engine.recorder.count > count
            guard hasBegun || engine.isIdle else { return .waiting }
            engine.worker.admit(0)
            pursuit.succeed(hasBegun ? count : nil)
            return .met
        }
        return place.map { RunningJob(engine: engine, place: $0) }
    }

    /// Runs jobs until none is ready: also those that are submitted meanwhile, but not those that are due later.
    ///
    /// - Parameter jobsMax: how many to run at most; a job that submits itself again would go on for ever.
    /// - Returns: what came of each attempt, in the order in which they began.
    /// - Throws: ``TestClusterError``.
    @discardableResult
    public func drain(jobsMax: Int = 100_000) async throws -> [JobRun] {
        let engine = self.engine
        let before = Mutex<Int?>(nil)
        return try await engine.pursue(passingTime: true) { pursuit in
            guard let count = before.withLock({ $0 }) else {
                before.withLock { $0 = engine.recorder.count }
                engine.worker.admit(nil)
                return .acted
            }
            if engine.recorder.count - count > jobsMax {
                engine.worker.admit(0)
                pursuit.fail(TestClusterError(.tooManyJobs, "\(jobsMax) jobs were run, and more are ready"))
                return .met
            }
            guard engine.isIdle, engine.hasSettledAll else { return .waiting }
            engine.worker.admit(0)
            pursuit.succeed(engine.settledRuns(from: count))
            return .met
        }
    }

    // MARK: Time

    /// Civil time in the cluster.
    public var now: WallTime { self.engine.wallTime }

    /// Lets time pass: what is scheduled comes due, and the timeouts of handlers that run are enforced. No job starts.
    public func advance(by duration: Duration) async throws {
        precondition(duration >= .zero, "time does not run backwards")
        let engine = self.engine
        let end = Mutex<(target: Instant, patience: ContinuousClock.Instant)?>(nil)
        try await engine.pursue { (pursuit: Pursuit<Void>) in
            let (target, patience) = end.withLock { end in
                if let end { return end }
                end = (engine.now + duration, .now)
                return end!
            }
            // A handler that was woken by the clock may want to wait again before time goes on. One that waits for
            // something else is not waited for.
            guard engine.isAtRest || ContinuousClock.now > patience else { return engine.retry(at: patience) }
            guard engine.now < target else {
                pursuit.succeed(())
                return .met
            }
            let sleeping = engine.sleepingCount
            if !engine.passTime(until: target) { engine.pass(to: target) }
            if engine.sleepingCount < sleeping {
                end.withLock { $0!.patience = .now + .milliseconds(100) }
            }
            return .acted
        }
    }
}

/// A job whose handler has begun, see ``TestCluster/startNext()``.
public struct RunningJob: Sendable {
    private let engine: TestEngine
    private let place: Int

    init(engine: TestEngine, place: Int) {
        self.engine = engine
        self.place = place
    }

    public var id: JobID { self.engine.recorder.run(self.place).id }

    /// Waits for the end of the attempt, and returns what came of it.
    ///
    /// - Throws: ``TestClusterError``.
    public func outcome() async throws -> JobRun {
        let engine = self.engine
        let place = self.place
        return try await engine.pursue(passingTime: true) { pursuit in
            guard let run = engine.settledRun(place) else { return .waiting }
            pursuit.succeed(run)
            return .met
        }
    }
}
