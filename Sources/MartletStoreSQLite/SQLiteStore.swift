import CSQLite
package import MartletCore
package import MartletRuntime
package import MartletStore

/// Keeps jobs in one SQLite file: WAL, `synchronous=FULL`, one connection that writes and checkpoints.
///
/// Uses a loop of its own for writing, since its calls block, and another for questions that people ask, so that a
/// long list delays no commit.
package actor SQLiteStore: JobStore {
    /// How the store behaves. Only tests have a reason to change it.
    package struct Settings: Sendable {
        /// `FULL` in production: every commit is synced.
        package let synchronous: String
        /// A registered VFS; nil is the system's.
        package let vfs: String?
        /// The log is checkpointed once it holds this many bytes.
        package let logBytesMax: Int
        package let cacheBytes: Int

        package init(
            synchronous: String = "FULL", vfs: String? = nil, logBytesMax: Int = 64 << 20, cacheBytes: Int = 16 << 20
        ) {
            self.synchronous = synchronous
            self.vfs = vfs
            self.logBytesMax = logBytesMax
            self.cacheBytes = cacheBytes
        }
    }

    private let path: String
    private let shard: UInt16
    private let loop: EventLoop
    private let settings: Settings
    private let reader: SQLiteReader
    private var lock: StoreLockBox?
    private var database: Database?
    private var transaction: StoreTransaction?
    private var space: DiskSpace
    private var isCheckpointDue = false
    /// Set once a COMMIT or sync has failed: nothing that is in memory or in the page cache can be trusted.
    private var isBroken = false

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    /// - Parameters:
    ///   - loop: where writing is done; blocks.
    ///   - readerLoop: where people's questions are answered; blocks.
    package init(
        path: String, shard: UInt16 = 0, loop: EventLoop, readerLoop: EventLoop, settings: Settings = Settings()
    ) {
        self.path = path
        self.shard = shard
        self.loop = loop
        self.settings = settings
        self.reader = SQLiteReader(path: path, vfs: settings.vfs, loop: readerLoop)
        self.space = DiskSpace(databasePath: path)
    }

    // MARK: Opening and closing

    package func open() async throws(StoreError) -> StoreOpening {
        self.lock = StoreLockBox(try StoreLock(path: self.path + "-lock"))
        do {
            return try self.openDatabase()
        } catch {
            self.transaction = nil
            self.database = nil
            self.lock = nil
            throw error
        }
    }

    private func openDatabase() throws(StoreError) -> StoreOpening {
        let database = try Database(path: self.path, isReadOnly: false, vfs: self.settings.vfs)
        try database.execute(
            """
            PRAGMA journal_mode=WAL; PRAGMA synchronous=\(self.settings.synchronous); PRAGMA wal_autocheckpoint=0;
            PRAGMA secure_delete=OFF; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;
            PRAGMA cache_size=-\(self.settings.cacheBytes / 1024);
            """)
        // Before anything is read: what the last owner left is to be on disk, not only in the page cache.
        try Self.checkpoint(database, mode: SQLITE_CHECKPOINT_TRUNCATE)
        try Schema.prepare(database, path: self.path)
        try database.execute("UPDATE meta SET value = value + 1 WHERE name = 'epoch'")
        try Self.checkpoint(database, mode: SQLITE_CHECKPOINT_TRUNCATE)
        let transaction = try StoreTransaction(database, shard: self.shard)
        self.database = database
        self.transaction = transaction
        self.space.forget()
        self.space.replenish()
        let epoch = try database.integer("SELECT value FROM meta WHERE name = 'epoch'") ?? 0
        return StoreOpening(
            epoch: Epoch(rawValue: UInt64(bitPattern: epoch)), lanes: transaction.lanes.map(\.key),
            nodes: try Self.nodes(database), pendingCount: Int(transaction.lanes.reduce(0) { $0 + $1.pending }))
    }

    private static func nodes(_ database: Database) throws(StoreError) -> [NodeRecord] {
        let rows = try database.prepareOnce("SELECT name, incarnation, lease FROM nodes ORDER BY name")
        defer { rows.finalize() }
        var nodes: [NodeRecord] = []
        while try rows.step() {
            let id = NodeID(name: rows.text(0) ?? "", incarnation: UInt64(bitPattern: rows.integer(1)))
            nodes.append(NodeRecord(id: id, leaseDuration: .microseconds(rows.integer(2))))
        }
        return nodes
    }

    package func close() async {
        await self.reader.close()
        if let database = self.database, !self.isBroken {
            try? Self.checkpoint(database, mode: SQLITE_CHECKPOINT_TRUNCATE)
        }
        self.transaction = nil
        self.database = nil
        self.lock = nil
    }

    // MARK: Committing

    package func commit(_ group: CommitGroup) async throws(StoreError) -> [ChangeOutcome] {
        let (database, transaction) = try self.opened()
        try self.space.ensure(
            Self.logBytes(of: group), after: database.logPages * Self.logPageBytes, mayUseReserve: group.mayUseReserve)
        var outcomes: [ChangeOutcome] = []
        do {
            try database.execute("BEGIN IMMEDIATE")
            outcomes = try transaction.apply(group)
        } catch {
            throw self.rollBack(after: error)
        }
        do {
            try database.execute("COMMIT")
        } catch {
            self.isBroken = true
            throw StoreError(.outcomeUnknown, "COMMIT failed: \(error.message)", nativeCode: error.nativeCode)
        }
        self.checkpointLater(database)
        return outcomes
    }

    private func opened() throws(StoreError) -> (Database, StoreTransaction) {
        if self.isBroken { throw StoreError(.outcomeUnknown, "a COMMIT failed before: the store must be opened again") }
        guard let database, let transaction else { throw StoreError(.failed, "the store is not open") }
        return (database, transaction)
    }

    /// Undoes a transaction that failed before COMMIT. Returns what to tell the caller.
    private func rollBack(after error: StoreError) -> StoreError {
        do {
            guard let database, let transaction else { return error }
            if database.isInTransaction { try database.execute("ROLLBACK") }
            try transaction.reload()
        } catch {
            self.isBroken = true
            return StoreError(.outcomeUnknown, "ROLLBACK failed: \(error.message)", nativeCode: error.nativeCode)
        }
        switch error.code {
        case .diskFull, .fenced: return error
        default: return StoreError(.rolledBack, error.message, nativeCode: error.nativeCode)
        }
    }

    // MARK: The log

    private static let logPageBytes = 4096 + 24

    /// A bound on what a group writes to the log: its payloads, and a page for each change of a row elsewhere.
    private static func logBytes(of group: CommitGroup) -> Int {
        var bytes = 64 * self.logPageBytes
        for change in group.changes {
            switch change {
            case .submit(let submission):
                bytes += submission.jobs.reduce(0) { $0 + $1.payload.count + 64 } * 9 / 8 + 4 * self.logPageBytes
            case .succeed(let jobs): bytes += min(jobs.count, 256) * self.logPageBytes
            case .update(let updates): bytes += min(updates.count, 256) * 3 * self.logPageBytes
            case .deleteDead(let ids): bytes += min(ids.count, 256) * 2 * self.logPageBytes
            default: bytes += 4 * self.logPageBytes
            }
        }
        return bytes
    }

    /// Checkpoints after the calls that already wait, so that none of them waits for it.
    private func checkpointLater(_ database: Database) {
        guard database.logPages * Self.logPageBytes > self.settings.logBytesMax, !self.isCheckpointDue else { return }
        self.isCheckpointDue = true
        self.loop.schedule(at: self.loop.now) { [weak self] in
            self?.assumeIsolated { $0.checkpointNow() }
        }
    }

    private func checkpointNow() {
        self.isCheckpointDue = false
        guard let database, !self.isBroken else { return }
        var inLog: Int32 = 0
        var done: Int32 = 0
        let code = sqlite3_wal_checkpoint_v2(database.handle, nil, SQLITE_CHECKPOINT_PASSIVE, &inLog, &done)
        if code == SQLITE_OK, inLog == done {
            self.space.replenish()
        } else if code & 0xff == SQLITE_IOERR {
            self.isBroken = true
        }
    }

    private static func checkpoint(_ database: Database, mode: Int32) throws(StoreError) {
        let code = sqlite3_wal_checkpoint_v2(database.handle, nil, mode, nil, nil)
        guard code == SQLITE_OK else { throw database.error(code) }
    }

    // MARK: Recovery and loading

    package func readyJobs(after: JobID?, limit: Int) async throws(StoreError) -> [ReadyJob] {
        let rows = try self.opened().0.prepareOnce(
            "SELECT id, lane FROM jobs WHERE id > ? AND state = 2 ORDER BY id LIMIT ?")
        defer { rows.finalize() }
        rows.bind(0, Int64(after?.rawValue ?? 0))
        rows.bind(1, Int64(limit))
        var jobs: [ReadyJob] = []
        while try rows.step() {
            jobs.append(
                ReadyJob(
                    id: JobID(rawValue: UInt64(rows.integer(0))), lane: LaneID(rawValue: UInt32(rows.integer(1)))))
        }
        return jobs
    }

    package func scheduledJobs(
        after: ScheduledJob?, dueBy due: WallTime, limit: Int
    ) async throws(StoreError) -> [ScheduledJob] {
        let rows = try self.opened().0.prepareOnce(
            """
            SELECT due, id, lane FROM jobs WHERE state = 1 AND (due, id) > (?, ?) AND due <= ?
            ORDER BY due, id LIMIT ?
            """)
        defer { rows.finalize() }
        rows.bind(0, after?.due.microseconds ?? .min)
        rows.bind(1, Int64(clamping: after?.id.rawValue ?? 0))
        rows.bind(2, due.microseconds)
        rows.bind(3, Int64(limit))
        var jobs: [ScheduledJob] = []
        while try rows.step() {
            jobs.append(
                ScheduledJob(
                    due: WallTime(microseconds: rows.integer(0)), id: JobID(rawValue: UInt64(rows.integer(1))),
                    lane: LaneID(rawValue: UInt32(rows.integer(2)))))
        }
        return jobs
    }

    package func load(_ ids: [JobID], bytesMax: Int) async throws(StoreError) -> (jobs: [StoredJob], isComplete: Bool) {
        let (database, transaction) = try self.opened()
        let row = try database.prepareOnce(
            "SELECT lane, due, failures, deaths, options, payload FROM jobs WHERE id = ? AND state <= 2")
        defer { row.finalize() }
        var jobs: [StoredJob] = []
        var bytes = 0
        for id in ids {
            if bytes >= bytesMax, !jobs.isEmpty { return (jobs, false) }
            row.bind(0, Int64(id.rawValue))
            guard try row.step() else { continue }
            let lane = LaneID(rawValue: UInt32(row.integer(0)))
            let history = JobHistory(
                failures: UInt16(clamping: row.integer(2)), nodeDeaths: UInt8(clamping: row.integer(3)))
            let priority = transaction.lanes[Int(lane.rawValue)].key.priority
            let payload = Bytes(copying: row.blob(5))
            bytes += payload.count
            jobs.append(
                StoredJob(
                    id: id, lane: lane, history: history,
                    options: JobOptions(stored: row.blob(4), priority: priority), payload: payload,
                    due: row.optionalInteger(1).map { WallTime(microseconds: $0) }))
            row.reset()
        }
        return (jobs, true)
    }

    // MARK: Questions

    package nonisolated func jobs(
        matching filter: JobFilter, after: JobID?, limit: Int
    ) async throws(StoreError) -> [JobRecord] {
        try await self.reader.jobs(matching: filter, after: after, limit: limit)
    }

    package nonisolated func job(_ id: JobID) async throws(StoreError) -> (record: JobRecord, payload: Bytes)? {
        try await self.reader.job(id)
    }

    package nonisolated func laneTotals() async throws(StoreError) -> [LaneTotals] {
        try await self.reader.laneTotals()
    }
}

/// Holds the lock, which cannot be copied, in an optional property.
private final class StoreLockBox {
    private let lock: StoreLock

    init(_ lock: consuming StoreLock) {
        self.lock = lock
    }
}
