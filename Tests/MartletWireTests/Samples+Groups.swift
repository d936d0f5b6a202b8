import MartletCore

@testable import MartletWire

extension Samples {
    static let batch: BatchView = {
        var batch = BatchView(
            id: BatchID(rawValue: 70), name: "delete account 7", parent: BatchID(rawValue: 60),
            createdAt: WallTime(microseconds: 1_700_000_000_000_000),
            finishedAt: WallTime(microseconds: 1_700_000_001_000_000), isClosed: true)
        batch.total = 100
        batch.pending = 1
        batch.succeeded = 92
        batch.dead = 2
        batch.cancelled = 3
        batch.expired = 4
        return batch
    }()
    static let openBatch = BatchView(
        id: BatchID(rawValue: 71), name: "b", parent: nil, createdAt: WallTime(microseconds: 1_700_000_000_000_001),
        finishedAt: nil, isClosed: false)
    static let workflow = WorkflowView(
        id: JobID(shard: 1, sequence: 42), name: "video 7", createdAt: WallTime(microseconds: 1_700_000_000_000_000),
        finishedAt: nil, total: 2, open: 1, failed: 0)

    static func submit(_ payloads: String...) -> Submit {
        Submit(
            session: Self.session, sequence: 9, templates: [Self.plain],
            jobs: payloads.map { Submit.Job(template: 0, payload: Self.bytes($0)) })
    }
}

extension Sample {
    static let groups = [
        Sample(
            "submit-workflow",
            SubmitWorkflow(
                name: "video 7", submit: Samples.submit("{}", "[]"),
                shape: WorkflowShape(members: [
                    WorkflowShape.Member(name: "encode"),
                    WorkflowShape.Member(
                        name: "publish", parents: [WorkflowShape.Dependency(parent: 0, kind: .onEnd)]),
                ]))),
        Sample(
            "open-batch",
            OpenBatch(
                name: "delete account 7", parent: BatchID(rawValue: 60), submit: Samples.submit("1", "2"),
                events: [.end, .death])),
        Sample(
            "open-batch-bare",
            OpenBatch(
                name: "b", parent: nil,
                submit: Submit(session: Samples.session, sequence: 10, templates: [], jobs: []), events: [])),
        Sample("close-batch", CloseBatch(id: BatchID(rawValue: 70))),
        Sample("show-batch", ShowBatch(id: BatchID(rawValue: 71))),
        Sample("batch-detail", BatchDetail(batch: Samples.batch)),
        Sample("list-batches", ListBatches(before: BatchID(rawValue: 72), limit: 50)),
        Sample("batch-list", BatchList(batches: [Samples.openBatch, Samples.batch])),
        Sample(
            "show-workflow",
            ShowWorkflow(id: JobID(shard: 1, sequence: 42), after: JobID(shard: 1, sequence: 43), limit: 50)),
        Sample(
            "workflow-detail",
            WorkflowDetail(
                workflow: Samples.workflow,
                members: [
                    WorkflowDetail.Member(name: "encode", parents: [], job: Samples.running),
                    WorkflowDetail.Member(
                        name: "publish",
                        parents: [WorkflowDetail.Parent(id: JobID(shard: 1, sequence: 42), kind: .onFailure)],
                        job: Samples.finished),
                ], next: JobID(shard: 1, sequence: 43))),
        Sample("list-workflows", ListWorkflows(before: JobID(shard: 1, sequence: 44), limit: 50)),
        Sample("workflow-list", WorkflowList(workflows: [Samples.workflow])),
    ]
}
