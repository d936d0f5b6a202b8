import MartletCore
import MartletStore

/// The statements that answer people's questions about workflows and batches.
struct GroupQuestions {
    let workflow: Statement
    let workflows: Statement
    let members: Statement
    let parents: Statement
    let batch: Statement
    let batches: Statement

    init(_ database: Database) throws(StoreError) {
        self.workflow = try database.prepare("SELECT \(GroupRows.workflow) FROM workflows WHERE id = ?")
        self.workflows = try database.prepare(
            "SELECT \(GroupRows.workflow) FROM workflows WHERE id < ? ORDER BY id DESC LIMIT ?")
        self.members = try database.prepare(
            """
            SELECT marks.job, members.name FROM marks LEFT JOIN members ON members.job = marks.job
            WHERE kind = \(JobMark.Kind.workflow.rawValue) AND value = ? AND marks.job > ? ORDER BY marks.job LIMIT ?
            """)
        self.parents = try database.prepare(
            "SELECT parent, child, kind FROM edges WHERE child = ? ORDER BY parent")
        self.batch = try database.prepare("SELECT \(GroupRows.batch) FROM batches WHERE id = ?")
        self.batches = try database.prepare(
            "SELECT \(GroupRows.batch) FROM batches WHERE id < ? ORDER BY id DESC LIMIT ?")
    }
}

extension SQLiteReader {
    func workflow(_ id: WorkflowID) throws(StoreError) -> WorkflowRow? {
        let row = try self.connection().groups.workflow
        row.bind(0, Int64(bitPattern: id.rawValue))
        defer { row.reset() }
        return try row.step() ? WorkflowRow(row) : nil
    }

    func workflows(before: WorkflowID?, limit: Int) throws(StoreError) -> [WorkflowRow] {
        let row = try self.connection().groups.workflows
        row.bind(0, before.map { Int64(clamping: $0.rawValue) } ?? .max)
        row.bind(1, Int64(limit))
        var found: [WorkflowRow] = []
        while try row.step() { found.append(WorkflowRow(row)) }
        return found
    }

    func members(of id: WorkflowID, after: JobID?, limit: Int) throws(StoreError) -> [WorkflowMember] {
        let connection = try self.connection()
        return try self.transaction(connection) { () throws(StoreError) in
            let rows = connection.groups.members
            rows.bind(0, Int64(bitPattern: id.rawValue))
            rows.bind(1, Int64(clamping: after?.rawValue ?? 0))
            rows.bind(2, Int64(limit))
            var names: [(id: JobID, name: String)] = []
            while try rows.step() { names.append((JobID(rawValue: rows.unsigned(0)), rows.text(1) ?? "")) }
            var members: [WorkflowMember] = []
            for (job, name) in names {
                guard let record = try self.record(job, connection) else { continue }
                let edges = connection.groups.parents
                edges.bind(0, Int64(job.rawValue))
                var parents: [JobEdge] = []
                while try edges.step() { if let edge = JobEdge(edges) { parents.append(edge) } }
                members.append(WorkflowMember(name: name, record: record, parents: parents))
            }
            return members
        }
    }

    func batch(_ id: BatchID) throws(StoreError) -> BatchRow? {
        let row = try self.connection().groups.batch
        row.bind(0, Int64(bitPattern: id.rawValue))
        defer { row.reset() }
        return try row.step() ? BatchRow(row) : nil
    }

    func batches(before: BatchID?, limit: Int) throws(StoreError) -> [BatchRow] {
        let row = try self.connection().groups.batches
        row.bind(0, before.map { Int64(clamping: $0.rawValue) } ?? .max)
        row.bind(1, Int64(limit))
        var found: [BatchRow] = []
        while try row.step() { found.append(BatchRow(row)) }
        return found
    }
}
