import MartletCore
import MartletStore

extension SQLiteTables: GroupTables {
    private var statements: GroupStatements { self.transaction.statements.groups }

    var releases: Deque<Release> {
        get { self.transaction.releases }
        nonmutating _modify { yield &self.transaction.releases }
    }

    // MARK: Workflows

    func workflow(_ id: WorkflowID) throws(StoreError) -> WorkflowRow? {
        if let known = self.transaction.workflows[id] { return known }
        let read = self.statements.readWorkflow
        read.bind(0, Int64(id.rawValue))
        let row = try read.step() ? WorkflowRow(read) : nil
        read.reset()
        self.transaction.workflows.remember(row, id)
        return row
    }

    func setWorkflow(_ row: WorkflowRow) {
        self.transaction.mayRelease = true
        self.transaction.workflows.change(row, row.id)
    }

    func removeWorkflow(_ id: WorkflowID) throws(StoreError) {
        self.transaction.workflows.forget(id)
        try self.run(self.statements.deleteWorkflow, Int64(id.rawValue))
    }

    func workflowsOver(at now: WallTime, limit: Int) throws(StoreError) -> [WorkflowRow] {
        try self.transaction.writeGroups()
        let find = self.statements.findOverWorkflows
        find.bind(0, now.microseconds)
        find.bind(1, Int64(limit))
        var rows: [WorkflowRow] = []
        while try find.step() { rows.append(WorkflowRow(find)) }
        return rows
    }

    func jobs(of workflow: WorkflowID, limit: Int) throws(StoreError) -> [JobID] {
        let find = self.statements.findJobs
        find.bind(0, Int64(workflow.rawValue))
        find.bind(1, Int64(limit))
        var ids: [JobID] = []
        while try find.step() { ids.append(JobID(rawValue: find.unsigned(0))) }
        return ids
    }

    func memberName(of id: JobID) throws(StoreError) -> String? {
        let read = self.statements.readMember
        read.bind(0, Int64(id.rawValue))
        defer { read.reset() }
        return try read.step() ? read.text(0) : nil
    }

    func setMemberName(of id: JobID, _ name: String) throws(StoreError) {
        self.statements.writeMember.bind(1, name)
        try self.run(self.statements.writeMember, Int64(id.rawValue))
    }

    func removeMember(_ id: JobID) throws(StoreError) {
        for statement in [self.statements.deleteMember, self.statements.deleteEdgesFrom, self.statements.deleteEdgesTo]
        {
            try self.run(statement, Int64(id.rawValue))
        }
    }

    // MARK: Edges

    func insert(_ edge: JobEdge) throws(StoreError) {
        let insert = self.statements.insertEdge
        insert.bind(1, Int64(edge.child.rawValue))
        insert.bind(2, Int64(edge.kind.rawValue))
        try self.run(insert, Int64(edge.parent.rawValue))
    }

    func edges(from parent: JobID, after child: JobID?, limit: Int) throws(StoreError) -> [JobEdge] {
        let find = self.statements.findEdges
        find.bind(0, Int64(parent.rawValue))
        find.bind(1, Int64(child?.rawValue ?? 0))
        find.bind(2, Int64(limit))
        return try self.edges(find)
    }

    private func edges(_ find: Statement) throws(StoreError) -> [JobEdge] {
        var edges: [JobEdge] = []
        while try find.step() { if let edge = JobEdge(find) { edges.append(edge) } }
        return edges
    }

    func removeEdges(from parents: ClosedRange<JobID>, limit: Int) throws(StoreError) -> Int {
        let find = self.statements.findEdgesInRange
        find.bind(0, Int64(parents.lowerBound.rawValue))
        find.bind(1, Int64(parents.upperBound.rawValue))
        find.bind(2, Int64(limit))
        let edges = try self.edges(find)
        for edge in edges {
            self.statements.deleteEdge.bind(1, Int64(edge.child.rawValue))
            try self.run(self.statements.deleteEdge, Int64(edge.parent.rawValue))
        }
        return edges.count
    }

    // MARK: Batches

    func batch(_ id: BatchID) throws(StoreError) -> BatchRow? {
        if let known = self.transaction.batches[id] { return known }
        let read = self.statements.readBatch
        read.bind(0, Int64(bitPattern: id.rawValue))
        let row = try read.step() ? BatchRow(read) : nil
        read.reset()
        self.transaction.batches.remember(row, id)
        return row
    }

    func setBatch(_ row: BatchRow) {
        self.transaction.mayRelease = true
        self.transaction.batches.change(row, row.id)
    }

    func removeBatch(_ id: BatchID) throws(StoreError) {
        self.transaction.batches.forget(id)
        try self.run(self.statements.deleteBatch, Int64(id.rawValue))
    }

    func batchesOver(at now: WallTime, limit: Int) throws(StoreError) -> [BatchID] {
        try self.transaction.writeGroups()
        let find = self.statements.findOverBatches
        find.bind(0, now.microseconds)
        find.bind(1, Int64(limit))
        var ids: [BatchID] = []
        while try find.step() { ids.append(BatchID(rawValue: find.unsigned(0))) }
        return ids
    }

    // MARK: Releases

    var storedReleaseCount: Int { self.transaction.storedReleaseCount }

    func store(_ release: Release) throws(StoreError) {
        release.bind(to: self.statements.insertRelease)
        try self.statements.insertRelease.run()
        self.transaction.storedReleaseCount += 1
    }

    func firstStoredRelease() throws(StoreError) -> Release? {
        guard self.storedReleaseCount > 0 else { return nil }
        let read = self.statements.firstRelease
        defer { read.reset() }
        return try read.step() ? Release(read) : nil
    }

    func replaceFirstStoredRelease(by release: Release?) throws(StoreError) {
        if let release {
            release.bind(to: self.statements.writeFirstRelease)
            try self.statements.writeFirstRelease.run()
        } else {
            try self.statements.deleteFirstRelease.run()
            self.transaction.storedReleaseCount -= 1
        }
    }

    private func run(_ statement: Statement, _ id: Int64) throws(StoreError) {
        statement.bind(0, id)
        try statement.run()
    }
}

extension StoreTransaction {
    /// At the end of a group: those that waited for what has ended go on, and what changed is written.
    func finishGroups(of group: CommitGroup) throws(StoreError) {
        var tables = SQLiteTables(transaction: self)
        try tables.carryOnReleases(limit: group.releasedMax, at: group.now)
        try self.writeGroups()
        self.workflows.removeAll()
        self.batches.removeAll()
    }

    func writeGroups() throws(StoreError) {
        for row in self.workflows.takeChanged() {
            row.bind(to: self.statements.groups.writeWorkflow)
            try self.statements.groups.writeWorkflow.run()
        }
        for row in self.batches.takeChanged() {
            row.bind(to: self.statements.groups.writeBatch)
            try self.statements.groups.writeBatch.run()
        }
    }
}
