import MartletCore
import MartletStore

extension StoreTransaction {
    /// Operations on many jobs, and pauses.
    func control(_ change: Change) throws(StoreError) -> ChangeOutcome {
        switch change {
        case .beginBulk(let record):
            var tables = SQLiteTables(transaction: self)
            return .began(try tables.begin(record))
        case .forgetBulk(let id):
            self.statements.deleteBulk.bind(0, Int64(id.rawValue))
            try self.statements.deleteBulk.run()
        case .pause(let pause):
            pause.target.bind(to: self.statements.writePause)
            self.statements.writePause.bind(2, pause.since.microseconds)
            try self.statements.writePause.run()
        case .resume(let target):
            target.bind(to: self.statements.deletePause)
            try self.statements.deletePause.run()
        default: preconditionFailure("this change is not about pauses or many jobs")
        }
        return .done
    }
}

extension Pause.Target {
    fileprivate func bind(to statement: Statement) {
        switch self {
        case .queue(let name):
            statement.bind(0, 0)
            statement.bind(1, name)
        case .type(let name):
            statement.bind(0, 1)
            statement.bind(1, name)
        }
    }
}

extension Pause {
    static func all(in database: Database) throws(StoreError) -> [Pause] {
        var pauses: [Pause] = []
        try database.read("SELECT kind, name, since FROM pauses ORDER BY kind, name") { row throws(StoreError) in
            let name = row.text(1) ?? ""
            let target = row.integer(0) == 0 ? Target.queue(name) : .type(name)
            pauses.append(Pause(target, since: WallTime(microseconds: row.integer(2))))
        }
        return pauses
    }
}

extension BulkRecord {
    static let columns =
        """
        id, operation, argument, state, queue, type, tag, before, batch, workflow, share, started, finished, through, \
        cursor, changed, missed
        """

    /// Binds all of ``columns``.
    func bind(to statement: Statement) {
        let (operation, argument) = self.operation.stored
        statement.bind(0, Int64(self.id.rawValue))
        statement.bind(1, operation)
        statement.bind(2, argument)
        statement.bind(3, self.filter.state.map { Int64($0.rawValue) })
        statement.bind(4, self.filter.queue)
        statement.bind(5, self.filter.type)
        statement.bind(6, self.filter.tag)
        statement.bind(7, self.filter.createdBefore?.microseconds)
        statement.bind(8, self.filter.batch.map { Int64(bitPattern: $0.rawValue) })
        statement.bind(9, self.filter.workflow.map { Int64(bitPattern: $0.rawValue) })
        statement.bind(10, self.filter.group)
        statement.bind(11, self.startedAt.microseconds)
        statement.bind(12, self.finishedAt?.microseconds)
        statement.bind(13, self.through.map { Int64(bitPattern: $0.rawValue) })
        statement.bind(14, self.cursor.map { Int64(bitPattern: $0.rawValue) })
        statement.bind(15, Int64(bitPattern: self.changed))
        statement.bind(16, Int64(bitPattern: self.missed))
    }

    static func all(in database: Database) throws(StoreError) -> [BulkRecord] {
        var records: [BulkRecord] = []
        try database.read("SELECT \(Self.columns) FROM bulk ORDER BY id") { row throws(StoreError) in
            guard let record = BulkRecord(row) else { throw StoreError(.corrupt, "a bulk operation makes no sense") }
            records.append(record)
        }
        return records
    }

    private init?(_ row: Statement) {
        guard let operation = BulkOperation(stored: row.integer(1), row.optionalInteger(2)) else { return nil }
        func number(_ column: Int32) -> UInt64? { row.optionalInteger(column).map { UInt64(bitPattern: $0) } }
        func time(_ column: Int32) -> WallTime? { row.optionalInteger(column).map { WallTime(microseconds: $0) } }
        let filter = JobFilter(
            state: row.optionalInteger(3).flatMap { JobState(rawValue: UInt8(clamping: $0)) }, queue: row.text(4),
            type: row.text(5), tag: row.text(6), createdBefore: time(7),
            batch: number(8).map { BatchID(rawValue: $0) }, workflow: number(9).map { JobID(rawValue: $0) },
            group: row.text(10))
        self.init(
            id: BulkID(rawValue: row.unsigned(0)), operation: operation, filter: filter,
            startedAt: WallTime(microseconds: row.integer(11)))
        self.finishedAt = time(12)
        self.through = number(13).map { JobID(rawValue: $0) }
        self.cursor = number(14).map { JobID(rawValue: $0) }
        self.changed = row.unsigned(15)
        self.missed = row.unsigned(16)
    }
}

extension BulkOperation {
    fileprivate var stored: (Int64, Int64?) {
        switch self {
        case .cancel: (1, nil)
        case .retry: (2, nil)
        case .delete: (3, nil)
        case .purge: (4, nil)
        case .reschedule(let due): (5, due?.microseconds)
        case .prioritize(let priority): (6, Int64(priority.rawValue))
        }
    }

    fileprivate init?(stored operation: Int64, _ argument: Int64?) {
        switch operation {
        case 1: self = .cancel
        case 2: self = .retry
        case 3: self = .delete
        case 4: self = .purge
        case 5: self = .reschedule(argument.map { WallTime(microseconds: $0) })
        case 6:
            guard let priority = Priority(rawValue: UInt8(clamping: argument ?? -1)) else { return nil }
            self = .prioritize(priority)
        default: return nil
        }
    }
}
