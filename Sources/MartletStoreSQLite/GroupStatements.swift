import MartletStore

/// The statements that write workflows and batches, prepared once.
struct GroupStatements {
    let readWorkflow: Statement
    let writeWorkflow: Statement
    let deleteWorkflow: Statement
    let findOverWorkflows: Statement
    let findJobs: Statement

    let readMember: Statement
    let writeMember: Statement
    let deleteMember: Statement

    let insertEdge: Statement
    let findEdges: Statement
    let findEdgesInRange: Statement
    let deleteEdge: Statement
    let deleteEdgesFrom: Statement
    let deleteEdgesTo: Statement

    let readBatch: Statement
    let writeBatch: Statement
    let deleteBatch: Statement
    let findOverBatches: Statement

    let insertRelease: Statement
    let firstRelease: Statement
    let writeFirstRelease: Statement
    let deleteFirstRelease: Statement

    init(_ database: Database) throws(StoreError) {
        self.readWorkflow = try database.prepare("SELECT \(GroupRows.workflow) FROM workflows WHERE id = ?")
        self.writeWorkflow = try database.prepare(
            "REPLACE INTO workflows(\(GroupRows.workflow)) VALUES (\(Self.places(11)))")
        self.deleteWorkflow = try database.prepare("DELETE FROM workflows WHERE id = ?")
        self.findOverWorkflows = try database.prepare(
            """
            SELECT \(GroupRows.workflow) FROM workflows WHERE expires IS NOT NULL AND expires <= ?
            ORDER BY expires, id LIMIT ?
            """)
        self.findJobs = try database.prepare(
            "SELECT job FROM marks WHERE kind = \(JobMark.Kind.workflow.rawValue) AND value = ? ORDER BY job LIMIT ?")
        self.readMember = try database.prepare("SELECT name FROM members WHERE job = ?")
        self.writeMember = try database.prepare("REPLACE INTO members(job, name) VALUES (?, ?)")
        self.deleteMember = try database.prepare("DELETE FROM members WHERE job = ?")

        self.insertEdge = try database.prepare("INSERT INTO edges(parent, child, kind) VALUES (?, ?, ?)")
        self.findEdges = try database.prepare(
            "SELECT parent, child, kind FROM edges WHERE parent = ? AND child > ? ORDER BY child LIMIT ?")
        self.findEdgesInRange = try database.prepare(
            "SELECT parent, child, kind FROM edges WHERE parent BETWEEN ? AND ? ORDER BY parent, child LIMIT ?")
        self.deleteEdge = try database.prepare("DELETE FROM edges WHERE parent = ? AND child = ?")
        self.deleteEdgesFrom = try database.prepare("DELETE FROM edges WHERE parent = ?")
        self.deleteEdgesTo = try database.prepare("DELETE FROM edges WHERE child = ?")

        self.readBatch = try database.prepare("SELECT \(GroupRows.batch) FROM batches WHERE id = ?")
        self.writeBatch = try database.prepare("REPLACE INTO batches(\(GroupRows.batch)) VALUES (\(Self.places(19)))")
        self.deleteBatch = try database.prepare("DELETE FROM batches WHERE id = ?")
        self.findOverBatches = try database.prepare(
            "SELECT id FROM batches WHERE expires IS NOT NULL AND expires <= ? ORDER BY expires, id LIMIT ?")

        let first = "number = (SELECT min(number) FROM releases)"
        self.insertRelease = try database.prepare("INSERT INTO releases(source, state, cursor) VALUES (?, ?, ?)")
        self.firstRelease = try database.prepare(
            "SELECT source, state, cursor FROM releases ORDER BY number LIMIT 1")
        self.writeFirstRelease = try database.prepare(
            "UPDATE releases SET (source, state, cursor) = (?, ?, ?) WHERE \(first)")
        self.deleteFirstRelease = try database.prepare("DELETE FROM releases WHERE \(first)")
    }

    private static func places(_ count: Int) -> String {
        Array(repeating: "?", count: count).joined(separator: ", ")
    }
}
