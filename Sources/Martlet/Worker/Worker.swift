import MartletCore
import MartletObservability
package import MartletRuntime
package import MartletTransport
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Runs jobs.
///
/// ```swift
/// let worker = Worker(WorkerConfiguration(queues: ["mail"], slots: 32))
/// worker.register(SendWelcomeMail.self)
/// try await worker.run()
/// ```
///
/// Handlers run on Swift's shared thread pool, as many at once as there are slots. The worker's session has a thread of
/// its own, so that handlers that block every thread of the pool cost it no lease. A worker that cannot reach its
/// coordinator goes on trying; it cancels its handlers before their leases end, because the jobs then run elsewhere.
public final class Worker: Sendable {
    /// What a worker runs on.
    package struct Environment: Sendable {
        package var loop: EventLoop
        /// Whose clock and timers handlers see.
        package var handlerLoop: EventLoop
        package var transport: any Transport
        /// Where handlers run.
        package var executor: any TaskExecutor
        /// The identity of the lock that it holds on its name, if it holds one: it may then claim that an older
        /// incarnation which held the same is dead.
        package var nameLock: UInt32?
        /// Enough jobs are fetched ahead for the slots to be busy so long.
        package var prefetchTarget = WorkerCore.Profile.prefetchTarget

        package init(
            loop: EventLoop, handlerLoop: EventLoop? = nil, transport: any Transport, executor: any TaskExecutor,
            nameLock: UInt32? = nil
        ) {
            self.loop = loop
            self.handlerLoop = handlerLoop ?? loop
            self.transport = transport
            self.executor = executor
            self.nameLock = nameLock
        }
    }

    private struct State {
        var handlers: [String: JobKind.Handler] = [:]
        var batches: [String: BatchHandler] = [:]
        var middleware: [any HandlerMiddleware] = []
        var board: WorkerBoard?
        var hasRun = false
        var isDrainWanted = false
        /// See ``admit(_:)``.
        var admission: Int?

        func serves(_ type: String) -> Bool { self.handlers[type] != nil || self.batches[type] != nil }
    }

    public let configuration: WorkerConfiguration
    private let environment: Environment?
    private let state = Mutex(State())

    /// A worker that does nothing yet.
    public init(_ configuration: WorkerConfiguration = WorkerConfiguration()) {
        self.configuration = configuration
        self.environment = nil
    }

    /// On any loop, over any transport, without a lock on its name.
    package init(_ configuration: WorkerConfiguration, in environment: Environment) {
        self.configuration = configuration
        self.environment = environment
    }

    // MARK: Handlers

    /// Serves a type of job.
    ///
    /// - Precondition: before ``run(gracefulShutdownOn:)``; no other handler has this ``Job/type``; ``Job/Output`` is
    ///   `Void` or `Encodable`.
    public func register<J: Job>(_ type: J.Type) {
        let hasResult = J.Output.self != Void.self
        precondition(
            !hasResult || J.Output.self is any Encodable.Type,
            "\(J.self).Output is \(J.Output.self), which is not Encodable: its results would be lost")
        self.add(J.type) { payload, context in
            let output = try await PayloadCoding.decode(J.self, from: payload).run(context)
            if hasResult, let result = output as? any Encodable { try context.setReturned(result) }
        }
    }

    /// Serves a type of job whose payload is bytes.
    ///
    /// ```swift
    /// worker.register(raw: "thumbnail") { payload, context in
    ///     try await thumbnails.make(from: payload.array, key: "\(context.id)")
    /// }
    /// ```
    ///
    /// - Precondition: as ``register(_:)``.
    public func register(
        raw type: String, _ handler: @escaping @Sendable (Payload, JobContext) async throws -> Void
    ) {
        self.add(type) { payload, context in try await handler(Payload(payload), context) }
    }

    private func add(_ type: String, _ handler: @escaping JobKind.Handler) {
        if let problem = NameRule.problem(type) { preconditionFailure("the job type \"\(type)\" \(problem)") }
        self.state.withLock { state in
            precondition(!state.hasRun, "register handlers before the worker runs")
            precondition(!state.serves(type), "\(type) has a handler already")
            state.handlers[type] = handler
        }
    }

    func add(batchOf type: String, _ shape: BatchShape, _ body: @escaping BatchHandler.Body) {
        if let problem = NameRule.problem(type) { preconditionFailure("the job type \"\(type)\" \(problem)") }
        self.state.withLock { state in
            precondition(!state.hasRun, "register handlers before the worker runs")
            precondition(!state.serves(type), "\(type) has a handler already")
            state.batches[type] = BatchHandler(shape: shape, line: state.batches.count, body: body)
        }
    }

    /// Does something around every handler: those registered before and after.
    ///
    /// What is registered first is outermost.
    ///
    /// - Precondition: before ``run(gracefulShutdownOn:)``.
    public func use(_ middleware: some HandlerMiddleware) {
        self.state.withLock { state in
            precondition(!state.hasRun, "register middleware before the worker runs")
            state.middleware.append(middleware)
        }
    }

    /// As ``use(_:)-(HandlerMiddleware)``, for a middleware that is a closure.
    ///
    /// ```swift
    /// worker.use { context, next in
    ///     try await RequestID.$current.withValue("job-\(context.id)") { try await next() }
    /// }
    /// ```
    public func use(
        _ middleware: @escaping @Sendable (JobContext, @Sendable () async throws -> Void) async throws -> Void
    ) {
        self.use(ClosureHandlerMiddleware(body: middleware))
    }

    // MARK: Life

    /// `SIGTERM` and `SIGINT`.
    public static let shutdownSignals: [Int32] = [SIGTERM, SIGINT]

    /// Runs jobs until one of `signals` comes, ``drain()`` is called, the task is cancelled, or the coordinator sends
    /// the worker away.
    ///
    /// All of them end it in order: nothing more is started, what was fetched goes back, running handlers may finish
    /// within ``WorkerConfiguration/drainTimeout``, then they are cancelled and their jobs given back. A handler that
    /// does not end within ``WorkerConfiguration/cancelGrace`` after that is left running; if it was a signal that
    /// began the end, the process then exits with status 0 from here, else this call returns.
    ///
    /// - Parameter signals: what this process is told to end with; a second one ends it at once. While the worker runs
    ///   they have no other handler. Empty: none is caught.
    /// - Throws: ``MartletError``: `.nodeNameTaken`, `.addressInvalid`, `.authenticationFailed`, `.versionMismatch`,
    ///   `.invalidRequest`. A coordinator that cannot be reached is not an error.
    /// - Precondition: called once.
    public func run(gracefulShutdownOn signals: [Int32] = Worker.shutdownSignals) async throws(MartletError) {
        // The signals are the process's, not those of a worker that is one of many in it.
        let watch = signals.isEmpty || self.environment != nil ? nil : ShutdownSignals(signals) { self.drain() }
        defer { watch?.end() }
        let left = try await self.runCounting()
        if left > 0, watch?.hasCome == true { exit(0) }
    }

    /// Begins an orderly end. Returns at once; ``run(gracefulShutdownOn:)`` returns when it is done.
    public func drain() {
        let board = self.state.withLock { state in
            state.isDrainWanted = true
            return state.board
        }
        board?.drain()
    }

    /// What it has done so far.
    public var counts: WorkerCounts { self.board?.look { $0.counts } ?? WorkerCounts() }

    /// The core's own checks. For tests and simulation.
    package func checkInvariants() { self.board?.look { $0.checkInvariants() } }

    /// Accepts so many more jobs and no more, nil for as many as there is room for. For tests that run jobs one by one.
    package func admit(_ count: Int?) {
        let board = self.state.withLock { state in
            state.admission = count
            return state.board
        }
        board?.admit(count)
    }

    package var hasHandlers: Bool { self.state.withLock { !$0.handlers.isEmpty || !$0.batches.isEmpty } }

    /// Looks at the core, once it runs.
    package func look<Value: Sendable>(_ body: (borrowing WorkerCore) -> Value) -> Value? { self.board?.look(body) }

    private var board: WorkerBoard? { self.state.withLock { $0.board } }

    // MARK: Run

    /// Runs to the end.
    ///
    /// - Returns: handlers that still run.
    private func runCounting() async throws(MartletError) -> Int {
        let log = Log(self.configuration.logHandler)
        if let environment { return try await self.run(in: environment, log: log) }
        let loop = ThreadLoop(name: "martlet-worker")
        let left: Int
        do throws(MartletError) {
            var problem: String?
            let lock = try NameLock.take(
                on: self.configuration.name, in: self.configuration.stateDirectory,
                newID: UInt32(truncatingIfNeeded: loop.random()), problem: &problem)
            if let problem { log(.warning, "the worker's name is not locked", [.cause: problem]) }
            let lockID: UInt32? =
                switch lock {
                case .some(let held): held.id
                case nil: nil
                }
            let environment = Environment(
                loop: loop, transport: NNGTransport(loop: loop), executor: globalConcurrentExecutor, nameLock: lockID)
            left = try await self.run(in: environment, log: log)
        } catch {
            loop.shutdown()
            throw error
        }
        // Handlers that still run will want their loop when they end.
        if left == 0 { loop.shutdown() }
        return left
    }

    private func run(in environment: Environment, log: Log) async throws(MartletError) -> Int {
        let loop = environment.loop
        let (handlers, batches, middleware) = self.state.withLock { state in
            precondition(!state.hasRun, "a worker runs once")
            state.hasRun = true
            let batches = state.batches.mapValues { batch in
                BatchHandler(shape: batch.shape, line: batch.line, body: state.middleware.around(batch.body))
            }
            return (state.handlers.mapValues { state.middleware.around($0) }, batches, state.middleware)
        }
        guard !handlers.isEmpty || !batches.isEmpty else {
            throw MartletError(.invalidRequest, "the worker has no handler registered")
        }
        let connection = try openConnection(
            to: self.configuration.address, token: self.configuration.token, over: environment.transport, on: loop)
        let services = ServiceDesk(loop: loop)
        let kinds = JobKindTable(
            handlers, batches: batches,
            scope: JobScope(
                loop: environment.handlerLoop, services: services, middleware: middleware,
                logHandler: self.configuration.logHandler))
        let board = WorkerBoard(self.profile(of: kinds, in: environment), loop: loop, log: log)
        let (isDrainWanted, admission) = self.state.withLock { state in
            state.board = board
            return (state.isDrainWanted, state.admission)
        }
        if isDrainWanted { board.drain() }
        if let admission { board.admit(admission) }
        let session = WorkerSession(
            connection: connection, address: self.configuration.address, board: board, kinds: kinds,
            services: services, log: log, loop: loop)
        let outcome = await self.run(session, board, executor: environment.executor, on: loop)
        await connection.close()
        let left = try outcome.get()
        if left > 0 { log(.error, "handlers ignore their cancellation and are left behind", [.count: left]) }
        return left
    }

    /// Runs the parts of the worker below a task of their own, so that a cancellation of this one ends them in order.
    ///
    /// - Returns: once the session has ended and no handler runs, or those that do will not stop; how many do.
    private func run(
        _ session: WorkerSession, _ board: WorkerBoard, executor: any TaskExecutor, on loop: EventLoop
    ) async -> Result<Int, MartletError> {
        await withTaskCancellationHandler {
            var root: Task<Void, Never>?
            let (result, left): (Result<Int, MartletError>, Int) = await withUnsafeContinuation { continuation in
                root = loop.startRoot {
                    await withTaskGroup(of: Void.self) { group in
                        for slot in 0..<self.configuration.slots + self.configuration.stuckHandlers.slotsMax {
                            group.addTask { await board.serve(slot: slot, on: executor) }
                        }
                        group.addTask { await session.tickLoop() }
                        let failure = await session.run()
                        let left = board.stop()
                        continuation.resume(returning: (failure.map { .failure($0) } ?? .success(left), left))
                    }
                }
            }
            if left == 0 { await root?.value }
            return result
        } onCancel: {
            self.drain()
        }
    }

    private func profile(of kinds: JobKindTable, in environment: Environment) -> WorkerCore.Profile {
        WorkerCore.Profile(
            name: self.configuration.name, incarnation: Self.incarnation(in: environment),
            slots: self.configuration.slots,
            prefetchMax: self.configuration.prefetchMax, queues: self.configuration.queues, types: kinds.types,
            batches: kinds.batchShapes,
            holdsNameLock: environment.nameLock != nil, drainTimeout: self.configuration.drainTimeout,
            cancelGrace: self.configuration.cancelGrace,
            stuckAfter: self.configuration.stuckHandlers.after,
            stuckHandlersMax: self.configuration.stuckHandlers.slotsMax, prefetchTarget: environment.prefetchTarget)
    }

    /// Random; who holds a lock on its name shows by the upper half which one.
    private static func incarnation(in environment: Environment) -> UInt64 {
        let random = environment.loop.random()
        guard let nameLock = environment.nameLock else { return random }
        return UInt64(nameLock) << 32 | random & 0xFFFF_FFFF
    }
}
