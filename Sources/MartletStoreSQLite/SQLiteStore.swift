package import MartletCore
package import MartletRuntime
package import MartletStore

/// Keeps jobs in one SQLite file: WAL, `synchronous=FULL`, one connection that writes and checkpoints.
///
/// Uses a loop of its own for writing, since its calls block, and another for questions that people ask, so that a
/// long list delays no commit. Beside the database lie its log (`-wal`), a lock file (`-lock`) and space kept for a
/// full disk (`-reserve`).
package actor SQLiteStore: JobStore {
    private let path: String
    private let shard: UInt16
    private let loop: EventLoop
    private let settings: SQLiteSettings
    private let reader: SQLiteReader
    private var open: OpenStore?
    private var space: DiskSpace
    private var isCheckpointDue = false
    private var isIdleWatched = false
    private var commits: UInt64 = 0
    private var commitTimes = Histogram(.shortTimes)
    /// Set once a COMMIT or sync has failed: nothing that is in memory or in the page cache can be trusted.
    private var isBroken = false

    struct OpenStore {
        let lock: StoreLock
        let database: Database
        let transaction: StoreTransaction
        let load: Statement
        let checkpoint: Statement
        let parents: Statement
        let readyJobs: Statement
        let scheduledJobs: Statement
        let orderedJobs: Statement
        let expiredJobs: Statement
    }

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    /// - Parameters:
    ///   - loop: where writing is done; blocks.
    ///   - readerLoop: where people's questions are answered; blocks.
    package init(
        path: String, shard: UInt16 = 0, loop: EventLoop, readerLoop: EventLoop,
        settings: SQLiteSettings = SQLiteSettings()
    ) {
        self.path = path
        self.shard = shard
        self.loop = loop
        self.settings = settings
        self.reader = SQLiteReader(path: path, vfs: settings.vfs, loop: readerLoop)
        self.space = DiskSpace(databasePath: path, disk: settings.disk)
    }

    // MARK: Opening and closing

    package func open() async throws(StoreError) -> StoreOpening {
        precondition(self.open == nil, "a store is opened once")
        let lock = try StoreLock(path: self.path + "-lock")
        do {
            return try self.openDatabase(lock)
        } catch {
            self.open = nil
            // Space for what the last owner left, if there was none.
            guard error.code == .diskFull, self.space.giveUpReserve() else { throw error }
            return try self.openDatabase(lock)
        }
    }

    private func openDatabase(_ lock: StoreLock) throws(StoreError) -> StoreOpening {
        let database = try Database(path: self.path, isReadOnly: false, vfs: self.settings.vfs)
        let need = try Schema.check(database, path: self.path)
        try database.execute(
            """
            PRAGMA journal_mode=WAL; PRAGMA synchronous=\(self.settings.synchronous); PRAGMA secure_delete=OFF;
            PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;
            PRAGMA cache_size=-\(self.settings.cacheBytes / 1024);
            """)
        // Before anything is served: what the last owner left is to be on disk, not only in the page cache. Somebody
        // who reads, a backup say, may be in the way for a while.
        database.waitForReaders(atMost: .seconds(5))
        try self.checkpointAll(database)
        try Schema.meet(need, in: database, retention: self.settings.upgradedRetention)
        try database.execute("UPDATE owner SET epoch = epoch + 1")
        try self.checkpointAll(database)
        let transaction = try StoreTransaction(database, shard: self.shard)
        try self.checkSequence(transaction)
        database.waitForReaders(atMost: .zero)
        self.open = OpenStore(
            lock: lock, database: database, transaction: transaction,
            load: try database.prepare(
                """
                SELECT lane, due, failures, deaths, options, payload, expires, revision, flags FROM jobs
                WHERE id = ? AND state BETWEEN 1 AND 2
                """),
            checkpoint: try database.prepare("SELECT value FROM checkpoints WHERE job = ?"),
            parents: try database.prepare(GroupRows.parentResults),
            readyJobs: try database.prepare(
                "SELECT id, lane, options FROM jobs WHERE id > ? AND state = 2 ORDER BY id LIMIT ?"),
            scheduledJobs: try database.prepare(
                """
                SELECT due, id, lane, options FROM jobs WHERE state = 1 AND (due, id) > (?, ?) AND due <= ?
                ORDER BY due, id LIMIT ?
                """),
            orderedJobs: try database.prepare(
                """
                SELECT value, job, lane, options FROM marks JOIN jobs ON id = job
                WHERE kind = 2 AND (value, job) > (?, ?) AND value <= ? ORDER BY value, job LIMIT ?
                """),
            expiredJobs: try database.prepare(
                """
                SELECT value, job, lane, options FROM marks JOIN jobs ON id = job
                WHERE kind = 1 AND (value, job) > (?, ?) AND value <= ? ORDER BY value, job LIMIT ?
                """))
        self.space.replenish()
        let epoch = try database.integer("SELECT epoch FROM owner") ?? 0
        let totals = transaction.lanes.map(\.totals)
        return StoreOpening(
            epoch: Epoch(rawValue: UInt64(bitPattern: epoch)), lanes: totals.map(\.lane),
            nodes: try Self.nodes(database),
            pendingCount: Int(totals.reduce(0) { $0 + $1.ready + $1.scheduled + $1.blocked }),
            pauses: try Pause.all(in: database), bulks: try BulkRecord.all(in: database),
            hasReleases: transaction.storedReleaseCount > 0, schedules: try ScheduleRow.all(in: database),
            services: try ServiceRecord.all(in: database), serviceChanges: try ServiceChange.all(in: database),
            serviceClosings: try ServiceClosing.all(in: database))
    }

    private func checkpointAll(_ database: Database) throws(StoreError) {
        guard try database.checkpoint(truncates: true) else {
            throw StoreError(.locked, "\(self.path): somebody reads it and keeps its log from being written back")
        }
        self.space.logWasCut()
    }

    /// An id given twice would be worse than a store that does not open.
    private func checkSequence(_ transaction: StoreTransaction) throws(StoreError) {
        let next = JobID(shard: self.shard, sequence: transaction.nextSequence)
        let last = try transaction.database.integer("SELECT max(id) FROM jobs") ?? 0
        guard last < Int64(next.rawValue) else {
            throw StoreError(.corrupt, "\(self.path) holds job \(last), though the next id is \(next)")
        }
    }

    private static func nodes(_ database: Database) throws(StoreError) -> [NodeRecord] {
        var nodes: [NodeRecord] = []
        try database.read("SELECT name, incarnation, lease FROM nodes ORDER BY name") { row throws(StoreError) in
            let id = NodeID(name: row.text(0) ?? "", incarnation: row.unsigned(1))
            nodes.append(NodeRecord(id: id, leaseDuration: .microseconds(row.integer(2))))
        }
        return nodes
    }

    package func close() async {
        await self.reader.close()
        if let open, !self.isBroken {
            // What cannot be written back now is in the log, and is found at the next opening.
            _ = try? open.database.checkpoint(truncates: true)
        }
        // The lock goes last: the next owner is not to meet this one's connection.
        let lock = self.open?.lock
        self.open = nil
        withExtendedLifetime(lock) {}
    }

    // MARK: Committing

    package func commit(_ group: CommitGroup) async throws(StoreError) -> CommitResult {
        let open = try self.opened()
        do {
            if !group.mayUseReserve { try self.space.requireReserve() }
            return try self.commit(group, in: open)
        } catch {
            guard error.code == .diskFull, group.mayUseReserve, self.space.giveUpReserve() else { throw error }
            return try self.commit(group, in: open)
        }
    }

    private func commit(_ group: CommitGroup, in open: OpenStore) throws(StoreError) -> CommitResult {
        try self.makeRoom(for: group, in: open)
        let result: CommitResult
        do {
            try open.transaction.begin()
            result = try open.transaction.apply(group)
        } catch {
            throw self.rollBack(open, after: error)
        }
        let start = self.loop.now
        do {
            try open.transaction.commit()
        } catch {
            self.isBroken = true
            throw StoreError(.outcomeUnknown, "COMMIT failed: \(error.message)", nativeCode: error.nativeCode)
        }
        self.commits &+= 1
        self.commitTimes.record(self.loop.now - start)
        self.checkpointLater(open)
        return result
    }

    func opened() throws(StoreError) -> OpenStore {
        if self.isBroken {
            throw StoreError(
                .outcomeUnknown, "a commit or sync failed before: only a new process can know what is left")
        }
        guard let open else { throw StoreError(.failed, "the store is not open") }
        return open
    }

    /// Undoes a transaction that failed before COMMIT. Returns what to tell the caller.
    private func rollBack(_ open: OpenStore, after error: StoreError) -> StoreError {
        do {
            if open.database.isInTransaction { try open.database.execute("ROLLBACK") }
            try open.transaction.reload()
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

    private func makeRoom(for group: CommitGroup, in open: OpenStore) throws(StoreError) {
        let bytes = LogEstimate.bytes(of: group, mayRelease: open.transaction.mayRelease)
        do {
            try self.space.ensure(bytes, after: open.database.logPages * LogEstimate.pageBytes)
        } catch {
            // A log that was written back starts anew, in the space that it has.
            guard error.code == .diskFull, open.database.logPages > 0, try self.checkpoint(open) else { throw error }
            try self.space.ensure(bytes, after: 0)
        }
    }

    /// Checkpoints soon when the log has grown long, else when there is nothing else to do.
    private func checkpointLater(_ open: OpenStore) {
        let logBytes = open.database.logPages * LogEstimate.pageBytes
        if logBytes > self.settings.logBytesMax {
            guard !self.isCheckpointDue else { return }
            self.isCheckpointDue = true
            self.schedule(after: .zero) { $0.checkpointNow() }
        } else if logBytes > self.settings.idleLogBytesMax, !self.isIdleWatched {
            self.isIdleWatched = true
            self.watchIdle(since: self.commits)
        }
    }

    private func watchIdle(since commits: UInt64) {
        self.schedule(after: self.settings.idleTime) { store in
            if store.commits == commits {
                store.isIdleWatched = false
                store.checkpointNow()
            } else {
                store.watchIdle(since: store.commits)
            }
        }
    }

    private func schedule(after wait: Duration, _ action: @escaping @Sendable (isolated SQLiteStore) -> Void) {
        self.loop.schedule(at: self.loop.now + wait) { [weak self] in
            self?.assumeIsolated { action($0) }
        }
    }

    private func checkpointNow() {
        self.isCheckpointDue = false
        guard let open, !self.isBroken else { return }
        // A failure that matters is remembered; after others the log goes on growing and the next commit tries again.
        _ = try? self.checkpoint(open)
    }

    /// Returns whether the log starts anew.
    private func checkpoint(_ open: OpenStore) throws(StoreError) -> Bool {
        do {
            guard try open.database.checkpoint(truncates: false) else { return false }
        } catch {
            // After a sync that failed the page cache may show what the disk does not have.
            if error.code != .diskFull { self.isBroken = true }
            throw self.isBroken
                ? StoreError(.outcomeUnknown, "checkpoint failed: \(error.message)", nativeCode: error.nativeCode)
                : error
        }
        self.space.replenish()
        return true
    }

    // MARK: Questions

    package func syncTimes() -> Histogram? { self.commitTimes }

    package nonisolated func jobs(
        matching filter: JobFilter, after: JobID?, limit: Int
    ) async throws(StoreError) -> [JobRecord] {
        try await self.reader.jobs(matching: filter, after: after, limit: limit)
    }

    package nonisolated func job(_ id: JobID) async throws(StoreError) -> (record: JobRecord, payload: Bytes)? {
        try await self.reader.job(id)
    }

    package nonisolated func attempts(of id: JobID) async throws(StoreError) -> [AttemptRecord] {
        try await self.reader.attempts(of: id)
    }

    package nonisolated func result(of id: JobID) async throws(StoreError) -> Bytes? {
        try await self.reader.result(of: id)
    }

    package nonisolated func workflow(_ id: WorkflowID) async throws(StoreError) -> WorkflowRow? {
        try await self.reader.workflow(id)
    }

    package nonisolated func workflows(before: WorkflowID?, limit: Int) async throws(StoreError) -> [WorkflowRow] {
        try await self.reader.workflows(before: before, limit: limit)
    }

    package nonisolated func members(
        of id: WorkflowID, after: JobID?, limit: Int
    ) async throws(StoreError) -> [WorkflowMember] {
        try await self.reader.members(of: id, after: after, limit: limit)
    }

    package nonisolated func batch(_ id: BatchID) async throws(StoreError) -> BatchRow? {
        try await self.reader.batch(id)
    }

    package nonisolated func batches(before: BatchID?, limit: Int) async throws(StoreError) -> [BatchRow] {
        try await self.reader.batches(before: before, limit: limit)
    }

    package nonisolated func schedule(_ name: String) async throws(StoreError) -> ScheduleRow? {
        try await self.reader.schedule(name)
    }

    package nonisolated func runs(
        of schedule: String, before: WallTime?, limit: Int
    ) async throws(StoreError) -> [ScheduleRun] {
        try await self.reader.runs(of: schedule, before: before, limit: limit)
    }

    package nonisolated func laneTotals() async throws(StoreError) -> [LaneTotals] {
        try await self.reader.laneTotals()
    }
}
