import CSQLite

/// The database: jobs by id, in WAL mode, every commit synced.
final class JobTable {
    private var database: OpaquePointer?
    private var insertion: OpaquePointer?
    private var deletion: OpaquePointer?

    init(path: String) {
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        self.check(sqlite3_open_v2(path, &self.database, flags, nil))
        self.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000")
        self.execute("CREATE TABLE jobs(id INTEGER PRIMARY KEY, payload BLOB NOT NULL)")
        self.check(sqlite3_prepare_v3(self.database, "INSERT INTO jobs VALUES (?, ?)", -1, 1, &self.insertion, nil))
        self.check(sqlite3_prepare_v3(self.database, "DELETE FROM jobs WHERE id = ?", -1, 1, &self.deletion, nil))
    }

    func begin() { self.execute("BEGIN IMMEDIATE") }

    func commit() { self.execute("COMMIT") }

    func insert(_ id: Int64, _ payload: UnsafeRawBufferPointer) {
        sqlite3_bind_int64(self.insertion, 1, id)
        // No destructor: the bytes outlive the step.
        sqlite3_bind_blob(self.insertion, 2, payload.baseAddress, Int32(payload.count), nil)
        self.step(self.insertion)
    }

    func delete(_ id: Int64) {
        sqlite3_bind_int64(self.deletion, 1, id)
        self.step(self.deletion)
        precondition(sqlite3_changes(self.database) == 1, "each job is deleted once")
    }

    private func step(_ statement: OpaquePointer?) {
        let result = sqlite3_step(statement)
        precondition(result == SQLITE_DONE, String(cString: sqlite3_errmsg(self.database)))
        sqlite3_reset(statement)
    }

    private func execute(_ sql: String) { self.check(sqlite3_exec(self.database, sql, nil, nil, nil)) }

    private func check(_ result: Int32) {
        precondition(result == SQLITE_OK, String(cString: sqlite3_errmsg(self.database)))
    }
}
