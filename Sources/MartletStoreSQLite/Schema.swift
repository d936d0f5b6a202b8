import MartletCore
import MartletStore

/// The tables, and how a database comes to have them.
enum Schema {
    /// Stored in `user_version`. A store with a higher one was written by a later Martlet.
    static let version: Int64 = 2
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
            expired INTEGER NOT NULL, deleted INTEGER NOT NULL, blocked INTEGER NOT NULL DEFAULT 0,
            kept_bytes INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE jobs(
            id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, state INTEGER NOT NULL, created INTEGER NOT NULL,
            due INTEGER, failures INTEGER, deaths INTEGER, finished INTEGER, failure_kind TEXT, failure_message TEXT,
            options BLOB, flags INTEGER, expires INTEGER, workflow INTEGER, waits INTEGER, revision INTEGER,
            payload BLOB NOT NULL);
        CREATE INDEX jobs_scheduled ON jobs(due, id, lane) WHERE state = 1;
        CREATE INDEX jobs_over ON jobs(state, id, lane) WHERE state >= 4;
        CREATE TABLE sessions(
            number INTEGER PRIMARY KEY, high INTEGER NOT NULL, low INTEGER NOT NULL, used INTEGER NOT NULL,
            UNIQUE(high, low));
        CREATE TABLE submits(
            place INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,
            exceptions BLOB);
        CREATE TABLE nodes(name TEXT PRIMARY KEY, incarnation INTEGER NOT NULL, lease INTEGER NOT NULL) WITHOUT ROWID;
        """
    /// What version 2 has and version 1 had not. What few jobs have is found by marks, see ``JobMark``: an index on the
    /// jobs would be looked at for every job that comes and goes.
    private static let additions = """
        CREATE INDEX jobs_kept ON jobs(expires, id) WHERE state >= 4 AND expires IS NOT NULL;
        CREATE TABLE marks(
            kind INTEGER NOT NULL, value INTEGER NOT NULL, job INTEGER NOT NULL, PRIMARY KEY(kind, value, job))
            WITHOUT ROWID;
        CREATE TABLE kept(
            queue INTEGER NOT NULL, finished INTEGER NOT NULL, job INTEGER NOT NULL, bytes INTEGER NOT NULL,
            PRIMARY KEY(queue, finished, job)) WITHOUT ROWID;
        CREATE TABLE unique_keys(
            scope INTEGER NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL, job INTEGER NOT NULL, until INTEGER,
            PRIMARY KEY(scope, name, key)) WITHOUT ROWID;
        CREATE INDEX unique_keys_over ON unique_keys(until, job) WHERE until IS NOT NULL;
        CREATE TABLE attempts(
            job INTEGER NOT NULL, number INTEGER NOT NULL, ended INTEGER NOT NULL, node TEXT NOT NULL,
            kind TEXT NOT NULL, message TEXT NOT NULL, output BLOB, PRIMARY KEY(job, number)) WITHOUT ROWID;
        CREATE TABLE results(job INTEGER PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE checkpoints(job INTEGER PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE pauses(
            kind INTEGER NOT NULL, name TEXT NOT NULL, since INTEGER NOT NULL, PRIMARY KEY(kind, name)) WITHOUT ROWID;
        CREATE TABLE bulk(
            id INTEGER PRIMARY KEY, operation INTEGER NOT NULL, argument INTEGER, state INTEGER, queue TEXT, type TEXT,
            tag TEXT, before INTEGER, batch INTEGER, workflow INTEGER, share TEXT, started INTEGER NOT NULL,
            finished INTEGER, through INTEGER, cursor INTEGER, changed INTEGER NOT NULL, missed INTEGER NOT NULL);
        CREATE TABLE workflows(
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL, total INTEGER NOT NULL,
            open INTEGER NOT NULL, failed INTEGER NOT NULL, pinned INTEGER NOT NULL, kept_for INTEGER NOT NULL,
            kept_until INTEGER, finished INTEGER, expires INTEGER);
        CREATE INDEX workflows_over ON workflows(expires, id) WHERE expires IS NOT NULL;
        CREATE TABLE members(job INTEGER PRIMARY KEY, name TEXT NOT NULL);
        CREATE TABLE edges(
            parent INTEGER NOT NULL, child INTEGER NOT NULL, kind INTEGER NOT NULL,
            PRIMARY KEY(parent, child)) WITHOUT ROWID;
        CREATE INDEX edges_child ON edges(child, parent);
        CREATE TABLE batches(
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, parent INTEGER, depth INTEGER NOT NULL,
            created INTEGER NOT NULL, kept_for INTEGER NOT NULL, closed INTEGER NOT NULL, total INTEGER NOT NULL,
            pending INTEGER NOT NULL, succeeded INTEGER NOT NULL, dead INTEGER NOT NULL, cancelled INTEGER NOT NULL,
            expired INTEGER NOT NULL, had_death INTEGER NOT NULL, finished INTEGER, expires INTEGER, on_end INTEGER,
            on_success INTEGER, on_death INTEGER);
        CREATE INDEX batches_over ON batches(expires, id) WHERE expires IS NOT NULL;
        CREATE TABLE releases(
            number INTEGER PRIMARY KEY, source INTEGER NOT NULL, state INTEGER, cursor INTEGER);
        CREATE TABLE schedules(
            name TEXT PRIMARY KEY, revision INTEGER NOT NULL, handled_through INTEGER NOT NULL,
            paused INTEGER NOT NULL, last_job INTEGER, queued_instant INTEGER, fired_total INTEGER NOT NULL,
            skipped_total INTEGER NOT NULL, missed_total INTEGER NOT NULL, runs INTEGER NOT NULL,
            forgotten_through INTEGER, origin INTEGER NOT NULL, definition BLOB NOT NULL);
        CREATE TABLE services(
            name TEXT PRIMARY KEY, paused INTEGER NOT NULL, changed INTEGER NOT NULL, who TEXT NOT NULL,
            limits BLOB) WITHOUT ROWID;
        CREATE TABLE service_changes(
            number INTEGER PRIMARY KEY, name TEXT NOT NULL, changed INTEGER NOT NULL, who TEXT NOT NULL,
            what TEXT NOT NULL);
        CREATE TABLE service_closings(name TEXT PRIMARY KEY, at INTEGER NOT NULL, lasts INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE schedule_runs(
            schedule TEXT NOT NULL, instant INTEGER NOT NULL, job INTEGER NOT NULL,
            PRIMARY KEY(schedule, instant)) WITHOUT ROWID;
        """
    private static let upgrades = """
        ALTER TABLE lanes ADD COLUMN blocked INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE lanes ADD COLUMN kept_bytes INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE jobs ADD COLUMN flags INTEGER;
        ALTER TABLE jobs ADD COLUMN expires INTEGER;
        ALTER TABLE jobs ADD COLUMN workflow INTEGER;
        ALTER TABLE jobs ADD COLUMN waits INTEGER;
        ALTER TABLE jobs ADD COLUMN revision INTEGER;
        ALTER TABLE submits ADD COLUMN exceptions BLOB;
        DROP INDEX jobs_finished;
        """
    /// What version 1 kept counts like what is kept since. A queue has the number of its first lane.
    private static let listing = """
        INSERT INTO kept(queue, finished, job, bytes)
            SELECT (SELECT min(other.id) FROM lanes JOIN lanes AS other USING (queue) WHERE lanes.id = jobs.lane),
                finished, id, length(payload) + \(KeptJob.overheadBytes)
            FROM jobs WHERE state >= 4;
        UPDATE lanes SET kept_bytes = found.bytes FROM (
            SELECT lane, sum(kept.bytes) AS bytes FROM kept JOIN jobs ON jobs.id = kept.job GROUP BY lane) AS found
            WHERE found.lane = lanes.id;
        """

    /// What is to be done with a database before it can be used.
    enum Need: Equatable {
        case nothing
        case creation
        case upgrade
    }

    /// Refuses a database that is not ours to touch; changes nothing.
    ///
    /// - Throws: `.newerVersion`, or `.corrupt` if it is somebody else's or no database.
    static func check(_ database: Database, path: String) throws(StoreError) -> Need {
        if try database.integer("SELECT count(*) FROM sqlite_schema") == 0 { return .creation }
        guard try database.integer("PRAGMA application_id") == self.application else {
            throw StoreError(.corrupt, "\(path) is an SQLite database, but not Martlet's: name another file")
        }
        let found = try database.integer("PRAGMA user_version") ?? 0
        guard found <= self.version else {
            throw StoreError(
                .newerVersion,
                "\(path) has schema version \(found), this Martlet knows up to \(self.version): use a later Martlet")
        }
        return found < self.version ? .upgrade : .nothing
    }

    /// Makes the tables in an empty database, or those that an older one lacks, in one transaction.
    ///
    /// - Parameter retention: see ``SQLiteSettings/upgradedRetention``.
    static func meet(
        _ need: Need, in database: Database, retention: (String) -> Duration?
    ) throws(StoreError) {
        switch need {
        case .nothing: return
        case .creation:
            try database.execute(
                "BEGIN IMMEDIATE; \(self.tables) \(self.additions) PRAGMA application_id = \(self.application);")
        case .upgrade:
            try database.execute("BEGIN IMMEDIATE; \(self.upgrades) \(self.additions) \(self.listing)")
            try self.setExpiry(in: database, retention)
        }
        try database.execute("PRAGMA user_version = \(self.version); COMMIT;")
    }

    /// Version 1 looked at the setting of a queue when it removed jobs that had succeeded; now each of them says how
    /// long it stays.
    private static func setExpiry(
        in database: Database, _ retention: (String) -> Duration?
    ) throws(StoreError) {
        var queues: [String] = []
        try database.read("SELECT DISTINCT queue FROM lanes ORDER BY queue") { row in queues.append(row.text(0) ?? "") }
        let update = try database.prepare(
            """
            UPDATE jobs SET expires = finished + ?
            WHERE state = 4 AND lane IN (SELECT id FROM lanes WHERE queue = ?)
            """)
        for queue in queues {
            guard let keptFor = retention(queue) else { continue }
            update.bind(0, keptFor.wholeMicroseconds)
            update.bind(1, queue)
            try update.run()
        }
    }
}
