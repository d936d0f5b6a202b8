import MartletStore

/// The tables, and how a database comes to have them.
enum Schema {
    /// Stored in `user_version`. A store with a higher one was written by a later Martlet.
    static let version: Int64 = 1
    /// Stored in `application_id`: "Mrtl".
    private static let application: Int64 = 0x4d72_746c

    /// No index is touched by a job that is submitted, runs and is deleted: the partial ones do not hold ready jobs.
    ///
    /// What is most often NULL stands before the payload, so that no overflow page is read for it.
    private static let tables = """
        CREATE TABLE owner(
            only INTEGER PRIMARY KEY CHECK (only = 1), epoch INTEGER NOT NULL, next_sequence INTEGER NOT NULL);
        INSERT INTO owner VALUES (1, 0, 1);
        CREATE TABLE lanes(
            id INTEGER PRIMARY KEY, queue TEXT NOT NULL, type TEXT NOT NULL, priority INTEGER NOT NULL,
            ready INTEGER NOT NULL, scheduled INTEGER NOT NULL, dead INTEGER NOT NULL, submitted INTEGER NOT NULL,
            succeeded INTEGER NOT NULL, retried INTEGER NOT NULL, cancelled INTEGER NOT NULL,
            expired INTEGER NOT NULL, deleted INTEGER NOT NULL);
        CREATE TABLE jobs(
            id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, state INTEGER NOT NULL, created INTEGER NOT NULL,
            due INTEGER, failures INTEGER, deaths INTEGER, finished INTEGER, failure_kind TEXT, failure_message TEXT,
            options BLOB, payload BLOB NOT NULL);
        CREATE INDEX jobs_scheduled ON jobs(due, id, lane) WHERE state = 1;
        CREATE INDEX jobs_over ON jobs(state, id, lane) WHERE state >= 4;
        CREATE INDEX jobs_finished ON jobs(state, finished, id) WHERE state >= 4;
        CREATE TABLE sessions(
            number INTEGER PRIMARY KEY, high INTEGER NOT NULL, low INTEGER NOT NULL, used INTEGER NOT NULL,
            UNIQUE(high, low));
        CREATE TABLE submits(
            place INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL);
        CREATE TABLE nodes(name TEXT PRIMARY KEY, incarnation INTEGER NOT NULL, lease INTEGER NOT NULL) WITHOUT ROWID;
        """

    /// Refuses a database that is not ours to touch; changes nothing.
    ///
    /// - Returns: whether it is empty.
    /// - Throws: `.newerVersion`, or `.corrupt` if it is somebody else's or no database.
    static func check(_ database: Database, path: String) throws(StoreError) -> Bool {
        if try database.integer("SELECT count(*) FROM sqlite_schema") == 0 { return true }
        guard try database.integer("PRAGMA application_id") == self.application else {
            throw StoreError(.corrupt, "\(path) is an SQLite database, but not Martlet's: name another file")
        }
        let found = try database.integer("PRAGMA user_version") ?? 0
        guard found <= self.version else {
            throw StoreError(
                .newerVersion,
                "\(path) has schema version \(found), this Martlet knows up to \(self.version): use a later Martlet")
        }
        return false
    }

    /// Makes the tables in an empty database.
    static func create(in database: Database) throws(StoreError) {
        try database.execute(
            """
            BEGIN IMMEDIATE; \(self.tables)
            PRAGMA application_id = \(self.application); PRAGMA user_version = \(self.version); COMMIT;
            """)
    }
}
