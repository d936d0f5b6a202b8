package import MartletCore
package import MartletObservability
package import MartletRuntime
package import MartletStore
package import MartletTransport
import MartletWire

/// Serves the clients' channel: checks submits and hands them to the commit log, answers questions.
package actor ClientService {
    let loop: EventLoop
    let settings: CoordinatorSettings
    let store: any JobStore
    let commitLog: CommitLog
    let dispatcher: Dispatcher
    let registry: NodeRegistry
    let lanes: LaneDirectory
    private let budget: PayloadBudget
    let control: ControlService
    private let scheduler: Scheduler
    let services: ServiceDesk
    let epoch: Epoch
    let startedAt: Instant
    private let log: Log
    let watch: EndWatch
    private var authenticator: PeerAuthenticator?
    /// Queries under way; over the bound, askers are told to retry.
    private var queries = 0

    package static let queriesMax = 64
    /// What a job takes in memory beside its frame while its submit waits for the store.
    private static let jobOverhead = 192

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    package init(
        loop: EventLoop, settings: CoordinatorSettings, store: any JobStore, epoch: Epoch, commitLog: CommitLog,
        dispatcher: Dispatcher, registry: NodeRegistry, lanes: LaneDirectory, budget: PayloadBudget,
        watch: EndWatch, control: ControlService, scheduler: Scheduler, services: ServiceDesk, log: Log
    ) {
        self.services = services
        self.scheduler = scheduler
        self.watch = watch
        self.loop = loop
        self.settings = settings
        self.store = store
        self.epoch = epoch
        self.commitLog = commitLog
        self.dispatcher = dispatcher
        self.registry = registry
        self.lanes = lanes
        self.budget = budget
        self.control = control
        self.startedAt = loop.now
        self.log = log
        self.authenticator = settings.token.map {
            PeerAuthenticator(token: ClusterToken($0), random: { loop.random() })
        }
    }

    /// Serves requests until cancelled or the listener is closed.
    package func serve(_ listener: any RequestListener) async throws {
        await withDiscardingTaskGroup { group in
            while true {
                let events = await listener.receive()
                guard !events.isEmpty else { break }
                for event in events {
                    guard let (message, request) = await self.handle(event) else { continue }
                    group.addTask { await self.answer(message, request) }
                }
            }
            group.cancelAll()
        }
    }

    /// Takes a submit in at once; returns what has to wait for the store.
    private func handle(_ event: ListenerEvent) async -> (Request, any IncomingRequest)? {
        guard case .request(let request) = event else {
            if case .peerLost(let peer) = event { self.authenticator?.forget(peer) }
            return nil
        }
        let message = decode(request, frame: self.budget.counting(request.frame), &self.authenticator)
        switch message {
        case .submit(let submit):
            await self.take(submit, request)
        case .openSession(let open):
            await self.open(open.session, request)
        case .group(.submitWorkflow(let workflow)):
            await self.take(workflow, request)
        case .group(.openBatch(let batch)):
            await self.take(batch, request)
        case .ping, .listJobs, .showJob, .listQueues, .listNodes, .changeDead, .awaitJob, .admin, .group:
            if self.queries < Self.queriesMax {
                self.queries += 1
                return (message!, request)
            }
            request.refuse(.overloaded, "\(Self.queriesMax) queries are under way; retry")
        case .authenticate, .register, .fetch, .report, .control, .acquire:
            request.refuse(.invalidRequest, "this address serves clients; nodes have another one")
        case nil:
            break
        }
        return nil
    }

    // MARK: Submits

    /// - Parameters:
    ///   - workflow: makes the jobs a workflow.
    ///   - batch: makes the jobs callbacks of a batch.
    func take(
        _ submit: Submit, workflow: NewWorkflow? = nil, batch: NewBatch? = nil, _ request: any IncomingRequest
    ) async {
        let bytes = request.frame.count + submit.jobs.count * Self.jobOverhead
        guard await self.commitLog.pendingBytes + bytes <= self.settings.pendingBytesMax else {
            return request.refuse(.overloaded, "too many submits wait for the store; retry after a delay")
        }
        switch self.prepare(submit, of: request.frame.count, mayBeEmpty: batch != nil) {
        case .failure(let refusal):
            request.answer(refusal)
        case .success(let prepared):
            let jobs = prepared.map {
                NewJob(lane: $0.traits.lane, options: $0.traits.options, payload: $0.payload, due: $0.due)
            }
            let submission = Submission(
                session: submit.session, sequence: submit.sequence, jobs: jobs, workflow: workflow, batch: batch)
            // The store says which jobs of a workflow may run.
            let prepared = submission.isGrouped ? [] : prepared
            await self.commitLog.append(
                [.submit(submission)], kind: .intake, jobs: jobs.count, bytes: bytes,
                answering: { await self.carryOn($0, prepared, request) })
        }
    }

    /// - Parameter bytesCount: how long the frame is.
    private func prepare(
        _ submit: Submit, of bytesCount: Int, mayBeEmpty: Bool
    ) -> Result<[PreparedJob], ErrorReply> {
        guard mayBeEmpty || !submit.jobs.isEmpty, submit.jobs.count <= self.settings.submitJobsMax else {
            return .failure(
                ErrorReply(
                    .invalidRequest, "a submit holds 1 to \(self.settings.submitJobsMax) jobs, not \(submit.jobs.count)"
                ))
        }
        // Jobs are read from the frame each time that they are gone through; a short frame holds no large payload.
        if bytesCount > self.settings.payloadMax, let problem = self.payloadProblem(in: submit) {
            return .failure(problem)
        }
        for template in submit.templates {
            if let problem = template.options.problem ?? self.lanes.serviceProblem(of: template.options) {
                return .failure(ErrorReply(.invalidRequest, problem))
            }
        }
        // Only now: a lane that was made once stays.
        var traits: [JobTraits] = []
        for template in submit.templates {
            guard let known = self.lanes.traits(of: template) else {
                return .failure(
                    ErrorReply(
                        .invalidRequest,
                        "queue \(template.queue), type \(template.type) would be lane \(self.settings.lanesMax + 1); the limit is limits.lanesMax"
                    ))
            }
            traits.append(known)
        }
        return .success(
            submit.jobs.map { PreparedJob(traits: traits[Int($0.template)], payload: $0.payload, due: $0.due) })
    }

    private func payloadProblem(in submit: Submit) -> ErrorReply? {
        let payloadMax = self.settings.payloadMax
        let tooLarge = submit.jobs.lazy.map(\.payload.count).enumerated().first { $0.element > payloadMax }
        return tooLarge.map { place, count in
            ErrorReply(.payloadTooLarge, "job \(place) of the submit has \(count) bytes; the limit is \(payloadMax)")
        }
    }

    /// The submit is durable, or was refused by the store.
    ///
    /// - Returns: the answer; it goes out behind the jobs.
    private func carryOn(
        _ result: Result<[ChangeOutcome], StoreError>, _ jobs: [PreparedJob], _ request: any IncomingRequest
    ) async -> CommitLog.Answer? {
        switch result {
        case .failure(let error):
            return CommitLog.Answer(Self.refusal(error), to: request)
        case .success(let outcomes):
            guard case .submitted(let outcome) = outcomes.first else { return nil }
            switch outcome {
            case .accepted(let first, let count, let exceptions):
                await self.dispatcher.submitted(first: first, jobs: jobs, exceptions: exceptions)
                return CommitLog.Answer(
                    Submitted(first: first, count: UInt32(count), isRepeat: false, exceptions: exceptions.wire),
                    to: request)
            case .repeated(let first, let count, let exceptions):
                return CommitLog.Answer(
                    Submitted(first: first, count: UInt32(count), isRepeat: true, exceptions: exceptions.wire),
                    to: request)
            case .duplicate(let place, let existing):
                return CommitLog.Answer(ErrorReply(duplicate: existing, ofJob: place), to: request)
            case .batchRefused(let batch, let refusal):
                return CommitLog.Answer(ErrorReply(batch, refusal), to: request)
            case .sessionExpired:
                let text = "the session is not known, or the submit is older than its window"
                return CommitLog.Answer(ErrorReply(.sessionExpired, text), to: request)
            }
        }
    }

    static func refusal(_ error: StoreError) -> ErrorReply {
        error.code == .diskFull
            ? ErrorReply(.storeFull, "the store has no space: \(error.message)")
            : ErrorReply(.storeUnavailable, "the store refused: \(error.message)")
    }

    private func open(_ session: SessionID, _ request: any IncomingRequest) async {
        let payloadMax = UInt32(self.settings.payloadMax)
        await self.commitLog.append([.openSession(session)], kind: .intake, jobs: 0) { result in
            switch result {
            case .failure(let error): request.answer(Self.refusal(error))
            case .success:
                request.answer(
                    SessionOpened(
                        payloadMax: payloadMax, submitsInFlightMax: UInt32(Submission.windowMax), features: .current))
            }
        }
    }

    // MARK: Questions

    private func answer(_ message: Request, _ request: any IncomingRequest) async {
        defer { self.queries -= 1 }
        do {
            switch message {
            case .ping: request.answer(try await self.pong())
            case .listJobs(let list): request.answer(try await self.jobs(list))
            case .showJob(let show):
                if let detail = try await self.detail(show.id) {
                    request.answer(detail)
                } else {
                    request.refuse(.notFound, "job \(show.id) is not there: it finished and was not kept, or never was")
                }
            case .listQueues: request.answer(try await self.queues())
            case .listNodes: request.answer(NodeList(nodes: await self.registry.views()))
            case .changeDead(let change): request.answer(try await self.change(change))
            case .awaitJob(let question): try await self.wait(question, request)
            case .group(let question): try await self.answer(question, request)
            case .admin(.changeJobs(let change)): request.answer(try await self.control.change(change))
            case .admin(.listBulk(let list)): request.answer(try await self.control.list(list))
            case .admin(.listPauses): request.answer(await self.control.pauseList)
            case .admin(.service(let question)): try await self.answer(question, request)
            case .admin(.schedule(let question)): try await self.scheduler.answer(question, request)
            case .admin(.setPause(let pause)): request.answer(try await self.control.set(pause))
            default: request.refuse(.internal, "not a question")
            }
        } catch is CancellationError {
            // The coordinator is on its way out: nobody is answered.
        } catch let refusal as ErrorReply {
            request.answer(refusal)
        } catch {
            request.answer(Self.refusal(error as? StoreError ?? StoreError(.failed, "\(error)")))
        }
    }
}

extension [SubmitException] {
    /// As the client is told.
    fileprivate var wire: [Submitted.Exception] {
        self.map { exception in
            let isReplaced = if case .replaced = exception.kind { true } else { false }
            return Submitted.Exception(place: UInt32(exception.place), id: exception.id, isReplaced: isReplaced)
        }
    }
}

extension ErrorReply {
    fileprivate init(_ batch: BatchID, _ refusal: BatchRefusal) {
        let problem =
            switch refusal {
            case .unknown: "is not there: it never was, or it ended and is forgotten"
            case .closed: "is closed and takes no more members"
            case .tooDeep: "is within \(NewBatch.depthMax - 1) others, and no batch may be within more"
            }
        self.init(.batchClosed, "batch \(batch) \(problem)")
    }

    fileprivate init(duplicate existing: JobID?, ofJob place: Int) {
        let owner = existing.map { "job \($0) has" } ?? "another job of the same submit has"
        self.init(.duplicate, "\(owner) the unique key of job \(place) of the submit", existing: existing)
    }
}
