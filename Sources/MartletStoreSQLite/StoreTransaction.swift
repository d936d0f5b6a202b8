import MartletCore
import MartletStore

/// Applies commit groups: the statements that write, and what they need to know between transactions.
///
/// A failure leaves what is kept here ahead of the database: ``reload()`` then.
final class StoreTransaction {
    struct Session {
        let number: Int64
        var usedAt: WallTime
        var highest: UInt64
    }

    /// Sessions kept in memory; over it they are read again when needed.
    private static let sessionsMax = 10_000

    let database: Database
    let shard: UInt16
    let statements: StoreStatements
    private(set) var lanes: [LaneRow] = []
    /// The number of a queue is that of its first lane.
    private(set) var queueNumbers: [String: Int64] = [:]
    private var changedLanes: [Int] = []
    private var isChanged: [Bool] = []
    var sessions: [SessionID: Session] = [:]
    var nextSequence: UInt64 = 1
    /// Of the group that is being applied.
    var consequences = Consequences()
    var releases = Deque<Release>()
    /// As this group has them so far; written once, at its end.
    var workflows = RowCache<WorkflowID, WorkflowRow>()
    var batches = RowCache<BatchID, BatchRow>()
    var storedReleaseCount = 0
    /// Whether a job that ends may let others go on.
    var mayRelease = false

    init(_ database: Database, shard: UInt16) throws(StoreError) {
        self.database = database
        self.shard = shard
        self.statements = try StoreStatements(database)
        try self.reload()
    }

    /// Reads what is kept in memory from the database.
    func reload() throws(StoreError) {
        self.nextSequence = UInt64(try self.database.integer("SELECT next_sequence FROM owner") ?? 1)
        self.sessions = [:]
        self.releases.removeAll()
        self.workflows.removeAll()
        self.batches.removeAll()
        self.storedReleaseCount = Int(try self.database.integer("SELECT count(*) FROM releases") ?? 0)
        self.mayRelease =
            try self.database.integer(
                "SELECT EXISTS (SELECT 1 FROM workflows) OR EXISTS (SELECT 1 FROM batches)") == 1
        self.changedLanes = []
        var lanes: [LaneRow] = []
        try self.database.read("SELECT id, \(LaneRow.columns) FROM lanes ORDER BY id") { row throws(StoreError) in
            guard row.integer(0) == lanes.count, let lane = LaneRow(row, from: 1) else {
                throw StoreError(.corrupt, "lane \(row.integer(0)) makes no sense")
            }
            lanes.append(lane)
        }
        self.lanes = []
        self.queueNumbers = [:]
        for lane in lanes { self.add(lane) }
        self.isChanged = Array(repeating: false, count: lanes.count)
    }

    private func add(_ lane: LaneRow) {
        let queue = lane.totals.lane.queue
        if self.queueNumbers[queue] == nil { self.queueNumbers[queue] = Int64(self.lanes.count) }
        self.lanes.append(lane)
    }

    func queueNumber(of lane: LaneID) -> Int64 {
        self.queueNumbers[self.lanes[Int(lane.rawValue)].totals.lane.queue] ?? Int64(lane.rawValue)
    }

    func begin() throws(StoreError) { try self.statements.begin.run() }

    func commit() throws(StoreError) { try self.statements.commit.run() }

    /// Applies the group's changes between ``begin()`` and ``commit()``.
    func apply(_ group: CommitGroup) throws(StoreError) -> CommitResult {
        self.consequences = Consequences()
        try self.checkEpoch(group.epoch)
        for (id, key) in group.newLanes where Int(id.rawValue) >= self.lanes.count {
            precondition(Int(id.rawValue) == self.lanes.count, "lanes are numbered without gaps")
            self.add(LaneRow(key))
            self.isChanged.append(false)
            self.laneChanged(self.lanes.count - 1)
        }
        let nextBefore = self.nextSequence
        if self.sessions.count > Self.sessionsMax { self.sessions = [:] }
        var outcomes: [ChangeOutcome] = []
        outcomes.reserveCapacity(group.changes.count)
        for change in group.changes { outcomes.append(try self.apply(change, at: group.now)) }
        try self.finishGroups(of: group)
        try self.writeLanes()
        if self.nextSequence != nextBefore {
            self.statements.writeSequence.bind(0, Int64(self.nextSequence))
            try self.statements.writeSequence.run()
        }
        return CommitResult(outcomes: outcomes, consequences: self.consequences)
    }

    private func checkEpoch(_ expected: Epoch) throws(StoreError) {
        let read = self.statements.readEpoch
        guard try read.step() else { throw StoreError(.corrupt, "the store has no epoch") }
        let epoch = Epoch(rawValue: read.unsigned(0))
        read.reset()
        guard epoch == expected else {
            throw StoreError(.fenced, "another coordinator has taken over with epoch \(epoch.rawValue)")
        }
    }

    private func apply(_ change: Change, at now: WallTime) throws(StoreError) -> ChangeOutcome {
        switch change {
        case .openSession(let id): try self.open(id, at: now)
        case .submit(let submission): return .submitted(try self.submit(submission, at: now))
        case .succeed(let jobs): return .applied(missing: try self.succeed(jobs, at: now))
        case .update, .move, .checkpoint, .delete, .reschedule, .bulk, .closeBatch:
            return .applied(missing: try self.applyByRule(change, at: now))
        case .beginBulk, .forgetBulk, .pause, .resume: return try self.control(change)
        case .setService(let record, let what): try self.keep(record, what: what)
        case .closeService(let closing): try self.keep(closing, at: now)
        case .saveNode(let record):
            self.statements.writeNode.bind(0, record.id.name)
            self.statements.writeNode.bind(1, Int64(bitPattern: record.id.incarnation))
            self.statements.writeNode.bind(2, record.leaseDuration.wholeMicroseconds)
            try self.statements.writeNode.run()
        case .forgetNode(let name):
            self.statements.deleteNode.bind(0, name)
            try self.statements.deleteNode.run()
        case .expireSessions(let time): try self.expireSessions(unusedSince: time)
        case .trim(let trim):
            var tables = SQLiteTables(transaction: self)
            return .purged(count: try tables.trim(trim, at: now))
        case .purge(let limit): return .purged(count: try self.purge(limit: limit, at: now))
        case .release(let limit):
            var tables = SQLiteTables(transaction: self)
            try tables.releaseStored(limit: limit, at: now)
        case .purgeWorkflows(let limit):
            var tables = SQLiteTables(transaction: self)
            return .purged(count: try tables.purgeGroups(limit: limit, at: now))
        case .schedule(let change):
            var tables = SQLiteTables(transaction: self)
            return try tables.apply(change, at: now)
        }
        return .done
    }

    private func applyByRule(_ change: Change, at now: WallTime) throws(StoreError) -> [JobID] {
        var tables = SQLiteTables(transaction: self)
        switch change {
        case .update(let updates): return try tables.update(updates, at: now)
        case .move(let changes): return try tables.move(changes)
        case .checkpoint(let points): return try tables.save(points)
        case .delete(let ids): return try tables.delete(ids, at: now)
        case .reschedule(let changes): return try tables.reschedule(changes, at: now)
        case .bulk(let step): return try tables.step(step, at: now)
        case .closeBatch(let id): return try tables.closeBatch(id) ? [] : [JobID(rawValue: id.rawValue)]
        default: preconditionFailure("this change is not about jobs")
        }
    }

    // MARK: Counts

    /// Changes the counts of a lane; written once a group, in its transaction.
    func count(in lane: LaneID, _ change: (inout LaneRow) -> Void) {
        change(&self.lanes[Int(lane.rawValue)])
        self.laneChanged(Int(lane.rawValue))
    }

    private func laneChanged(_ index: Int) {
        guard !self.isChanged[index] else { return }
        self.isChanged[index] = true
        self.changedLanes.append(index)
    }

    private func writeLanes() throws(StoreError) {
        // In order of number, so that new lanes are appended.
        self.changedLanes.sort()
        for index in self.changedLanes {
            self.isChanged[index] = false
            let statement = self.statements.writeLane
            statement.bind(0, Int64(index))
            self.lanes[index].bind(to: statement, from: 1)
            try statement.run()
        }
        self.changedLanes.removeAll(keepingCapacity: true)
    }
}
