import CSQLite
import MartletStore

/// One connection. Used on one thread at a time.
final class Database {
    let handle: OpaquePointer
    private var statements: [Statement] = []
    /// Pages in the log after the last commit.
    private(set) var logPages = 0

    /// - Parameter vfs: name of a registered VFS; nil is the system's.
    init(path: String, isReadOnly: Bool, vfs: String? = nil) throws(StoreError) {
        var opened: OpaquePointer?
        let flags =
            (isReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) | SQLITE_OPEN_NOMUTEX
            | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &opened, flags, vfs)
        guard code == SQLITE_OK, let opened else {
            let text = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(opened)
            throw StoreError(code & 0xff == SQLITE_NOTADB ? .corrupt : .failed, "\(path): \(text)", nativeCode: code)
        }
        self.handle = opened
        sqlite3_busy_timeout(opened, isReadOnly ? 1000 : 0)
        sqlite3_wal_hook(
            opened,
            { context, _, _, pages in
                Unmanaged<Database>.fromOpaque(context!).takeUnretainedValue().logPages = Int(pages)
                return SQLITE_OK
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit {
        for statement in self.statements { statement.finalize() }
        sqlite3_close_v2(self.handle)
    }

    /// Runs SQL that returns nothing of interest.
    func execute(_ sql: String) throws(StoreError) {
        let code = sqlite3_exec(self.handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw self.error(code) }
    }

    /// Prepares a statement that lives as long as this connection.
    func prepare(_ sql: String) throws(StoreError) -> Statement {
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v3(self.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw self.error(code) }
        let statement = Statement(prepared, database: self)
        self.statements.append(statement)
        return statement
    }

    /// The first column of the only row, or nil.
    func integer(_ sql: String) throws(StoreError) -> Int64? {
        let statement = try self.prepareOnce(sql)
        defer { statement.finalize() }
        return try statement.step() ? statement.integer(0) : nil
    }

    /// A statement that the caller finalizes.
    func prepareOnce(_ sql: String) throws(StoreError) -> Statement {
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v2(self.handle, sql, -1, &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw self.error(code) }
        return Statement(prepared, database: self)
    }

    /// Rows changed by the last statement.
    var changes: Int { Int(sqlite3_changes(self.handle)) }

    var isInTransaction: Bool { sqlite3_get_autocommit(self.handle) == 0 }

    func error(_ code: Int32) -> StoreError {
        let kind: StoreError.Code =
            switch code & 0xff {
            case SQLITE_FULL: .diskFull
            case SQLITE_CORRUPT, SQLITE_NOTADB: .corrupt
            case SQLITE_BUSY, SQLITE_LOCKED: .locked
            default: .failed
            }
        return StoreError(kind, String(cString: sqlite3_errmsg(self.handle)), nativeCode: code)
    }
}

/// A prepared statement. Parameters and columns count from 0.
struct Statement {
    private let handle: OpaquePointer
    private unowned let database: Database

    init(_ handle: OpaquePointer, database: Database) {
        self.handle = handle
        self.database = database
    }

    func finalize() { sqlite3_finalize(self.handle) }

    func bind(_ place: Int32, _ value: Int64?) {
        if let value {
            sqlite3_bind_int64(self.handle, place + 1, value)
        } else {
            sqlite3_bind_null(self.handle, place + 1)
        }
    }

    func bind(_ place: Int32, _ text: String?) {
        guard let text else {
            sqlite3_bind_null(self.handle, place + 1)
            return
        }
        sqlite3_bind_text(self.handle, place + 1, text, Int32(text.utf8.count), Self.copied)
    }

    /// Binds bytes that must stay where they are until the statement is reset.
    func bind(_ place: Int32, borrowing bytes: UnsafeRawBufferPointer) {
        sqlite3_bind_blob64(self.handle, place + 1, bytes.baseAddress ?? Self.nowhere, UInt64(bytes.count), nil)
    }

    func bind(_ place: Int32, copying bytes: [UInt8]?) {
        guard let bytes else {
            sqlite3_bind_null(self.handle, place + 1)
            return
        }
        sqlite3_bind_blob64(self.handle, place + 1, bytes, UInt64(bytes.count), Self.copied)
    }

    /// Whether there is a (further) row. Resets the statement after the last one or an error.
    func step() throws(StoreError) -> Bool {
        let code = sqlite3_step(self.handle)
        if code == SQLITE_ROW { return true }
        guard code == SQLITE_DONE else {
            let error = self.database.error(code)
            sqlite3_reset(self.handle)
            throw error
        }
        sqlite3_reset(self.handle)
        return false
    }

    /// Runs a statement that returns no rows.
    func run() throws(StoreError) { _ = try self.step() }

    func reset() { sqlite3_reset(self.handle) }

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(self.handle, column) }

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(self.handle, column) == SQLITE_NULL }

    func optionalInteger(_ column: Int32) -> Int64? { self.isNull(column) ? nil : self.integer(column) }

    func text(_ column: Int32) -> String? { sqlite3_column_text(self.handle, column).map { String(cString: $0) } }

    func blob(_ column: Int32) -> UnsafeRawBufferPointer {
        let count = Int(sqlite3_column_bytes(self.handle, column))
        return UnsafeRawBufferPointer(start: sqlite3_column_blob(self.handle, column), count: count)
    }

    private static let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    private static nonisolated(unsafe) let nowhere = UnsafeRawPointer(bitPattern: 1)!
}
