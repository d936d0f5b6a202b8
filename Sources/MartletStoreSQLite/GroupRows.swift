import MartletCore
import MartletStore

/// How workflows and batches are written and read.
enum GroupRows {
    static let workflow =
        "id, name, created, total, open, failed, pinned, kept_for, kept_until, finished, expires"
    static let batch =
        """
        id, name, parent, depth, created, kept_for, closed, total, pending, succeeded, dead, cancelled, expired,
        had_death, finished, expires, on_end, on_success, on_death
        """
    /// The parents of a job, with state, name and result.
    static let parentResults =
        """
        SELECT edges.parent, jobs.state, members.name, results.job, results.value
        FROM edges LEFT JOIN jobs ON jobs.id = edges.parent LEFT JOIN members ON members.job = edges.parent
        LEFT JOIN results ON results.job = edges.parent
        WHERE edges.child = ? ORDER BY edges.parent LIMIT ?
        """
}

extension WorkflowRow {
    func bind(to statement: Statement) {
        statement.bind(0, Int64(self.id.rawValue))
        statement.bind(1, self.name)
        statement.bind(2, self.createdAt.microseconds)
        statement.bind(3, Int64(self.total))
        statement.bind(4, Int64(self.open))
        statement.bind(5, Int64(self.failed))
        statement.bind(6, Int64(self.pinned))
        statement.bind(7, self.keptFor.wholeMicroseconds)
        statement.bind(8, self.keptUntil?.microseconds)
        statement.bind(9, self.finishedAt?.microseconds)
        statement.bind(10, self.expires?.microseconds)
    }

    /// Reads ``GroupRows/workflow``.
    init(_ row: Statement) {
        self.init(
            id: JobID(rawValue: row.unsigned(0)), name: row.text(1) ?? "",
            createdAt: WallTime(microseconds: row.integer(2)), total: Int(row.integer(3)), open: Int(row.integer(4)),
            failed: Int(row.integer(5)), pinned: Int(row.integer(6)), keptFor: .microseconds(row.integer(7)),
            keptUntil: row.optionalTime(8), finishedAt: row.optionalTime(9), expires: row.optionalTime(10))
    }
}

extension BatchRow {
    func bind(to statement: Statement) {
        statement.bind(0, Int64(self.id.rawValue))
        statement.bind(1, self.name)
        statement.bind(2, self.parent.map { Int64($0.rawValue) })
        statement.bind(3, Int64(self.depth))
        statement.bind(4, self.createdAt.microseconds)
        statement.bind(5, self.keptFor.wholeMicroseconds)
        statement.bind(6, self.isClosed ? 1 : 0)
        statement.bind(7, Int64(self.total))
        statement.bind(8, Int64(self.pending))
        statement.bind(9, Int64(self.succeeded))
        statement.bind(10, Int64(self.dead))
        statement.bind(11, Int64(self.cancelled))
        statement.bind(12, Int64(self.expired))
        statement.bind(13, self.hasDeath ? 1 : 0)
        statement.bind(14, self.finishedAt?.microseconds)
        statement.bind(15, self.expires?.microseconds)
        statement.bind(16, self.onEnd.map { Int64($0.rawValue) })
        statement.bind(17, self.onSuccess.map { Int64($0.rawValue) })
        statement.bind(18, self.onDeath.map { Int64($0.rawValue) })
    }

    /// Reads ``GroupRows/batch``.
    init(_ row: Statement) {
        func id(_ column: Int32) -> UInt64? { row.optionalInteger(column).map { UInt64($0) } }
        self.init(
            id: BatchID(rawValue: row.unsigned(0)), name: row.text(1) ?? "", parent: id(2).map(BatchID.init(rawValue:)),
            depth: Int(row.integer(3)), createdAt: WallTime(microseconds: row.integer(4)),
            keptFor: .microseconds(row.integer(5)))
        self.isClosed = row.integer(6) != 0
        self.total = row.unsigned(7)
        self.pending = row.unsigned(8)
        self.succeeded = row.unsigned(9)
        self.dead = row.unsigned(10)
        self.cancelled = row.unsigned(11)
        self.expired = row.unsigned(12)
        self.hasDeath = row.integer(13) != 0
        self.finishedAt = row.optionalTime(14)
        self.expires = row.optionalTime(15)
        self.onEnd = id(16).map(JobID.init(rawValue:))
        self.onSuccess = id(17).map(JobID.init(rawValue:))
        self.onDeath = id(18).map(JobID.init(rawValue:))
    }
}

extension JobEdge {
    /// Reads parent, child and kind.
    init?(_ row: Statement) {
        guard let kind = DependencyKind(rawValue: UInt8(clamping: row.integer(2))) else { return nil }
        self.init(parent: JobID(rawValue: row.unsigned(0)), child: JobID(rawValue: row.unsigned(1)), kind: kind)
    }
}

extension Release {
    /// Reads source, state and cursor. A batch has no state.
    init(_ row: Statement) {
        let source = row.unsigned(0)
        let state = row.optionalInteger(1).map { JobState(rawValue: UInt8(clamping: $0)) ?? .dead }
        self.init(
            state.map { .job(JobID(rawValue: source), as: $0) } ?? .batch(BatchID(rawValue: source)),
            cursor: row.optionalInteger(2).map { JobID(rawValue: UInt64($0)) })
    }

    func bind(to statement: Statement) {
        switch self.source {
        case .job(let id, let state):
            statement.bind(0, Int64(id.rawValue))
            statement.bind(1, Int64(state.rawValue))
        case .batch(let id):
            statement.bind(0, Int64(id.rawValue))
            statement.bindNull(1)
        }
        statement.bind(2, self.cursor.map { Int64($0.rawValue) })
    }
}

extension Statement {
    func optionalTime(_ column: Int32) -> WallTime? {
        self.optionalInteger(column).map { WallTime(microseconds: $0) }
    }
}
