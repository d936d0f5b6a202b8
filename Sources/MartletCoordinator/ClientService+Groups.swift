package import MartletCore
package import MartletStore
import MartletTransport
package import MartletWire

/// Workflows and batches.
extension ClientService {
    func take(_ message: SubmitWorkflow, _ request: any IncomingRequest) async {
        do {
            await self.take(message.submit, workflow: try self.workflow(message.name, message.shape), request)
        } catch {
            self.refuse(request, error)
        }
    }

    func take(_ message: OpenBatch, _ request: any IncomingRequest) async {
        do {
            let batch = try self.batch(message.name, parent: message.parent, callbacks: message.events)
            await self.take(message.submit, batch: batch, request)
        } catch {
            self.refuse(request, error)
        }
    }

    /// What makes the jobs of a submit a workflow.
    package func workflow(_ name: String, _ shape: WorkflowShape) throws(ErrorReply) -> NewWorkflow {
        if let problem = TitleRule.problem(name) {
            throw ErrorReply(.invalidRequest, "the workflow's name \(problem)")
        }
        if let problem = shape.problem { throw ErrorReply(.invalidRequest, problem) }
        return NewWorkflow(name: name, shape: shape, keptFor: self.settings.workflowRetention)
    }

    /// What makes the jobs of a submit callbacks of a new batch.
    package func batch(
        _ name: String, parent: BatchID?, callbacks: [BatchEvent]
    ) throws(ErrorReply) -> NewBatch {
        if let problem = TitleRule.problem(name) { throw ErrorReply(.invalidRequest, "the batch's name \(problem)") }
        guard Set(callbacks).count == callbacks.count else {
            throw ErrorReply(.invalidRequest, "a batch has one callback for an event")
        }
        return NewBatch(name: name, parent: parent, callbacks: callbacks, keptFor: self.settings.batchRetention)
    }

    func answer(_ question: GroupRequest, _ request: any IncomingRequest) async throws {
        switch question {
        case .closeBatch(let close): request.answer(BatchDetail(batch: try await self.closeBatch(close.id)))
        case .showBatch(let show): request.answer(BatchDetail(batch: try await self.batch(show.id)))
        case .listBatches(let list):
            request.answer(BatchList(batches: try await self.batches(before: list.before, limit: Int(list.limit))))
        case .showWorkflow(let show): request.answer(try await self.workflow(show))
        case .listWorkflows(let list):
            let views = try await self.workflows(before: list.before, limit: Int(list.limit))
            request.answer(WorkflowList(workflows: views))
        case .submitWorkflow, .openBatch: throw ErrorReply(.internal, "not a question")
        }
    }

    /// No more members are added. Returns once that is durable.
    ///
    /// - Throws: ``ErrorReply``, ``StoreError``, or `CancellationError` if nobody knows.
    package func closeBatch(_ id: BatchID) async throws -> BatchView {
        guard let result = await self.commitLog.commit([.closeBatch(id)], kind: .intake) else {
            throw CancellationError()
        }
        _ = try result.get()
        return try await self.batch(id)
    }

    package func batch(_ id: BatchID) async throws -> BatchView {
        guard let row = try await self.store.batch(id) else {
            throw ErrorReply(.notFound, "batch \(id) is not there: it never was, or it ended and is forgotten")
        }
        return BatchView(row)
    }

    /// The latest first.
    package func batches(before: BatchID?, limit: Int) async throws -> [BatchView] {
        try await self.store.batches(before: before, limit: limit).map { BatchView($0) }
    }

    /// The latest first.
    package func workflows(before: JobID?, limit: Int) async throws -> [WorkflowView] {
        try await self.store.workflows(before: before, limit: limit).map { WorkflowView($0) }
    }

    package func workflow(_ show: ShowWorkflow) async throws -> WorkflowDetail {
        guard let row = try await self.store.workflow(show.id) else {
            throw ErrorReply(.notFound, "workflow \(show.id) is not there: it never was, or it ended and is forgotten")
        }
        let holders = await self.registry.holders()
        let members = try await self.store.members(of: show.id, after: show.after, limit: Int(show.limit))
        return WorkflowDetail(
            workflow: WorkflowView(row),
            members: members.map { member in
                WorkflowDetail.Member(
                    name: member.name,
                    parents: member.parents.map { WorkflowDetail.Parent(id: $0.parent, kind: $0.kind) },
                    job: self.view(member.record, holders: holders))
            }, next: members.count == Int(show.limit) ? members.last?.record.id : nil)
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
