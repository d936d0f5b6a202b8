import MartletCore
import MartletStore

/// The tables within one transaction, for the rules that all stores share.
struct SQLiteTables: JobTables {
    let transaction: StoreTransaction

    private var statements: StoreStatements { self.transaction.statements }
    var shard: UInt16 { self.transaction.shard }
    var nextSequence: UInt64 {
        get { self.transaction.nextSequence }
        nonmutating set { self.transaction.nextSequence = newValue }
    }
    var consequences: Consequences {
        get { self.transaction.consequences }
        nonmutating _modify { yield &self.transaction.consequences }
    }

    func laneKey(_ lane: LaneID) -> LaneKey { self.transaction.lanes[Int(lane.rawValue)].totals.lane }

    func count(in lane: LaneID, _ change: (inout LaneTotals) -> Void) {
        self.transaction.count(in: lane) { change(&$0.totals) }
    }

    // MARK: Jobs

    func row(_ id: JobID) throws(StoreError) -> JobRow? {
        let read = self.statements.readRow
        read.bind(0, Int64(bitPattern: id.rawValue))
        guard try read.step() else { return nil }
        defer { read.reset() }
        return try JobRow(id, read, lanes: self.transaction.lanes)
    }

    func insert(_ row: JobRow, payload: Bytes) throws(StoreError) {
        let insert = self.statements.insertRow
        row.bind(to: insert)
        insert.bind(JobRow.columnCount, row.createdAt.microseconds)
        insert.bind(JobRow.columnCount + 1, copying: row.options.stored)
        insert.bind(JobRow.columnCount + 3, Int64(row.id.rawValue))
        try payload.withUnsafeBytes { bytes throws(StoreError) in
            insert.bind(JobRow.columnCount + 2, borrowing: bytes)
            try insert.run()
        }
        for mark in Self.marks(of: row) + JobMark.lasting(of: row) {
            try self.run(self.statements.writeMark, mark, row.id)
        }
    }

    func write(_ row: JobRow) throws(StoreError) {
        try self.changeMarks(of: row, to: Self.marks(of: row))
        row.bind(to: self.statements.writeRow)
        self.statements.writeRow.bind(JobRow.columnCount, Int64(row.id.rawValue))
        try self.statements.writeRow.run()
    }

    func replacePayload(of id: JobID, by payload: Bytes) throws(StoreError) {
        let write = self.statements.writePayload
        write.bind(1, Int64(id.rawValue))
        try payload.withUnsafeBytes { bytes throws(StoreError) in
            write.bind(0, borrowing: bytes)
            try write.run()
        }
    }

    func remove(_ row: JobRow) throws(StoreError) {
        try self.changeMarks(of: row, to: [])
        for mark in JobMark.lasting(of: row) { try self.run(self.statements.deleteMark, mark, row.id) }
        try self.run(self.statements.deleteJob, of: row.id)
        if row.flags.contains(.attempts) { try self.run(self.statements.deleteAttempts, of: row.id) }
        if row.flags.contains(.result) { try self.run(self.statements.deleteResult, of: row.id) }
        if row.flags.contains(.checkpoint) { try self.run(self.statements.deleteCheckpoint, of: row.id) }
    }

    private static func marks(of row: JobRow) -> [JobMark] {
        JobMark.changing(state: row.state, due: row.due, expires: row.expires, flags: row.flags)
    }

    /// Puts the marks that change with the state in the place of those that the stored row has.
    private func changeMarks(of row: JobRow, to new: [JobMark]) throws(StoreError) {
        guard !row.flags.isDisjoint(with: [.expiring, .ordered]) else { return }
        let read = self.statements.readMarked
        read.bind(0, Int64(row.id.rawValue))
        guard try read.step() else { return }
        let old = JobMark.changing(
            state: JobState(rawValue: UInt8(clamping: read.integer(0))) ?? row.state,
            due: read.optionalInteger(1).map { WallTime(microseconds: $0) },
            expires: read.optionalInteger(2).map { WallTime(microseconds: $0) },
            flags: JobFlags(rawValue: UInt32(clamping: read.integer(3))))
        read.reset()
        for mark in old where !new.contains(mark) { try self.run(self.statements.deleteMark, mark, row.id) }
        for mark in new where !old.contains(mark) { try self.run(self.statements.writeMark, mark, row.id) }
    }

    private func run(_ statement: Statement, _ mark: JobMark, _ id: JobID) throws(StoreError) {
        statement.bind(0, mark.kind.rawValue)
        statement.bind(1, mark.value)
        statement.bind(2, Int64(id.rawValue))
        try statement.run()
    }

    private func run(_ statement: Statement, of id: JobID) throws(StoreError) {
        statement.bind(0, Int64(id.rawValue))
        try statement.run()
    }

    // MARK: Unique keys

    func hold(on name: UniqueName) throws(StoreError) -> UniqueHold? {
        let find = self.statements.findHold
        Self.bind(name, to: find)
        guard try find.step() else { return nil }
        defer { find.reset() }
        return UniqueHold(
            job: JobID(rawValue: find.unsigned(0)),
            until: find.optionalInteger(1).map { WallTime(microseconds: $0) })
    }

    func setHold(on name: UniqueName, _ hold: UniqueHold?) throws(StoreError) {
        let write = hold == nil ? self.statements.deleteHold : self.statements.writeHold
        Self.bind(name, to: write)
        if let hold {
            write.bind(3, Int64(hold.job.rawValue))
            write.bind(4, hold.until?.microseconds)
        }
        try write.run()
    }

    private static func bind(_ name: UniqueName, to statement: Statement) {
        statement.bind(0, Int64(name.scope.rawValue))
        statement.bind(1, name.within)
        statement.bind(2, name.key)
    }

    // MARK: Beside the row

    func add(_ attempt: AttemptRecord, to id: JobID) throws(StoreError) {
        let write = self.statements.writeAttempt
        write.bind(0, Int64(id.rawValue))
        write.bind(1, Int64(attempt.number))
        write.bind(2, attempt.endedAt.microseconds)
        write.bind(3, attempt.node)
        write.bind(4, attempt.failure.kind)
        write.bind(5, attempt.failure.message)
        write.bind(6, copying: attempt.output.isEmpty ? nil : attempt.output.array)
        try write.run()
        guard attempt.number > UInt32(AttemptRecord.keptMax) else { return }
        self.statements.deleteOldAttempts.bind(1, Int64(attempt.number) - Int64(AttemptRecord.keptMax))
        try self.run(self.statements.deleteOldAttempts, of: id)
    }

    func setResult(of id: JobID, _ result: Bytes) throws(StoreError) {
        try self.write(result, of: id, self.statements.writeResult)
    }

    func write(_ bulk: BulkRecord) throws(StoreError) {
        bulk.bind(to: self.statements.writeBulk)
        try self.statements.writeBulk.run()
    }

    func setCheckpoint(of id: JobID, _ checkpoint: Bytes?) throws(StoreError) {
        guard let checkpoint else { return try self.run(self.statements.deleteCheckpoint, of: id) }
        try self.write(checkpoint, of: id, self.statements.writeCheckpoint)
    }

    private func write(_ value: Bytes, of id: JobID, _ write: Statement) throws(StoreError) {
        try value.withUnsafeBytes { bytes throws(StoreError) in
            write.bind(1, borrowing: bytes)
            try self.run(write, of: id)
        }
    }
}
