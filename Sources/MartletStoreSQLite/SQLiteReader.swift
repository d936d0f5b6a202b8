import MartletCore
import MartletRuntime
import MartletStore

/// Answers people's questions on a connection that only reads, in short transactions.
///
/// A transaction that is open keeps the log from starting anew: a long search is cut into many.
actor SQLiteReader {
    /// Rows looked at in one transaction.
    private static let rowsMax = 20_000

    struct Connection {
        let database: Database
        let scan: Statement
        let scanOver: Statement
        let scanBatch: Statement
        let scanWorkflow: Statement
        let fetch: Statement
        let payload: Statement
        let attempts: Statement
        let result: Statement
        let groups: GroupQuestions
        let schedules: ScheduleQuestions
    }

    private let path: String
    private let vfs: String?
    private let loop: EventLoop
    private var opened: Connection?
    private var isClosed = false
    /// Lanes only ever become more.
    private var lanes: [LaneKey] = []

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    init(path: String, vfs: String?, loop: EventLoop) {
        self.path = path
        self.vfs = vfs
        self.loop = loop
    }

    func close() {
        self.opened = nil
        self.isClosed = true
    }

    func jobs(matching filter: JobFilter, after: JobID?, limit: Int) async throws(StoreError) -> [JobRecord] {
        var search = Search(filter: filter, after: after, limit: limit)
        while search.wantsMore {
            try self.continueSearch(&search)
            // Others may ask in between.
            await Task.yield()
        }
        return search.found
    }

    func job(_ id: JobID) throws(StoreError) -> (record: JobRecord, payload: Bytes)? {
        let connection = try self.connection()
        return try self.transaction(connection) { () throws(StoreError) in
            guard let record = try self.record(id, connection) else { return nil }
            connection.payload.bind(0, Int64(bitPattern: id.rawValue))
            defer { connection.payload.reset() }
            guard try connection.payload.step() else { return nil }
            return (record, Bytes(copying: connection.payload.blob(0)))
        }
    }

    func attempts(of id: JobID) throws(StoreError) -> [AttemptRecord] {
        let row = try self.connection().attempts
        row.bind(0, Int64(bitPattern: id.rawValue))
        var attempts: [AttemptRecord] = []
        while try row.step() {
            attempts.append(
                AttemptRecord(
                    number: UInt32(clamping: row.integer(0)), endedAt: WallTime(microseconds: row.integer(1)),
                    node: row.text(2) ?? "",
                    failure: JobFailure(kind: row.text(3) ?? "", message: row.text(4) ?? ""),
                    output: Bytes(copying: row.blob(5))))
        }
        return attempts
    }

    func result(of id: JobID) throws(StoreError) -> Bytes? {
        let row = try self.connection().result
        row.bind(0, Int64(bitPattern: id.rawValue))
        defer { row.reset() }
        return try row.step() ? Bytes(copying: row.blob(0)) : nil
    }

    func laneTotals() throws(StoreError) -> [LaneTotals] {
        var totals: [LaneTotals] = []
        let sql = "SELECT \(LaneRow.columns) FROM lanes ORDER BY id"
        try self.connection().database.read(sql) { row throws(StoreError) in
            guard let lane = LaneRow(row, from: 0) else { throw StoreError(.corrupt, "a lane makes no sense") }
            totals.append(lane.totals)
        }
        return totals
    }

    // MARK: Searching

    private struct Search {
        let filter: JobFilter
        var after: JobID?
        let limit: Int
        var found: [JobRecord] = []
        var isAtEnd = false

        var wantsMore: Bool { !self.isAtEnd && self.found.count < self.limit }
    }

    private func continueSearch(_ search: inout Search) throws(StoreError) {
        let connection = try self.connection()
        let state = search.filter.state
        let scan = Self.scan(search, connection)
        try self.transaction(connection) { () throws(StoreError) in
            defer { scan.reset() }
            for _ in 0..<Self.rowsMax {
                guard search.wantsMore else { return }
                guard try scan.step() else {
                    search.isAtEnd = true
                    return
                }
                let id = JobID(rawValue: scan.unsigned(0))
                search.after = id
                if let state, scan.integer(2) != Int64(state.rawValue) { continue }
                guard search.filter.matches(try self.lane(scan.integer(1), connection)) else { continue }
                if let record = try self.record(id, connection), search.filter.matches(record) {
                    search.found.append(record)
                }
            }
        }
    }

    /// The rows that have to be looked at, by the index that leaves the fewest.
    private static func scan(_ search: Search, _ connection: Connection) -> Statement {
        let scan: Statement
        if let batch = search.filter.batch {
            scan = connection.scanBatch
            scan.bind(1, Int64(bitPattern: batch.rawValue))
        } else if let workflow = search.filter.workflow {
            scan = connection.scanWorkflow
            scan.bind(1, Int64(bitPattern: workflow.rawValue))
        } else if let state = search.filter.state, state.isTerminal {
            scan = connection.scanOver
            scan.bind(1, Int64(state.rawValue))
        } else {
            scan = connection.scan
        }
        scan.bind(0, Int64(search.after?.rawValue ?? 0))
        return scan
    }

    func record(_ id: JobID, _ connection: Connection) throws(StoreError) -> JobRecord? {
        let row = connection.fetch
        row.bind(0, Int64(bitPattern: id.rawValue))
        guard try row.step() else { return nil }
        defer { row.reset() }
        let lane = try self.lane(row.integer(0), connection)
        return JobRecord(
            id: id, lane: lane, state: JobState(rawValue: UInt8(clamping: row.integer(1))) ?? .ready,
            history: JobHistory(
                failures: UInt16(clamping: row.integer(4)), nodeDeaths: UInt8(clamping: row.integer(5))),
            options: JobOptions(stored: row.blob(9), priority: lane.priority),
            createdAt: WallTime(microseconds: row.integer(2)),
            due: row.optionalInteger(3).map { WallTime(microseconds: $0) },
            finishedAt: row.optionalInteger(6).map { WallTime(microseconds: $0) },
            lastFailure: row.text(7).map { JobFailure(kind: $0, message: row.text(8) ?? "") },
            payloadCount: Int(row.integer(10)),
            expires: row.optionalInteger(11).map { WallTime(microseconds: $0) },
            workflow: row.optionalInteger(12).map { JobID(rawValue: UInt64($0)) }, waits: Int(row.integer(13)),
            flags: JobFlags(rawValue: UInt32(clamping: row.integer(14))))
    }

    private func lane(_ number: Int64, _ connection: Connection) throws(StoreError) -> LaneKey {
        if number >= self.lanes.count {
            var lanes: [LaneKey] = []
            let sql = "SELECT \(LaneRow.columns) FROM lanes ORDER BY id"
            try connection.database.read(sql) { row throws(StoreError) in
                guard let lane = LaneRow(row, from: 0) else { throw StoreError(.corrupt, "a lane makes no sense") }
                lanes.append(lane.totals.lane)
            }
            self.lanes = lanes
        }
        guard number >= 0, number < self.lanes.count else { throw StoreError(.corrupt, "a job is in no lane") }
        return self.lanes[Int(number)]
    }

    // MARK: The connection

    func connection() throws(StoreError) -> Connection {
        if let opened { return opened }
        guard !self.isClosed else { throw StoreError(.failed, "the store is closed") }
        let database = try Database(path: self.path, isReadOnly: true, vfs: self.vfs)
        try database.execute("PRAGMA query_only=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-2048")
        let connection = Connection(
            database: database,
            scan: try database.prepare("SELECT id, lane, state FROM jobs WHERE id > ?1 ORDER BY id"),
            scanOver: try database.prepare(
                "SELECT id, lane, state FROM jobs WHERE state >= 4 AND state = ?2 AND id > ?1 ORDER BY id"),
            scanBatch: try database.prepare(
                Self.scan(marked: .batch)),
            scanWorkflow: try database.prepare(
                Self.scan(marked: .workflow)),
            fetch: try database.prepare(
                """
                SELECT lane, state, created, due, failures, deaths, finished, failure_kind, failure_message, options,
                length(payload), expires, workflow, waits, flags FROM jobs WHERE id = ?
                """),
            payload: try database.prepare("SELECT payload FROM jobs WHERE id = ?"),
            attempts: try database.prepare(
                """
                SELECT number, ended, node, kind, message, output FROM attempts WHERE job = ? ORDER BY number
                """),
            result: try database.prepare("SELECT value FROM results WHERE job = ?"),
            groups: try GroupQuestions(database), schedules: try ScheduleQuestions(database))
        self.opened = connection
        return connection
    }

    private static func scan(marked kind: JobMark.Kind) -> String {
        """
        SELECT id, lane, state FROM marks JOIN jobs ON id = job
        WHERE kind = \(kind.rawValue) AND value = ?2 AND job > ?1 ORDER BY job
        """
    }

    /// Lets `body` see one moment.
    func transaction<Value>(
        _ connection: Connection, _ body: () throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        try connection.database.execute("BEGIN")
        // Nothing was written: there is nothing to lose.
        defer { try? connection.database.execute("COMMIT") }
        return try body()
    }
}
