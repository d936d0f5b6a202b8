package import MartletCore
package import MartletRuntime
package import MartletTransport
import MartletWire

/// Submits jobs and asks about them.
///
/// ```swift
/// let client = try await Client.connect(to: "tcp://127.0.0.1:7400")
/// let id = try await client.submit(SendWelcomeMail(address: "ada@example.org"))
/// let later = try await client.submit(SendWelcomeMail(address: "bob@example.org"), delay: .seconds(3600))
/// print(try await client.status(of: id)?.state ?? "done and forgotten")
/// await client.close()
/// ```
///
/// When a submit returns, its jobs survive a crash of the coordinator. A submit whose answer was lost is repeated under
/// the same number until ``ClientConfiguration/timeout``, and creates its jobs once. Many tasks may share a client;
/// what they submit at the same time travels together.
public actor Client {
    /// What a waiting call is told.
    enum Turn {
        case ended(SubmitCore.Outcome)
        /// Send a frame for all: this one, or one yet to be formed.
        case lead(SubmitCore.Frame?)
    }

    private enum Waiter {
        case parked(UnsafeContinuation<Turn, Never>)
        case called(Turn)
    }

    private static let backoff = Backoff(initial: .milliseconds(50), max: .seconds(2))

    nonisolated let loop: EventLoop
    nonisolated let connection: any RequestConnection
    nonisolated let configuration: ClientConfiguration
    var core: SubmitCore
    private var waiters: [SubmitEntry.ID: Waiter] = [:]
    private var isClosed = false

    public nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    /// Runs on any loop, over any transport.
    package init(connection: any RequestConnection, loop: EventLoop, configuration: ClientConfiguration = .standard) {
        self.loop = loop
        self.connection = connection
        self.configuration = configuration
        self.core = SubmitCore(
            framesInFlightMax: configuration.framesInFlightMax, pendingBytesMax: configuration.pendingBytesMax)
    }

    /// As ``connect(to:token:configuration:)``, on any loop and over any transport.
    package static func connect(
        to address: String, token: String? = nil, over transport: any Transport, on loop: EventLoop,
        configuration: ClientConfiguration = .standard
    ) async throws(MartletError) -> Client {
        let connection = try openConnection(to: address, token: token, over: transport, on: loop)
        let client = Client(connection: connection, loop: loop, configuration: configuration)
        do {
            let _: Pong = try await client.ask(Ping())
        } catch {
            await client.close()
            guard error.code == .timedOut else { throw error }
            throw MartletError(.unreachable, "no coordinator answers at \(address): \(error.message)")
        }
        return client
    }

    /// Where a job stands, or nil if there is no such job: it never was, or it ended and was not retained.
    public func status(of id: JobID) async throws(MartletError) -> JobStatus? {
        switch try await self.reply(to: ShowJob(id: id), as: JobDetail.self) {
        case .message(let detail): return JobStatus(detail.job)
        case .refused(let refusal) where refusal.code == .notFound: return nil
        case .refused(let refusal): throw MartletError(refusal)
        }
    }

    /// Ends the connection. Calls that are not answered yet end with ``MartletError/Code/closed`` if nothing was sent,
    /// else with ``MartletError/Code/outcomeUnknown``.
    public func close() async {
        guard !self.isClosed else { return }
        self.isClosed = true
        let error = MartletError(.closed, "the client was closed before the jobs were sent")
        for id in self.core.removeAllPending() { self.call(id, .ended(.failure(error))) }
        await self.connection.close()
    }

    // MARK: Questions

    /// Asks something that changes nothing, again and again until it is answered or time is up.
    func ask<Answer: Message>(
        _ question: some Message, until deadline: Instant? = nil, attemptTimeout: Duration? = nil
    ) async throws(MartletError) -> Answer {
        switch try await self.reply(to: question, as: Answer.self, until: deadline, attemptTimeout: attemptTimeout) {
        case .message(let answer): return answer
        case .refused(let refusal): throw MartletError(refusal)
        }
    }

    func reply<Answer: Message>(
        to question: some Message, as _: Answer.Type, until deadline: Instant? = nil,
        attemptTimeout: Duration? = nil
    ) async throws(MartletError) -> Reply<Answer> {
        guard !self.isClosed else { throw MartletError(.closed, "the client was closed") }
        let frame = question.encoded()
        let deadline = deadline ?? self.loop.now + self.configuration.timeout
        var attempts = 0
        while true {
            let failure: MartletError
            do {
                let timeout = min(attemptTimeout ?? self.configuration.attemptTimeout, deadline - self.loop.now)
                let reply = try Reply<Answer>.decode(try await self.connection.request(frame, timeout: timeout))
                guard case .refused(let refusal) = reply, refusal.isPassing else { return reply }
                failure = MartletError(refusal)
            } catch let error as TransportError {
                failure = MartletError(error)
                guard error.isPassing else { throw failure }
            } catch let error as WireError {
                throw MartletError(error)
            } catch {
                throw MartletError(.refused, "\(error)")
            }
            attempts += 1
            let pause = Self.backoff.pause(afterFailures: attempts, random: self.loop.randomUnit())
            guard self.loop.now + pause < deadline else { throw failure }
            do { try await self.loop.sleep(for: pause) } catch {
                throw MartletError(.cancelled, "the task was cancelled")
            }
        }
    }

    // MARK: Submits

    /// Has `entry` sent, by this call or another.
    ///
    /// - Returns: the ids of its jobs.
    nonisolated func submit(_ entry: SubmitEntry) async throws(MartletError) -> AcceptedJobs {
        // Preferring the loop to the pool, the call reaches it once and stays there until it is answered. Otherwise
        // whatever in it belongs to no actor goes to the pool and back, at a thread's wake each way.
        try await self.loop.run { await self.outcome(of: entry) }.get()
    }

    private func outcome(of entry: SubmitEntry) async -> SubmitCore.Outcome {
        do throws(MartletError) {
            return .success(try await self.send(entry))
        } catch {
            return .failure(error)
        }
    }

    private func send(_ entry: SubmitEntry) async throws(MartletError) -> AcceptedJobs {
        guard !self.isClosed else { throw MartletError(.closed, "the client was closed") }
        guard !Task.isCancelled else { throw MartletError(.cancelled, "the task was cancelled") }
        var entry = entry
        entry.deadline = self.loop.now + self.configuration.timeout
        let id = try self.core.add(entry)
        self.passLead()
        while true {
            switch await self.turn(of: id) {
            case .ended(let outcome): return try outcome.get()
            case .lead(let frame): await self.lead(frame, as: id, until: entry.deadline)
            }
        }
    }

    /// Sends one frame for all whose jobs are in it, until it is answered or this call has ended.
    private func lead(_ given: SubmitCore.Frame?, as id: SubmitEntry.ID, until deadline: Instant) async {
        var frame: SubmitCore.Frame
        if let given {
            frame = given
        } else {
            guard let formed = await self.formFrame(as: id, until: deadline) else { return self.passLead() }
            frame = formed
            self.passLead()
        }
        var cause: MartletError?
        while true {
            let now = self.loop.now
            guard self.keep(&frame, cause: cause, without: { $0.deadline <= now }) else { return self.passLead() }
            guard frame.waiting.contains(where: { $0.id == id }) else {
                // This call has ended; another of the frame's goes on.
                if let next = frame.waiting.first(where: { _ in true }) { self.call(next.id, .lead(frame)) }
                return
            }
            switch await self.attempt(&frame) {
            case .finished(let outcomes):
                for (id, outcome) in outcomes { self.call(id, .ended(outcome)) }
                return self.passLead()
            case .requeued:
                return self.passLead()
            case .again(let error):
                cause = error
                let pause = Self.backoff.pause(afterFailures: frame.attempts, random: self.loop.randomUnit())
                do { try await self.loop.sleep(until: min(self.loop.now + pause, frame.deadline)) } catch {
                    // This task is cancelled: the others go on without it.
                    guard self.keep(&frame, cause: cause, without: { $0.id == id }) else { return self.passLead() }
                }
            }
        }
    }

    /// Ends the calls that leave the frame. False if nobody is left to send it for.
    private func keep(
        _ frame: inout SubmitCore.Frame, cause: MartletError?, without leaves: (SubmitEntry) -> Bool
    ) -> Bool {
        var ended: [(SubmitEntry.ID, SubmitCore.Outcome)] = []
        let goesOn = self.core.leave(&frame, cause: cause, ended: &ended, where: leaves)
        for (id, outcome) in ended { self.call(id, .ended(outcome)) }
        return goesOn
    }

    /// Waits a moment for others to join, sees to a session and takes what has gathered.
    private func formFrame(as id: SubmitEntry.ID, until deadline: Instant) async -> SubmitCore.Frame? {
        // Calls that are queued on this loop behind this one get in.
        await Task.yield()
        do throws(MartletError) {
            guard !Task.isCancelled else { throw MartletError(.cancelled, "the task was cancelled") }
            if self.core.session == nil, !self.isClosed { try await self.openSession(until: deadline) }
        } catch {
            self.core.giveUp(id)
            self.call(id, .ended(.failure(error)))
            return nil
        }
        var ended: [(SubmitEntry.ID, SubmitCore.Outcome)] = []
        let frame = self.core.takeFrame(at: self.loop.now, ended: &ended)
        for (id, outcome) in ended { self.call(id, .ended(outcome)) }
        return frame
    }

    private func openSession(until deadline: Instant) async throws(MartletError) {
        let id = SessionID(high: self.loop.random(), low: self.loop.random())
        let opened: SessionOpened = try await self.ask(OpenSession(session: id), until: deadline)
        self.core.open(id, as: opened)
    }

    /// Sends the frame once.
    private func attempt(_ frame: inout SubmitCore.Frame) async -> SubmitCore.Verdict {
        frame.attempts += 1
        let timeout = min(self.configuration.attemptTimeout, frame.deadline - self.loop.now)
        do {
            let answer = try await self.connection.request(frame.bytes, timeout: timeout)
            return self.core.answered(frame, try Reply<Submitted>.decode(answer))
        } catch let error as TransportError {
            return self.core.failed(&frame, error)
        } catch {
            frame.mayBeAccepted = true
            return .again(MartletError(.versionMismatch, "the answer to a submit makes no sense: \(error)"))
        }
    }

    // MARK: Turns

    private func passLead() {
        while let leader = self.core.nextLeader() { self.call(leader, .lead(nil)) }
    }

    private func turn(of id: SubmitEntry.ID) async -> Turn {
        if case .called(let turn) = self.waiters.removeValue(forKey: id) { return turn }
        return await withUnsafeContinuation { self.waiters[id] = .parked($0) }
    }

    private func call(_ id: SubmitEntry.ID, _ turn: Turn) {
        if case .parked(let continuation) = self.waiters.removeValue(forKey: id) {
            continuation.resume(returning: turn)
        } else {
            self.waiters[id] = .called(turn)
        }
    }
}
