package import MartletCore

/// New jobs of which some wait for others: all of them or none. Answered by ``Submitted``.
package struct SubmitWorkflow: Message {
    package static let kind = FrameKind.submitWorkflow

    package var name: String
    /// The jobs, under a session and sequence as any submit.
    package var submit: Submit
    /// One member a job.
    package var members: RecordList<WorkflowShape.Member>

    package init(name: String, submit: Submit, shape: WorkflowShape) {
        self.name = name
        self.submit = submit
        self.members = RecordList(shape.members)
    }

    /// Made anew each time; unchecked.
    package var shape: WorkflowShape { WorkflowShape(members: Array(self.members)) }
}

/// Opens a batch, with its callbacks as jobs. Answered by ``Submitted``, which counts one more than the jobs: the first
/// id is the batch's.
package struct OpenBatch: Message {
    package static let kind = FrameKind.openBatch

    package var name: String
    /// The batch that it is to be a member of.
    package var parent: BatchID?
    /// The callbacks, under a session and sequence as any submit; may be none.
    package var submit: Submit
    /// What each of them waits for.
    package var events: [BatchEvent]

    package init(name: String, parent: BatchID?, submit: Submit, events: [BatchEvent]) {
        self.name = name
        self.parent = parent
        self.submit = submit
        self.events = events
    }
}

/// No more jobs are added to a batch. Answered by ``BatchDetail`` once that is durable, as often as it is asked.
package struct CloseBatch: BatchQuestion {
    package static let kind = FrameKind.closeBatch

    package var id: BatchID

    package init(id: BatchID) {
        self.id = id
    }
}

package struct ShowBatch: BatchQuestion {
    package static let kind = FrameKind.showBatch

    package var id: BatchID

    package init(id: BatchID) {
        self.id = id
    }
}

/// A batch as people see it.
package struct BatchView: Hashable, Sendable {
    package var id: BatchID
    package var name: String
    package var parent: BatchID?
    package var createdAt: WallTime
    package var finishedAt: WallTime?
    package var isClosed: Bool
    package var total: UInt64 = 0
    package var pending: UInt64 = 0
    package var succeeded: UInt64 = 0
    package var dead: UInt64 = 0
    package var cancelled: UInt64 = 0
    package var expired: UInt64 = 0

    package init(
        id: BatchID, name: String, parent: BatchID?, createdAt: WallTime, finishedAt: WallTime?, isClosed: Bool
    ) {
        self.id = id
        self.name = name
        self.parent = parent
        self.createdAt = createdAt
        self.finishedAt = finishedAt
        self.isClosed = isClosed
    }
}

/// The answer to ``ShowBatch`` and ``CloseBatch``; a batch that is not there is an ``ErrorReply`` with `notFound`.
package struct BatchDetail: Message {
    package static let kind = FrameKind.batchDetail

    package var batch: BatchView

    package init(batch: BatchView) {
        self.batch = batch
    }
}

/// Batches or workflows, the latest first.
package struct ListBatches: Message {
    package static let kind = FrameKind.listBatches

    package var before: BatchID?
    /// 1 to 1,000.
    package var limit: UInt32

    package init(before: BatchID? = nil, limit: UInt32 = 100) {
        self.before = before
        self.limit = limit
    }
}

package struct BatchList: Message {
    package static let kind = FrameKind.batchList

    package var batches: [BatchView]

    package init(batches: [BatchView]) {
        self.batches = batches
    }
}

package struct ShowWorkflow: Message {
    package static let kind = FrameKind.showWorkflow

    package var id: JobID
    /// Jobs behind this one.
    package var after: JobID?
    /// Jobs in the answer, 0 to 1,000.
    package var limit: UInt32

    package init(id: JobID, after: JobID? = nil, limit: UInt32 = 1000) {
        self.id = id
        self.after = after
        self.limit = limit
    }
}

package struct WorkflowView: Hashable, Sendable {
    package var id: JobID
    package var name: String
    package var createdAt: WallTime
    package var finishedAt: WallTime?
    package var total: UInt32
    /// Jobs that have not ended.
    package var open: UInt32
    package var failed: UInt32

    package init(
        id: JobID, name: String, createdAt: WallTime, finishedAt: WallTime?, total: UInt32, open: UInt32,
        failed: UInt32
    ) {
        self.id = id
        self.name = name
        self.createdAt = createdAt
        self.finishedAt = finishedAt
        self.total = total
        self.open = open
        self.failed = failed
    }
}

/// The answer to ``ShowWorkflow``; a workflow that is not there is an ``ErrorReply`` with `notFound`.
package struct WorkflowDetail: Message {
    package static let kind = FrameKind.workflowDetail

    package struct Parent: Hashable, Sendable {
        package var id: JobID
        package var kind: DependencyKind

        package init(id: JobID, kind: DependencyKind) {
            self.id = id
            self.kind = kind
        }
    }

    package struct Member: Hashable, Sendable {
        package var name: String
        package var parents: [Parent]
        package var job: JobView

        package init(name: String, parents: [Parent], job: JobView) {
            self.name = name
            self.parents = parents
            self.job = job
        }
    }

    package var workflow: WorkflowView
    package var members: [Member]
    /// Where to go on, if there may be more.
    package var next: JobID?

    package init(workflow: WorkflowView, members: [Member], next: JobID?) {
        self.workflow = workflow
        self.members = members
        self.next = next
    }
}

package struct ListWorkflows: Message {
    package static let kind = FrameKind.listWorkflows

    package var before: JobID?
    /// 1 to 1,000.
    package var limit: UInt32

    package init(before: JobID? = nil, limit: UInt32 = 100) {
        self.before = before
        self.limit = limit
    }
}

package struct WorkflowList: Message {
    package static let kind = FrameKind.workflowList

    package var workflows: [WorkflowView]

    package init(workflows: [WorkflowView]) {
        self.workflows = workflows
    }
}

/// What people ask for that is about workflows and batches.
package enum GroupRequest: Sendable {
    case submitWorkflow(SubmitWorkflow)
    case openBatch(OpenBatch)
    case closeBatch(CloseBatch)
    case showBatch(ShowBatch)
    case listBatches(ListBatches)
    case showWorkflow(ShowWorkflow)
    case listWorkflows(ListWorkflows)

    /// Nil if the frame is of another kind.
    init?(from reader: inout FrameReader) throws(WireError) {
        switch reader.kind {
        case .submitWorkflow: self = .submitWorkflow(try SubmitWorkflow(from: &reader))
        case .openBatch: self = .openBatch(try OpenBatch(from: &reader))
        case .closeBatch: self = .closeBatch(try CloseBatch(from: &reader))
        case .showBatch: self = .showBatch(try ShowBatch(from: &reader))
        case .listBatches: self = .listBatches(try ListBatches(from: &reader))
        case .showWorkflow: self = .showWorkflow(try ShowWorkflow(from: &reader))
        case .listWorkflows: self = .listWorkflows(try ListWorkflows(from: &reader))
        default: return nil
        }
    }
}
