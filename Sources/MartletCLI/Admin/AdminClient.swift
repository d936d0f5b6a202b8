import MartletConfiguration
import MartletCore
import MartletTransport
import MartletWire

/// Asks the coordinator what people want to know, over its *clients* channel.
struct AdminClient: Sendable {
    let connection: any RequestConnection
    /// For messages.
    let address: EndpointAddress
    /// How long to wait for each answer.
    let timeout: Duration

    func ping() async throws(CommandError) -> Pong { try await self.ask(Ping()) }

    func jobs(_ request: ListJobs) async throws(CommandError) -> JobList { try await self.ask(request) }

    func job(_ id: JobID) async throws(CommandError) -> JobDetail { try await self.ask(ShowJob(id: id)) }

    /// Nil if the job is not there (any more).
    func jobIfThere(_ id: JobID) async throws(CommandError) -> JobDetail? { try await self.askIfThere(ShowJob(id: id)) }

    func queues() async throws(CommandError) -> [QueueView] {
        let list: QueueList = try await self.ask(ListQueues())
        return list.queues
    }

    func nodes() async throws(CommandError) -> [NodeView] {
        let list: NodeList = try await self.ask(ListNodes())
        return list.nodes
    }

    func change(_ request: ChangeJobs) async throws(CommandError) -> JobsChanged { try await self.ask(request) }

    /// The operations on many jobs: one, or all that are remembered.
    func bulk(_ id: UInt64?) async throws(CommandError) -> [BulkView] {
        let list: BulkList = try await self.ask(ListBulk(id: id))
        return list.operations
    }

    func set(_ request: SetPause) async throws(CommandError) -> PauseSet { try await self.ask(request) }

    func pauses() async throws(CommandError) -> [PauseView] {
        let list: PauseList = try await self.ask(ListPauses())
        return list.pauses
    }

    func workflow(_ request: ShowWorkflow) async throws(CommandError) -> WorkflowDetail { try await self.ask(request) }

    func workflows(_ request: ListWorkflows) async throws(CommandError) -> [WorkflowView] {
        let list: WorkflowList = try await self.ask(request)
        return list.workflows
    }

    func batch(_ id: BatchID) async throws(CommandError) -> BatchView {
        let detail: BatchDetail = try await self.ask(ShowBatch(id: id))
        return detail.batch
    }

    func close(_ id: BatchID) async throws(CommandError) -> BatchView {
        let detail: BatchDetail = try await self.ask(CloseBatch(id: id))
        return detail.batch
    }

    func batches(_ request: ListBatches) async throws(CommandError) -> [BatchView] {
        let list: BatchList = try await self.ask(request)
        return list.batches
    }

    func ask<Answer: Message>(_ question: some Message) async throws(CommandError) -> Answer {
        switch try await self.reply(to: question, as: Answer.self) {
        case .message(let answer): return answer
        case .refused(let refusal): throw CommandError(refusal)
        }
    }

    /// Nil if what is asked after is not there (any more).
    func askIfThere<Answer: Message>(_ question: some Message) async throws(CommandError) -> Answer? {
        switch try await self.reply(to: question, as: Answer.self) {
        case .message(let answer): return answer
        case .refused(let refusal) where refusal.code == .notFound: return nil
        case .refused(let refusal): throw CommandError(refusal)
        }
    }

    private func reply<Answer: Message>(
        to question: some Message, as _: Answer.Type
    ) async throws(CommandError) -> Reply<Answer> {
        let frame: Bytes
        do {
            frame = try await self.connection.request(question.encoded(), timeout: self.timeout)
        } catch {
            throw Self.failure(error, address: self.address, timeout: self.timeout)
        }
        do {
            return try Reply<Answer>.decode(frame)
        } catch {
            throw CommandError(
                .failure, "the answer of \(self.address) makes no sense: \(error)",
                fix: "check that a coordinator of this version listens there")
        }
    }

    /// What a transport error means to the person at the terminal.
    static func failure(_ error: TransportError, address: EndpointAddress, timeout: Duration) -> CommandError {
        switch error.code {
        case .timedOut:
            CommandError(
                .unreachable, "the coordinator at \(address) did not answer within \(Quantity.text(timeout))",
                fix: "see its log, or wait longer with --wait")
        case .connectionLost, .closed:
            CommandError(
                .unreachable, "lost the connection to the coordinator at \(address)",
                fix: "check that it is running and try again")
        case .cancelled: CommandError(.interrupted, "interrupted")
        case .messageTooLarge: CommandError(.badInput, error.message, fix: "send less at once")
        case .addressInUse, .addressInvalid, .permissionDenied, .failed:
            CommandError(.unreachable, "cannot reach the coordinator at \(address): \(error.message)")
        }
    }
}

extension CommandError {
    /// A refusal, with the exit code and the fix that belong to it.
    init(_ reply: ErrorReply) {
        switch reply.code {
        case .authenticationRequired:
            self.init(.denied, "the coordinator demands the cluster token", fix: "set \"tokenFile\" or MARTLET_TOKEN")
        case .authenticationFailed:
            self.init(
                .denied, "the coordinator does not accept this cluster token", fix: "compare tokenFile or MARTLET_TOKEN"
            )
        case .overloaded, .unavailable:
            self.init(.tryLater, "the coordinator is busy: \(reply.message)", fix: "try again in a while")
        case .storeFull:
            self.init(.tryLater, "the coordinator's disk is full: \(reply.message)", fix: "free space on its disk")
        case .storeUnavailable:
            self.init(.tryLater, "the coordinator's store failed: \(reply.message)", fix: "see the coordinator's log")
        case .payloadTooLarge:
            self.init(.badInput, reply.message, fix: "shorten the payload or raise limits.payloadMax")
        case .unknownKind, .unknownVersion:
            self.init(
                .failure, "the coordinator does not know this request: \(reply.message)",
                fix: "run the same version of Martlet on both sides")
        case .badSchedule: self.init(.badInput, reply.message, fix: "nothing was stored")
        case .duplicate, .batchClosed: self.init(.failure, reply.message, fix: "nothing was submitted")
        case .notFound, .invalidRequest, .malformedFrame, .sessionExpired, .unknownNode, .nodeNameTaken, .tooManyNodes,
            .internal:
            self.init(.failure, reply.message)
        }
    }
}
