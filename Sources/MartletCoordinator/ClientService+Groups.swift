import MartletCore
import MartletStore
import MartletTransport
import MartletWire

/// Workflows and batches.
extension ClientService {
    func take(_ message: SubmitWorkflow, _ request: any IncomingRequest) async {
        if let problem = TitleRule.problem(message.name) {
            return request.refuse(.invalidRequest, "the workflow's name \(problem)")
        }
        let shape = message.shape
        if let problem = shape.problem { return request.refuse(.invalidRequest, problem) }
        let workflow = NewWorkflow(name: message.name, shape: shape, keptFor: self.settings.workflowRetention)
        await self.take(message.submit, workflow: workflow, request)
    }

    func take(_ message: OpenBatch, _ request: any IncomingRequest) async {
        if let problem = TitleRule.problem(message.name) {
            return request.refuse(.invalidRequest, "the batch's name \(problem)")
        }
        guard Set(message.events).count == message.events.count else {
            return request.refuse(.invalidRequest, "a batch has one callback for an event")
        }
        let batch = NewBatch(
            name: message.name, parent: message.parent, callbacks: message.events,
            keptFor: self.settings.batchRetention)
        await self.take(message.submit, batch: batch, request)
    }

    func answer(_ question: GroupRequest, _ request: any IncomingRequest) async throws {
        switch question {
        case .closeBatch(let close):
            guard let result = await self.commitLog.commit([.closeBatch(close.id)], kind: .intake) else {
                throw CancellationError()
            }
            _ = try result.get()
            try await self.answer(close.id, request)
        case .showBatch(let show): try await self.answer(show.id, request)
        case .listBatches(let list):
            let rows = try await self.store.batches(before: list.before, limit: Int(list.limit))
            request.answer(BatchList(batches: rows.map { BatchView($0) }))
        case .showWorkflow(let show): try await self.answer(show, request)
        case .listWorkflows(let list):
            let rows = try await self.store.workflows(before: list.before, limit: Int(list.limit))
            request.answer(WorkflowList(workflows: rows.map { WorkflowView($0) }))
        case .submitWorkflow, .openBatch: request.refuse(.internal, "not a question")
        }
    }

    private func answer(_ id: BatchID, _ request: any IncomingRequest) async throws {
        guard let row = try await self.store.batch(id) else {
            return request.refuse(.notFound, "batch \(id) is not there: it never was, or it ended and is forgotten")
        }
        request.answer(BatchDetail(batch: BatchView(row)))
    }

    private func answer(_ show: ShowWorkflow, _ request: any IncomingRequest) async throws {
        guard let row = try await self.store.workflow(show.id) else {
            return request.refuse(
                .notFound, "workflow \(show.id) is not there: it never was, or it ended and is forgotten")
        }
        let holders = await self.registry.holders()
        let members = try await self.store.members(of: show.id, after: show.after, limit: Int(show.limit))
        request.answer(
            WorkflowDetail(
                workflow: WorkflowView(row),
                members: members.map { member in
                    WorkflowDetail.Member(
                        name: member.name,
                        parents: member.parents.map { WorkflowDetail.Parent(id: $0.parent, kind: $0.kind) },
                        job: self.view(member.record, holders: holders))
                }, next: members.count == Int(show.limit) ? members.last?.record.id : nil))
    }
}

extension BatchView {
    fileprivate init(_ row: BatchRow) {
        self.init(
            id: row.id, name: row.name, parent: row.parent, createdAt: row.createdAt, finishedAt: row.finishedAt,
            isClosed: row.isClosed)
        self.total = row.total
        self.pending = row.pending
        self.succeeded = row.succeeded
        self.dead = row.dead
        self.cancelled = row.cancelled
        self.expired = row.expired
    }
}

extension WorkflowView {
    fileprivate init(_ row: WorkflowRow) {
        self.init(
            id: row.id, name: row.name, createdAt: row.createdAt, finishedAt: row.finishedAt,
            total: UInt32(clamping: row.total), open: UInt32(clamping: row.open), failed: UInt32(clamping: row.failed))
    }
}
