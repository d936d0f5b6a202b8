import MartletStore

/// The tables, and how a database comes to have them.
enum Schema {
    /// Stored in `user_version`. A store with a higher one was written by a later Martlet.
    static let version: Int64 = 1

    /// No index is touched by a job that is submitted, runs and is deleted: the partial ones do not hold ready jobs.
    private static let tables = """
        CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        INSERT INTO meta VALUES ('epoch', 0), ('next_sequence', 1);
        CREATE TABLE lanes(
            id INTEGER PRIMARY KEY, queue TEXT NOT NULL, type TEXT NOT NULL, priority INTEGER NOT NULL,
            pending INTEGER NOT NULL, dead INTEGER NOT NULL, submitted INTEGER NOT NULL, succeeded INTEGER NOT NULL,
            retried INTEGER NOT NULL, cancelled INTEGER NOT NULL, expired INTEGER NOT NULL, deleted INTEGER NOT NULL);
        CREATE TABLE jobs(
            id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, state INTEGER NOT NULL, created INTEGER NOT NULL,
            due INTEGER, failures INTEGER, deaths INTEGER, finished INTEGER, failure_kind TEXT, failure_message TEXT,
            options BLOB, payload BLOB NOT NULL);
        CREATE INDEX jobs_scheduled ON jobs(due) WHERE state = 1;
        CREATE INDEX jobs_finished ON jobs(state, finished) WHERE state >= 4;
        CREATE TABLE sessions(
            number INTEGER PRIMARY KEY, high INTEGER NOT NULL, low INTEGER NOT NULL, used INTEGER NOT NULL,
            UNIQUE(high, low));
        CREATE TABLE submits(
            place INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL);
        CREATE TABLE nodes(name TEXT PRIMARY KEY, incarnation INTEGER NOT NULL, lease INTEGER NOT NULL) WITHOUT ROWID;
        """

    /// Makes the tables in an empty database.
    ///
    /// - Throws: `.newerVersion`, or `.corrupt` if there are tables of somebody else's.
    static func prepare(_ database: Database, path: String) throws(StoreError) {
        let found = try database.integer("PRAGMA user_version") ?? 0
        if found > self.version {
            throw StoreError(
                .newerVersion,
                "\(path) has schema version \(found), this Martlet knows up to \(self.version): use a later Martlet")
        }
        guard found == 0 else { return }
        guard try database.integer("SELECT count(*) FROM sqlite_schema") == 0 else {
            throw StoreError(.corrupt, "\(path) is an SQLite database, but not Martlet's: name another file")
        }
        try database.execute("BEGIN IMMEDIATE; \(self.tables) PRAGMA user_version = \(self.version); COMMIT;")
    }
}
