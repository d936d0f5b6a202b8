import MartletCore
import MartletRuntime
import MartletStore

/// Answers people's questions on a connection that only reads, in short transactions.
actor SQLiteReader {
    private let path: String
    private let vfs: String?
    private let loop: EventLoop
    private var opened: Database?

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    init(path: String, vfs: String?, loop: EventLoop) {
        self.path = path
        self.vfs = vfs
        self.loop = loop
    }

    func close() { self.opened = nil }

    private func database() throws(StoreError) -> Database {
        if let opened { return opened }
        let database = try Database(path: self.path, isReadOnly: true, vfs: self.vfs)
        try database.execute("PRAGMA query_only=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-2048")
        self.opened = database
        return database
    }

    private static let columns = """
        j.id, l.queue, l.type, l.priority, j.state, j.created, j.due, j.failures, j.deaths, j.finished,
        j.failure_kind, j.failure_message, j.options, length(j.payload)
        """

    func jobs(matching filter: JobFilter, after: JobID?, limit: Int) throws(StoreError) -> [JobRecord] {
        var conditions = ["j.id > ?1"]
        // Said as the partial index says it, so that the dead are found without reading the living.
        if let state = filter.state {
            conditions.append(
                state.isTerminal ? "j.state >= 4 AND j.state = \(state.rawValue)" : "j.state = \(state.rawValue)")
        }
        if filter.queue != nil { conditions.append("l.queue = ?3") }
        if filter.type != nil { conditions.append("l.type = ?4") }
        let rows = try self.database().prepareOnce(
            """
            SELECT \(Self.columns) FROM jobs j CROSS JOIN lanes l ON l.id = j.lane
            WHERE \(conditions.joined(separator: " AND ")) ORDER BY j.id LIMIT ?2
            """)
        defer { rows.finalize() }
        rows.bind(0, Int64(after?.rawValue ?? 0))
        rows.bind(1, Int64(limit))
        if filter.queue != nil { rows.bind(2, filter.queue) }
        if filter.type != nil { rows.bind(3, filter.type) }
        var records: [JobRecord] = []
        while try rows.step() { records.append(Self.record(rows)) }
        return records
    }

    func job(_ id: JobID) throws(StoreError) -> (record: JobRecord, payload: Bytes)? {
        let row = try self.database().prepareOnce(
            "SELECT \(Self.columns), j.payload FROM jobs j JOIN lanes l ON l.id = j.lane WHERE j.id = ?")
        defer { row.finalize() }
        row.bind(0, Int64(bitPattern: id.rawValue))
        guard try row.step() else { return nil }
        return (Self.record(row), Bytes(copying: row.blob(14)))
    }

    private static func record(_ row: Statement) -> JobRecord {
        let priority = Priority(rawValue: UInt8(clamping: row.integer(3))) ?? .normal
        return JobRecord(
            id: JobID(rawValue: UInt64(row.integer(0))),
            lane: LaneKey(queue: row.text(1) ?? "", type: row.text(2) ?? "", priority: priority),
            state: JobState(rawValue: UInt8(clamping: row.integer(4))) ?? .ready,
            history: JobHistory(
                failures: UInt16(clamping: row.integer(7)), nodeDeaths: UInt8(clamping: row.integer(8))),
            options: JobOptions(stored: row.blob(12), priority: priority),
            createdAt: WallTime(microseconds: row.integer(5)),
            due: row.optionalInteger(6).map { WallTime(microseconds: $0) },
            finishedAt: row.optionalInteger(9).map { WallTime(microseconds: $0) },
            lastFailure: row.text(10).map { JobFailure(kind: $0, message: row.text(11) ?? "") },
            payloadCount: Int(row.integer(13)))
    }

    func laneTotals() throws(StoreError) -> [LaneTotals] {
        let database = try self.database()
        // One transaction, so that both answers are of the same moment.
        try database.execute("BEGIN")
        defer { try? database.execute("COMMIT") }
        var scheduled: [Int64: UInt64] = [:]
        let counts = try database.prepareOnce("SELECT lane, count(*) FROM jobs WHERE state = 1 GROUP BY lane")
        defer { counts.finalize() }
        while try counts.step() { scheduled[counts.integer(0)] = UInt64(counts.integer(1)) }
        let rows = try database.prepareOnce("SELECT * FROM lanes ORDER BY id")
        defer { rows.finalize() }
        var totals: [LaneTotals] = []
        while try rows.step() {
            let priority = Priority(rawValue: UInt8(clamping: rows.integer(3))) ?? .normal
            var total = LaneTotals(
                lane: LaneKey(queue: rows.text(1) ?? "", type: rows.text(2) ?? "", priority: priority))
            total.scheduled = scheduled[rows.integer(0)] ?? 0
            total.ready = UInt64(rows.integer(4)) - total.scheduled
            total.dead = UInt64(rows.integer(5))
            total.submittedTotal = UInt64(rows.integer(6))
            total.succeededTotal = UInt64(rows.integer(7))
            total.retriedTotal = UInt64(rows.integer(8))
            total.cancelledTotal = UInt64(rows.integer(9))
            total.expiredTotal = UInt64(rows.integer(10))
            total.deletedTotal = UInt64(rows.integer(11))
            totals.append(total)
        }
        return totals
    }
}
