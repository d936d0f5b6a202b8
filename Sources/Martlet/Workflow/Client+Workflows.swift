public import MartletCore
import MartletRuntime
import MartletWire

extension Client {
    /// Submits a workflow and returns once it is durable.
    ///
    /// - Throws: ``MartletError``: `.invalidRequest` for a cycle, an unknown parent, a name that is used twice or too
    ///   many jobs, `.duplicate` if a unique key is taken; nothing of the workflow is stored then. After
    ///   ``MartletError/Code/outcomeUnknown`` it may exist, whole.
    @discardableResult
    public nonisolated func submit(_ workflow: Workflow) async throws(MartletError) -> WorkflowHandle {
        if let problem = workflow.problem { throw problem }
        if let problem = TitleRule.problem(workflow.name) {
            throw MartletError(.invalidRequest, "the workflow's name \(problem)")
        }
        if let problem = workflow.shape.problem { throw MartletError(.invalidRequest, problem) }
        var entry = SubmitEntry()
        for member in workflow.members {
            guard entry.hasRoom(for: member.template) else {
                throw MartletError(
                    .invalidRequest,
                    "a workflow has at most \(SubmitEntry.templatesMax) different types, queues and options of jobs")
            }
            let due = member.time ?? self.due(after: member.delay)
            entry.append(member.template, due: due, payload: member.payload)
        }
        guard entry.bytesCount <= Workflow.payloadsMax else {
            throw MartletError(
                .payloadTooLarge,
                "the workflow has about \(entry.bytesCount) bytes, and at most \(Workflow.payloadsMax) go in one")
        }
        entry.group = .workflow(name: workflow.name, shape: workflow.shape)
        let ids =
            self.configuration.middleware.isEmpty
            ? try await self.submit(entry).ids : try await self.submitThroughMiddleware([entry])
        return WorkflowHandle(id: ids[0], client: self)
    }

    /// A workflow by its number, which is that of its first job. Whether it is there shows in its status.
    public nonisolated func workflow(_ id: JobID) -> WorkflowHandle { WorkflowHandle(id: id, client: self) }

    /// The workflows that are there, the latest first, without their steps.
    ///
    /// - Parameters:
    ///   - before: only those that came before this one.
    ///   - limit: 1 to 1,000.
    public func workflows(before: JobID? = nil, limit: Int = 100) async throws(MartletError) -> [WorkflowStatus] {
        let question = ListWorkflows(before: before, limit: UInt32(min(max(limit, 1), 1000)))
        let list: WorkflowList = try await self.ask(question)
        return list.workflows.map { WorkflowStatus($0, steps: []) }
    }

    func status(ofWorkflow id: JobID) async throws(MartletError) -> WorkflowStatus? {
        var members: [WorkflowDetail.Member] = []
        var after: JobID?
        while true {
            let question = ShowWorkflow(id: id, after: after)
            switch try await self.reply(to: question, as: WorkflowDetail.self) {
            case .refused(let refusal) where refusal.code == .notFound: return nil
            case .refused(let refusal): throw MartletError(refusal)
            case .message(let detail):
                members += detail.members
                guard let next = detail.next else {
                    return WorkflowStatus(detail.workflow, steps: members.map { WorkflowStatus.Step($0) })
                }
                after = next
            }
        }
    }
}

/// A workflow that was submitted.
public struct WorkflowHandle: Sendable {
    /// That of its first job; the others have the ids behind it, in the order in which they were added.
    public let id: JobID
    private let client: Client

    init(id: JobID, client: Client) {
        self.id = id
        self.client = client
    }

    /// The id of one of its jobs.
    public func id(of step: Workflow.Step) -> JobID { self.id.advanced(by: step.place) }

    /// Where it stands, with all its jobs; nil if it is not there: it never was, or it ended and its time to stay has
    /// passed.
    public func status() async throws(MartletError) -> WorkflowStatus? {
        try await self.client.status(ofWorkflow: self.id)
    }
}

/// Where a workflow stands.
public struct WorkflowStatus: Hashable, Sendable {
    /// One of its jobs.
    public struct Step: Hashable, Sendable {
        /// That a job waits, or waited, for another one.
        public struct Parent: Hashable, Sendable {
            public let id: JobID
            public let kind: DependencyKind
        }

        public let name: String
        public let job: JobStatus
        public let parents: [Parent]

        init(_ member: WorkflowDetail.Member) {
            self.name = member.name
            self.job = JobStatus(member.job)
            self.parents = member.parents.map { Parent(id: $0.id, kind: $0.kind) }
        }
    }

    public let id: JobID
    public let name: String
    public let createdAt: WallTime
    /// When the last of its jobs ended.
    public let finishedAt: WallTime?
    public let jobCount: Int
    /// Jobs that have not ended.
    public let openCount: Int
    /// Jobs that ended without success, but for those that were not needed.
    public let failedCount: Int
    /// In the order in which they were added.
    public let steps: [Step]

    init(_ view: WorkflowView, steps: [Step]) {
        self.id = view.id
        self.name = view.name
        self.createdAt = view.createdAt
        self.finishedAt = view.finishedAt
        self.jobCount = Int(view.total)
        self.openCount = Int(view.open)
        self.failedCount = Int(view.failed)
        self.steps = steps
    }

    public var isFinished: Bool { self.finishedAt != nil }

    /// The first job of this name.
    public subscript(name: String) -> Step? { self.steps.first { $0.name == name } }
}

extension [ParentJob] {
    /// The one of this name.
    public subscript(name: String) -> ParentJob? { self.first { $0.name == name } }
}
