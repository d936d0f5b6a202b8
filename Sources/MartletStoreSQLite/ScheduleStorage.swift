import MartletCore
import MartletStore

/// The statements that write schedules, prepared once.
struct ScheduleStatements {
    let read: Statement
    let write: Statement
    let writeState: Statement
    let delete: Statement
    let readRun: Statement
    let insertRun: Statement
    let firstRun: Statement
    let deleteRun: Statement
    let deleteRuns: Statement

    init(_ database: Database) throws(StoreError) {
        self.read = try database.prepare("SELECT \(ScheduleRow.columns) FROM schedules WHERE name = ?")
        self.write = try database.prepare(
            "REPLACE INTO schedules(\(ScheduleRow.columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        self.writeState = try database.prepare(
            "UPDATE schedules SET (\(ScheduleRow.stateColumns)) = (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) WHERE name = ?1"
        )
        self.delete = try database.prepare("DELETE FROM schedules WHERE name = ?")
        self.readRun = try database.prepare("SELECT job FROM schedule_runs WHERE schedule = ? AND instant = ?")
        self.insertRun = try database.prepare("INSERT INTO schedule_runs(schedule, instant, job) VALUES (?, ?, ?)")
        self.firstRun = try database.prepare(
            "SELECT instant FROM schedule_runs WHERE schedule = ? ORDER BY instant LIMIT 1")
        self.deleteRun = try database.prepare("DELETE FROM schedule_runs WHERE schedule = ? AND instant = ?")
        self.deleteRuns = try database.prepare("DELETE FROM schedule_runs WHERE schedule = ?")
    }
}

extension SQLiteTables: ScheduleTables {
    private var statements: ScheduleStatements { self.transaction.statements.schedules }

    func schedule(_ name: String) throws(StoreError) -> ScheduleRow? {
        let read = self.statements.read
        read.bind(0, name)
        guard try read.step() else { return nil }
        defer { read.reset() }
        return try ScheduleRow(read)
    }

    func setSchedule(_ row: ScheduleRow) throws(StoreError) {
        let write = self.statements.write
        row.bindState(to: write)
        write.bind(11, Int64(row.origin.rawValue))
        try row.definition.withUnsafeBytes { bytes throws(StoreError) in
            write.bind(12, borrowing: bytes)
            try write.run()
        }
    }

    func writeState(of row: ScheduleRow) throws(StoreError) {
        row.bindState(to: self.statements.writeState)
        try self.statements.writeState.run()
    }

    func removeSchedule(_ name: String) throws(StoreError) {
        self.statements.deleteRuns.bind(0, name)
        try self.statements.deleteRuns.run()
        self.statements.delete.bind(0, name)
        try self.statements.delete.run()
    }

    func run(of schedule: String, at instant: WallTime) throws(StoreError) -> JobID? {
        let read = self.statements.readRun
        read.bind(0, schedule)
        read.bind(1, instant.microseconds)
        guard try read.step() else { return nil }
        defer { read.reset() }
        return JobID(rawValue: read.unsigned(0))
    }

    func insert(_ run: ScheduleRun, of schedule: String) throws(StoreError) {
        let insert = self.statements.insertRun
        insert.bind(0, schedule)
        insert.bind(1, run.instant.microseconds)
        insert.bind(2, Int64(run.job.rawValue))
        try insert.run()
    }

    func removeFirstRun(of schedule: String) throws(StoreError) -> WallTime? {
        let find = self.statements.firstRun
        find.bind(0, schedule)
        guard try find.step() else { return nil }
        let instant = find.integer(0)
        find.reset()
        self.statements.deleteRun.bind(0, schedule)
        self.statements.deleteRun.bind(1, instant)
        try self.statements.deleteRun.run()
        return WallTime(microseconds: instant)
    }
}

/// The statements that answer people's questions about schedules.
struct ScheduleQuestions {
    let schedule: Statement
    let runs: Statement

    init(_ database: Database) throws(StoreError) {
        self.schedule = try database.prepare("SELECT \(ScheduleRow.columns) FROM schedules WHERE name = ?")
        self.runs = try database.prepare(
            """
            SELECT instant, job FROM schedule_runs WHERE schedule = ?1 AND (?2 IS NULL OR instant < ?2)
            ORDER BY instant DESC LIMIT ?3
            """)
    }
}

extension SQLiteReader {
    func schedule(_ name: String) throws(StoreError) -> ScheduleRow? {
        let read = try self.connection().schedules.schedule
        read.bind(0, name)
        guard try read.step() else { return nil }
        defer { read.reset() }
        return try ScheduleRow(read)
    }

    func runs(of schedule: String, before: WallTime?, limit: Int) throws(StoreError) -> [ScheduleRun] {
        let read = try self.connection().schedules.runs
        read.bind(0, schedule)
        read.bind(1, before?.microseconds)
        read.bind(2, Int64(limit))
        var runs: [ScheduleRun] = []
        while try read.step() {
            runs.append(
                ScheduleRun(
                    instant: WallTime(microseconds: read.integer(0)), job: JobID(rawValue: read.unsigned(1))))
        }
        return runs
    }
}

extension ScheduleRow {
    static let stateColumns =
        """
        revision, handled_through, paused, last_job, queued_instant, fired_total, skipped_total, missed_total, runs, \
        forgotten_through
        """
    static let columns = "name, \(Self.stateColumns), origin, definition"
    /// What a definition may take, for an estimate: SQLite writes again what did not change.
    static let definitionPagesMax = 20

    /// Binds the name and ``stateColumns``.
    fileprivate func bindState(to statement: Statement) {
        statement.bind(0, self.name)
        statement.bind(1, Int64(bitPattern: self.revision))
        statement.bind(2, self.handledThrough.microseconds)
        statement.bind(3, self.isPaused ? 1 : 0)
        statement.bind(4, self.lastJob.map { Int64(bitPattern: $0.rawValue) })
        statement.bind(5, self.queuedInstant?.microseconds)
        statement.bind(6, Int64(bitPattern: self.firedTotal))
        statement.bind(7, Int64(bitPattern: self.skippedTotal))
        statement.bind(8, Int64(bitPattern: self.missedTotal))
        statement.bind(9, Int64(self.runCount))
        statement.bind(10, self.forgottenThrough?.microseconds)
    }

    /// Reads ``columns``.
    fileprivate init(_ row: Statement) throws(StoreError) {
        let name = row.text(0) ?? ""
        guard let origin = Origin(rawValue: UInt8(clamping: row.integer(11))) else {
            throw StoreError(.corrupt, "schedule \(name) makes no sense")
        }
        self.init(
            name: name, definition: Bytes(copying: row.blob(12)), origin: origin,
            handledThrough: WallTime(microseconds: row.integer(2)))
        self.revision = row.unsigned(1)
        self.isPaused = row.integer(3) != 0
        self.lastJob = row.optionalInteger(4).map { JobID(rawValue: UInt64(bitPattern: $0)) }
        self.queuedInstant = row.optionalInteger(5).map { WallTime(microseconds: $0) }
        self.firedTotal = row.unsigned(6)
        self.skippedTotal = row.unsigned(7)
        self.missedTotal = row.unsigned(8)
        self.runCount = Int(row.integer(9))
        self.forgottenThrough = row.optionalInteger(10).map { WallTime(microseconds: $0) }
    }

    /// By name.
    static func all(in database: Database) throws(StoreError) -> [ScheduleRow] {
        var rows: [ScheduleRow] = []
        try database.read("SELECT \(Self.columns) FROM schedules ORDER BY name") { row throws(StoreError) in
            rows.append(try ScheduleRow(row))
        }
        return rows
    }
}
