import CSQLite
import MartletCore
import MartletStore

/// One connection. Used on one thread at a time.
final class Database {
    private let handle: OpaquePointer
    private var statements: [Statement] = []
    /// Pages that the log holds before the place where the next commit goes.
    private(set) var logPages = 0

    /// - Parameter vfs: name of a registered VFS; nil is the system's.
    init(path: String, isReadOnly: Bool, vfs: String? = nil) throws(StoreError) {
        _ = Self.isConfigured
        var opened: OpaquePointer?
        let access = isReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        let code = sqlite3_open_v2(path, &opened, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs)
        guard code == SQLITE_OK, let opened else {
            let error = StoreError(native: code, of: opened)
            sqlite3_close_v2(opened)
            throw StoreError(error.code, "\(path): \(error.message)", nativeCode: code)
        }
        self.handle = opened
        martlet_sqlite3_close_without_checkpoint(opened)
        // For a moment, while the log is restarted.
        if isReadOnly { sqlite3_busy_timeout(opened, 1000) }
        // Takes the place of SQLite's own checkpoints. `PRAGMA wal_autocheckpoint`, even with 0, would take it away.
        sqlite3_wal_hook(
            opened,
            { context, _, _, pages in
                Unmanaged<Database>.fromOpaque(context!).takeUnretainedValue().logPages = Int(pages)
                return SQLITE_OK
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Before the first connection of the process; without effect if somebody else was first.
    private static let isConfigured = martlet_sqlite3_count_no_memory() == SQLITE_OK

    deinit {
        for statement in self.statements { statement.finalize() }
        sqlite3_close_v2(self.handle)
    }

    /// Runs SQL that returns nothing of interest.
    func execute(_ sql: String) throws(StoreError) {
        let code = sqlite3_exec(self.handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw StoreError(native: code, of: self.handle) }
    }

    /// Prepares a statement that lives as long as this connection.
    func prepare(_ sql: String) throws(StoreError) -> Statement {
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v3(self.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw StoreError(native: code, of: self.handle) }
        let statement = Statement(prepared)
        self.statements.append(statement)
        return statement
    }

    /// The first column of the first row, or nil if there is no row or it is NULL. For what is asked once.
    func integer(_ sql: String) throws(StoreError) -> Int64? {
        var value: Int64?
        try self.read(sql) { row throws(StoreError) in value = row.optionalInteger(0) }
        return value
    }

    /// Hands each row of a query to `body`. For what is asked once.
    func read(_ sql: String, _ body: (Statement) throws(StoreError) -> Void) throws(StoreError) {
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v2(self.handle, sql, -1, &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw StoreError(native: code, of: self.handle) }
        let rows = Statement(prepared)
        defer { rows.finalize() }
        while try rows.step() { try body(rows) }
    }

    /// How long a checkpoint waits for readers to end; not at all unless set.
    func waitForReaders(atMost duration: Duration) {
        sqlite3_busy_timeout(self.handle, Int32(clamping: duration.wholeMilliseconds))
    }

    /// Rows changed by the last statement.
    var changes: Int { Int(sqlite3_changes(self.handle)) }

    var isInTransaction: Bool { sqlite3_get_autocommit(self.handle) == 0 }

    /// Moves the log into the database file and syncs it, as far as no reader is in the way.
    ///
    /// - Parameter truncates: cuts the log to nothing.
    /// - Returns: whether all of it was moved, so that the next commit starts the log anew.
    func checkpoint(truncates: Bool) throws(StoreError) -> Bool {
        let mode = truncates ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_RESTART
        let code = sqlite3_wal_checkpoint_v2(self.handle, nil, mode, nil, nil)
        if code & 0xff == SQLITE_BUSY { return false }
        guard code == SQLITE_OK else { throw StoreError(native: code, of: self.handle) }
        self.logPages = 0
        return true
    }
}
