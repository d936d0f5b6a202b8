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
    let budget: PayloadBudget
    let control: ControlService
    let scheduler: Scheduler
    let services: ServiceDesk
    let epoch: Epoch
    let startedAt: Instant
    private let log: Log
    let watch: EndWatch
    private var authenticator: PeerAuthenticator?
    /// Queries under way; over the bound, askers are told to retry.
    private var queries = 0
    package private(set) var refusals = RefusalCounts()
    /// Submits that came without a session, and the last number of one.
    let ownSession: SessionID
    var lastOwnSubmit: UInt64 = 0
    /// Sessions opened since somebody asked.
    private var sessionsOpened = 0

    package static let queriesMax = 64

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
        self.ownSession = SessionID(high: loop.random(), low: loop.random())
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
        let message = decode(
            request, frame: self.budget.counting(request.frame), &self.authenticator,
            &self.refusals)
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
            self.refuse(request, ErrorReply(.overloaded, "\(Self.queriesMax) queries are under way; retry"))
        case .authenticate, .register, .fetch, .report, .control, .acquire:
            self.refuse(request, ErrorReply(.invalidRequest, "this address serves clients; nodes have another one"))
        case nil:
            break
        }
        return nil
    }

    func refuse(_ request: any IncomingRequest, _ refusal: ErrorReply) {
        self.refusals.add(refusal.code)
        request.answer(refusal)
    }

    /// A refusal that is told in another way.
    func count(_ refusal: ErrorReply) { self.refusals.add(refusal.code) }

    func noteSession() { self.sessionsOpened += 1 }

    /// How many sessions were opened since the last call.
    func takeSessionsOpened() -> Int {
        defer { self.sessionsOpened = 0 }
        return self.sessionsOpened
    }

    // MARK: Questions

    private func answer(_ message: Request, _ request: any IncomingRequest) async {
        defer { self.queries -= 1 }
        do {
            switch message {
            case .ping: request.answer(try await self.pong())
            case .listJobs(let list): request.answer(try await self.jobs(list))
            case .showJob(let show):
                request.answer(try await self.detail(show.id))
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
            default: self.refuse(request, ErrorReply(.internal, "not a question"))
            }
        } catch is CancellationError {
            // The coordinator is on its way out: nobody is answered.
        } catch let refusal as ErrorReply {
            self.refuse(request, refusal)
        } catch {
            self.refuse(request, Self.refusal(error as? StoreError ?? StoreError(.failed, "\(error)")))
        }
    }
}
