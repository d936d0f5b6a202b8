import CSQLite
import MartletCore
import MartletStore
import MartletStoreSQLite
import Testing

/// A store that version 0.1.0 wrote goes on under this one.
@Suite struct UpgradeTests {
    /// As 0.1.0 made it, with a ready, a scheduled, a succeeded and a dead job.
    private static let versionOne = """
        PRAGMA journal_mode=WAL;
        CREATE TABLE owner(
            only INTEGER PRIMARY KEY CHECK (only = 1), epoch INTEGER NOT NULL, next_sequence INTEGER NOT NULL);
        INSERT INTO owner VALUES (1, 7, 5);
        CREATE TABLE lanes(
            id INTEGER PRIMARY KEY, queue TEXT NOT NULL, type TEXT NOT NULL, priority INTEGER NOT NULL,
            ready INTEGER NOT NULL, scheduled INTEGER NOT NULL, dead INTEGER NOT NULL, submitted INTEGER NOT NULL,
            succeeded INTEGER NOT NULL, retried INTEGER NOT NULL, cancelled INTEGER NOT NULL,
            expired INTEGER NOT NULL, deleted INTEGER NOT NULL);
        INSERT INTO lanes VALUES (0, 'mail', 'welcome', 5, 1, 1, 1, 4, 1, 3, 0, 0, 0);
        CREATE TABLE jobs(
            id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, state INTEGER NOT NULL, created INTEGER NOT NULL,
            due INTEGER, failures INTEGER, deaths INTEGER, finished INTEGER, failure_kind TEXT, failure_message TEXT,
            options BLOB, payload BLOB NOT NULL);
        CREATE INDEX jobs_scheduled ON jobs(due, id, lane) WHERE state = 1;
        CREATE INDEX jobs_over ON jobs(state, id, lane) WHERE state >= 4;
        CREATE INDEX jobs_finished ON jobs(state, finished, id) WHERE state >= 4;
        INSERT INTO jobs(id, lane, state, created, payload) VALUES (1, 0, 2, 10, x'61');
        INSERT INTO jobs(id, lane, state, created, due, failures, options, payload)
            VALUES (2, 0, 1, 10, 900, 2, x'0140420f0000000000', x'62');
        INSERT INTO jobs(id, lane, state, created, finished, payload) VALUES (3, 0, 4, 10, 20, x'63');
        INSERT INTO jobs(id, lane, state, created, failures, finished, failure_kind, failure_message, payload)
            VALUES (4, 0, 5, 10, 1, 20, 'k', 'm', x'64');
        CREATE TABLE sessions(
            number INTEGER PRIMARY KEY, high INTEGER NOT NULL, low INTEGER NOT NULL, used INTEGER NOT NULL,
            UNIQUE(high, low));
        INSERT INTO sessions VALUES (1, 3, 4, 10);
        CREATE TABLE submits(
            place INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL);
        INSERT INTO submits VALUES (257, 1, 1, 4);
        CREATE TABLE nodes(name TEXT PRIMARY KEY, incarnation INTEGER NOT NULL, lease INTEGER NOT NULL) WITHOUT ROWID;
        PRAGMA application_id = 0x4d72746c; PRAGMA user_version = 1;
        """

    @Test func aStoreOfTheFirstVersionGoesOn() async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        Self.write(Self.versionOne, to: folder.file("store.db"))
        let store = SQLiteStore(path: folder.file("store.db"), loop: loops.writer, readerLoop: loops.reader)
        let opening = try await store.open()
        #expect(opening.epoch == Epoch(rawValue: 8) && opening.pendingCount == 2)
        let jobs = try await store.jobs(matching: JobFilter(), after: nil, limit: 9)
        #expect(jobs.map(\.state) == [.ready, .scheduled, .succeeded, .dead])
        #expect(jobs[1].options.timeout == .seconds(1) && jobs[1].history.failures == 2)
        #expect(jobs[2].expires == WallTime(microseconds: 20) + .seconds(365 * 86400))
        #expect(jobs[3].lastFailure == JobFailure(kind: "k", message: "m") && jobs[3].expires == nil)
        let session = SessionID(high: 3, low: 4)
        let lane = LaneID(rawValue: 0)
        var options = JobOptions.standard
        options.unique = UniqueKey("a")
        let job = NewJob(lane: lane, options: options, payload: .empty)
        let ids = jobs.map(\.id)
        let result = try await store.commit(
            CommitGroup(
                epoch: opening.epoch, now: WallTime(microseconds: 30),
                changes: [
                    .submit(Submission(session: session, sequence: 1, jobs: [job])),
                    .submit(Submission(session: session, sequence: 2, jobs: [job, job])),
                    .succeed([SucceededJob(id: ids[0], lane: lane), SucceededJob(id: ids[1], lane: lane)]),
                ]))
        #expect(
            result.outcomes == [
                .submitted(.repeated(first: ids[0], count: 4)),
                .submitted(
                    .accepted(
                        first: JobID(rawValue: 5), count: 2,
                        exceptions: [SubmitException(place: 1, kind: .existing(JobID(rawValue: 5)))])),
                .applied(missing: []),
            ])
        let totals = try await store.laneTotals()
        #expect(totals[0].isBalanced && totals[0].ready == 1 && totals[0].succeededTotal == 3)
        await store.close()
    }

    /// 0.1.0 kept succeeded jobs for as long as the setting of their queue said when it looked.
    @Test(arguments: [.seconds(3600), .zero, nil] as [Duration?])
    func whatHadSucceededStaysForAsLongAsTheSettingSays(keptFor: Duration?) async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        Self.write(Self.versionOne, to: folder.file("store.db"))
        let settings = SQLiteSettings(upgradedRetention: { $0 == "mail" ? keptFor : .seconds(1) })
        let store = SQLiteStore(
            path: folder.file("store.db"), loop: loops.writer, readerLoop: loops.reader, settings: settings)
        let opening = try await store.open()
        let jobs = try await store.jobs(matching: JobFilter(), after: nil, limit: 9)
        #expect(jobs[2].expires == keptFor.map { WallTime(microseconds: 20) + $0 } && jobs[3].expires == nil)
        // Both that are over take room: a byte each, and the rest.
        #expect(try await store.laneTotals()[0].keptBytes == UInt64(2 * (1 + KeptJob.overheadBytes)))
        let trim = KeptTrim(queue: "mail", bytesMax: KeptJob.overheadBytes + 1, limit: 9)
        let result = try await store.commit(
            CommitGroup(epoch: opening.epoch, now: WallTime(microseconds: 30), changes: [.trim(trim)]))
        #expect(result.outcomes == [.purged(count: 1)])
        #expect(try await store.job(jobs[2].id) == nil)
        await store.close()
    }

    private static func write(_ sql: String, to path: String) {
        var connection: OpaquePointer?
        #expect(sqlite3_open(path, &connection) == SQLITE_OK)
        #expect(sqlite3_exec(connection, sql, nil, nil, nil) == SQLITE_OK)
        sqlite3_close(connection)
    }
}
