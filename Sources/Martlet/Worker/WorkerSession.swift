import MartletCore
import MartletObservability
import MartletRuntime
import MartletTransport
import MartletWire

/// Keeps a worker known to the coordinator: registers it, fetches, reports, takes orders.
///
/// It lives on a loop of its own. Handlers that block every thread of the pool cost it nothing.
actor WorkerSession {
    /// Why the loops of one registration end.
    enum End {
        case registrationLost
        case interrupted
    }

    enum Answer<M: Message> {
        case message(M)
        case refused(ErrorReply)
        /// None came in time.
        case silence
        case failure
    }

    private static let backoff = Backoff(initial: .milliseconds(20), max: .seconds(1))
    private static let registerTimeout = Duration.seconds(5)
    /// A node that died without a word keeps its name until its leases end.
    private static let nameTakenPatience = Duration.seconds(30)

    nonisolated let loop: EventLoop
    private let connection: any RequestConnection
    let board: WorkerBoard
    private let kinds: JobKindTable
    let services: ServiceDesk
    private let log: Log
    private let address: String
    private var hasRegistered = false
    /// The coordinator did not answer last time.
    private var isOutOfReach = false
    private var startedAt = Instant(nanoseconds: 0)

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    init(
        connection: any RequestConnection, address: String, board: WorkerBoard, kinds: JobKindTable,
        services: ServiceDesk, log: Log, loop: EventLoop
    ) {
        self.services = services
        self.connection = connection
        self.address = address
        self.board = board
        self.kinds = kinds
        self.log = log
        self.loop = loop
    }

    /// Runs until the worker has left.
    ///
    /// - Returns: why the coordinator will never take this worker, if so: a wrong token, a name that stays taken.
    func run() async -> MartletError? {
        do throws(MartletError) {
            try await self.runUntilLeft()
            return nil
        } catch {
            return error
        }
    }

    private func runUntilLeft() async throws(MartletError) {
        self.startedAt = self.loop.now
        var failures = 0
        while try await self.register() {
            let registeredAt = self.loop.now
            let end = await self.serveRegistration()
            if self.board.look({ $0.isOver }) { return }
            guard case .registrationLost = end else { continue }
            self.log(.notice, "the coordinator does not know this worker any more; registering again")
            // Two processes of one name would push each other out as fast as they can.
            failures = self.loop.now - registeredAt < .seconds(2) ? failures + 1 : 0
            if failures > 0 { await self.pause(afterFailures: failures) }
        }
    }

    // MARK: Registration

    /// Registers unless it is registered. False if the worker is over.
    private func register() async throws(MartletError) -> Bool {
        var failures = 0
        while true {
            let (isOver, isRegistered) = self.board.look { ($0.isOver, $0.isRegistered) }
            if isOver { return false }
            if isRegistered { return true }
            let now = self.loop.now
            let request = self.board.tell { core, _ in core.beginRegistration(at: now) }
            let answer: Answer<Registered>? = await self.interruptible {
                await self.request(request.encoded(), timeout: Self.registerTimeout)
            }
            switch answer {
            case .message(let reply):
                if self.board.tell({ core, actions in core.register(reply, into: &actions) }) {
                    self.hasRegistered = true
                    self.log(
                        .notice, "registered",
                        [.node: request.name, .address: self.address, .epoch: reply.epoch.rawValue])
                    return true
                }
            case .refused(let refusal):
                try self.judge(refusal, of: request)
            case .silence, .failure, nil: break
            }
            if self.board.look({ $0.isOver }) { return false }
            failures += 1
            let pause = failures
            _ = await self.interruptible { await self.pause(afterFailures: pause) }
        }
    }

    /// Decides whether a refused registration is worth repeating.
    private func judge(_ refusal: ErrorReply, of request: Register) throws(MartletError) {
        switch refusal.code {
        case .authenticationRequired, .authenticationFailed, .invalidRequest, .malformedFrame, .unknownVersion,
            .unknownKind:
            guard self.hasRegistered else { throw MartletError(refusal) }
        case .nodeNameTaken:
            guard self.hasRegistered || self.loop.now - self.startedAt < Self.nameTakenPatience else {
                throw MartletError(
                    .nodeNameTaken, "another live worker is named \"\(request.name)\"; give each worker its own name")
            }
        default: break
        }
        self.log(.warning, "the coordinator refused the registration", [.cause: refusal.message])
    }

    // MARK: Loops

    private func serveRegistration() async -> End {
        let generation = self.board.look { $0.generation }
        return await withTaskGroup(of: End.self) { group in
            group.addTask { await self.fetchLoop(generation) }
            group.addTask { await self.reportLoop(generation) }
            group.addTask { await self.controlLoop(generation) }
            group.addTask { await self.acquireLoop(generation) }
            group.addTask {
                await self.board.session.wait()
                return .interrupted
            }
            let end = await group.next() ?? .interrupted
            group.cancelAll()
            return end
        }
    }

    private func fetchLoop(_ generation: UInt64) async -> End {
        var failures = 0
        while !Task.isCancelled {
            let now = self.loop.now
            let (fetch, timeout) = self.board.look { ($0.nextFetch(at: now), $0.parkTimeout) }
            guard let fetch else {
                // The leases must be renewed before more are taken.
                failures += 1
                await self.pause(afterFailures: failures)
                continue
            }
            switch await self.request(fetch.encoded(), timeout: timeout) as Answer<Delivery> {
            case .message(let delivery):
                // A superseded request is answered with nothing. Two processes of one name would go on so for ever.
                failures = delivery.number == 0 ? failures + 1 : 0
                let jobs = self.kinds.jobs(of: delivery, at: self.loop.now)
                let now = self.loop.now
                self.board.tell { core, actions in
                    core.receive(jobs, number: delivery.number, generation: generation, at: now, into: &actions)
                }
                if failures > 1 { await self.pause(afterFailures: failures) }
            case .refused(let refusal):
                if self.isRegistrationLost(refusal, generation) { return .registrationLost }
                failures += 1
                await self.pause(afterFailures: failures)
            case .silence:
                // Nothing to do for so long, or an answer was lost: the next request tells which.
                failures = 0
            case .failure:
                failures += 1
                await self.pause(afterFailures: failures)
            }
        }
        return .interrupted
    }

    private func reportLoop(_ generation: UInt64) async -> End {
        var failures = 0
        while !Task.isCancelled {
            let now = self.loop.now
            let (report, due, timeout) = self.board.tell { core, actions in
                let report = core.nextReport(at: now, progress: self.board.takeProgress, into: &actions)
                return (report, core.reportDue, core.reportTimeout)
            }
            guard let report else {
                // Overdue and yet nothing to send: the ticker is about to end this registration.
                await self.wait(for: self.board.reporter, until: max(due, now + .milliseconds(5)))
                continue
            }
            switch await self.request(report.frame, timeout: timeout) as Answer<ReportReply> {
            case .message(let reply):
                let fits = self.board.tell { core, actions in
                    core.reported(reply, sentAt: now, generation: generation, into: &actions)
                }
                failures = fits ? 0 : failures + 1
            case .refused(let refusal):
                if self.isRegistrationLost(refusal, generation) { return .registrationLost }
                failures += 1
            case .silence, .failure:
                failures += 1
            }
            if failures > 0 { await self.pause(afterFailures: failures) }
        }
        return .interrupted
    }

    private func controlLoop(_ generation: UInt64) async -> End {
        var failures = 0
        while !Task.isCancelled {
            let (control, timeout) = self.board.look { ($0.nextControl(), $0.parkTimeout) }
            guard let control else { return .interrupted }
            switch await self.request(control.encoded(), timeout: timeout) as Answer<Order> {
            case .message(let order):
                failures = order.number == 0 ? failures + 1 : 0
                let now = self.loop.now
                self.board.tell { core, actions in
                    core.obey(order, generation: generation, at: now, into: &actions)
                }
                if failures > 1 { await self.pause(afterFailures: failures) }
            case .refused(let refusal):
                if self.isRegistrationLost(refusal, generation) { return .registrationLost }
                failures += 1
                await self.pause(afterFailures: failures)
            case .silence:
                // Nothing to do for so long, or an answer was lost: the next request tells which.
                failures = 0
            case .failure:
                failures += 1
                await self.pause(afterFailures: failures)
            }
        }
        return .interrupted
    }

    /// Looks after timeouts and leases until the worker is over.
    func tickLoop() async {
        while true {
            let now = self.loop.now
            let next = self.board.tell { core, actions in core.tick(at: now, into: &actions) }
            if self.board.look({ $0.isOver }) { return }
            await self.wait(for: self.board.ticker, until: next)
        }
    }

    // MARK: Parts

    /// Sends one request. That the coordinator does not answer is logged once.
    func request<M: Message>(_ frame: Bytes, timeout: Duration) async -> Answer<M> {
        do {
            let answer = try await self.connection.request(frame, timeout: timeout)
            let reply = try Reply<M>.decode(answer)
            if self.isOutOfReach {
                self.isOutOfReach = false
                self.log(.notice, "the coordinator answers again", [.address: self.address])
            }
            switch reply {
            case .message(let message): return .message(message)
            case .refused(let refusal): return .refused(refusal)
            }
        } catch let error as TransportError {
            switch error.code {
            case .cancelled, .closed: return .failure
            case .timedOut:
                // Requests that the coordinator parks are answered when there is something to say.
                let isParked = M.self == Delivery.self || M.self == Order.self || M.self == Acquired.self
                if !isParked { self.lost(error.message) }
                return .silence
            default: self.lost(error.message)
            }
        } catch {
            self.lost("\(error)")
        }
        return .failure
    }

    private func lost(_ cause: String) {
        guard !self.isOutOfReach else { return }
        self.isOutOfReach = true
        self.log(.warning, "the coordinator does not answer", [.address: self.address, .cause: cause])
    }

    func isRegistrationLost(_ refusal: ErrorReply, _ generation: UInt64) -> Bool {
        guard refusal.code == .unknownNode else {
            self.log(.warning, "the coordinator refused a request", [.cause: refusal.message])
            return false
        }
        self.board.tell { core, _ in core.forgetRegistration(of: generation) }
        return true
    }

    /// Does `body` unless, or until, the session is interrupted.
    private func interruptible<Value: Sendable>(
        _ body: @escaping @Sendable () async -> Value?
    ) async -> Value? {
        await withTaskGroup(of: Value?.self) { group in
            group.addTask { await body() }
            group.addTask {
                await self.board.session.wait()
                return nil
            }
            let value = await group.next() ?? nil
            group.cancelAll()
            return value
        }
    }

    private func wait(for signal: Signal, until deadline: Instant) async {
        guard deadline != .distantFuture else { return await signal.wait() }
        guard deadline > self.loop.now else { return await Task.yield() }
        let timer = self.loop.schedule(at: deadline) { signal.notify() }
        await signal.wait()
        self.loop.cancel(timer)
    }

    func pause(afterFailures failures: Int) async {
        let pause = Self.backoff.pause(afterFailures: failures, random: self.loop.randomUnit())
        // A cancelled pause ends early; the loop that paused sees the cancellation itself.
        try? await self.loop.sleep(for: pause)
    }
}

extension WorkerCore {
    /// How long a request that the coordinator parks waits before it is sent anew.
    var parkTimeout: Duration { self.heartbeatInterval * 5 }
    /// Short enough for several tries before the leases end.
    var reportTimeout: Duration { self.leaseDuration / 5 }
}
