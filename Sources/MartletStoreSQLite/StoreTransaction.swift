import MartletCore
import MartletStore

/// The statements that write, and what they need to know between transactions.
///
/// A failure leaves `lanes`, `sessions` and `nextSequence` ahead of the database: ``reload()`` then.
final class StoreTransaction {
    private struct Session {
        let number: Int64
        var highest: UInt64
    }

    /// Counts as they are stored: `pending` is ready and scheduled together, so that a success needs no look at the row.
    struct LaneRow {
        let key: LaneKey
        var pending: Int64 = 0
        var dead: Int64 = 0
        var submitted: Int64 = 0
        var succeeded: Int64 = 0
        var retried: Int64 = 0
        var cancelled: Int64 = 0
        var expired: Int64 = 0
        var deleted: Int64 = 0
    }

    private let database: Database
    private let shard: UInt16
    private(set) var lanes: [LaneRow] = []
    private var changedLanes: Set<Int> = []
    private var sessions: [SessionID: Session] = [:]
    private var nextSequence: UInt64 = 1
    private var sequenceChanged = false

    private let insertJob: Statement
    private let deletePending: Statement
    private let retainSucceeded: Statement
    private let updateJob: Statement
    private let deleteDeadJob: Statement
    private let laneOfDead: Statement
    private let readSubmit: Statement
    private let writeSubmit: Statement
    private let touchSession: Statement
    private let writeLane: Statement
    private let writeNode: Statement
    private let deleteNode: Statement
    private let writeSequence: Statement
    private let readEpoch: Statement

    init(_ database: Database, shard: UInt16) throws(StoreError) {
        self.database = database
        self.shard = shard
        self.insertJob = try database.prepare(
            "INSERT INTO jobs(id, lane, state, created, due, options, payload) VALUES (?, ?, ?, ?, ?, ?, ?)")
        self.deletePending = try database.prepare("DELETE FROM jobs WHERE id = ? AND state <= 2")
        self.retainSucceeded = try database.prepare(
            "UPDATE jobs SET state = 4, due = NULL, finished = ? WHERE id = ? AND state <= 2")
        self.updateJob = try database.prepare(
            """
            UPDATE jobs SET state = ?, due = ?, failures = ?, deaths = ?, finished = ?,
            failure_kind = coalesce(?, failure_kind), failure_message = coalesce(?, failure_message)
            WHERE id = ? AND state BETWEEN ? AND ?
            """)
        self.laneOfDead = try database.prepare("SELECT lane FROM jobs WHERE id = ? AND state = 5")
        self.deleteDeadJob = try database.prepare("DELETE FROM jobs WHERE id = ? AND state = 5")
        self.readSubmit = try database.prepare("SELECT sequence, first, count FROM submits WHERE place = ?")
        self.writeSubmit = try database.prepare("REPLACE INTO submits VALUES (?, ?, ?, ?)")
        self.touchSession = try database.prepare("UPDATE sessions SET used = ? WHERE number = ?")
        self.writeLane = try database.prepare("REPLACE INTO lanes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        self.writeNode = try database.prepare("REPLACE INTO nodes VALUES (?, ?, ?)")
        self.deleteNode = try database.prepare("DELETE FROM nodes WHERE name = ?")
        self.writeSequence = try database.prepare("UPDATE meta SET value = ? WHERE name = 'next_sequence'")
        self.readEpoch = try database.prepare("SELECT value FROM meta WHERE name = 'epoch'")
        try self.reload()
    }

    /// Reads what is kept in memory from the database.
    func reload() throws(StoreError) {
        self.changedLanes = []
        self.sequenceChanged = false
        self.nextSequence = UInt64(
            try self.database.integer("SELECT value FROM meta WHERE name = 'next_sequence'") ?? 1)
        try self.reloadLanes()
        try self.reloadSessions()
    }

    private func reloadLanes() throws(StoreError) {
        self.lanes = []
        let rows = try self.database.prepareOnce("SELECT * FROM lanes ORDER BY id")
        defer { rows.finalize() }
        while try rows.step() {
            guard Int(rows.integer(0)) == self.lanes.count, let queue = rows.text(1), let type = rows.text(2),
                let priority = Priority(rawValue: UInt8(clamping: rows.integer(3)))
            else { throw StoreError(.corrupt, "lane \(rows.integer(0)) makes no sense") }
            self.lanes.append(
                LaneRow(
                    key: LaneKey(queue: queue, type: type, priority: priority), pending: rows.integer(4),
                    dead: rows.integer(5), submitted: rows.integer(6), succeeded: rows.integer(7),
                    retried: rows.integer(8), cancelled: rows.integer(9), expired: rows.integer(10),
                    deleted: rows.integer(11)))
        }
    }

    private func reloadSessions() throws(StoreError) {
        self.sessions = [:]
        let rows = try self.database.prepareOnce(
            """
            SELECT number, high, low, (SELECT max(sequence) FROM submits
            WHERE place BETWEEN number * 256 AND number * 256 + 255) FROM sessions
            """)
        defer { rows.finalize() }
        while try rows.step() {
            let id = SessionID(
                high: UInt64(bitPattern: rows.integer(1)), low: UInt64(bitPattern: rows.integer(2)))
            self.sessions[id] = Session(
                number: rows.integer(0), highest: UInt64(bitPattern: rows.optionalInteger(3) ?? 0))
        }
    }

    // MARK: Applying

    /// Applies the group's changes inside a transaction that the caller begins and ends.
    func apply(_ group: CommitGroup) throws(StoreError) -> [ChangeOutcome] {
        guard try self.readEpoch.step() else { throw StoreError(.corrupt, "the store has no epoch") }
        let epoch = Epoch(rawValue: UInt64(bitPattern: self.readEpoch.integer(0)))
        self.readEpoch.reset()
        guard epoch == group.epoch else {
            throw StoreError(.fenced, "another coordinator has taken over with epoch \(epoch.rawValue)")
        }
        for (id, key) in group.newLanes where Int(id.rawValue) >= self.lanes.count {
            precondition(Int(id.rawValue) == self.lanes.count, "lanes are numbered without gaps")
            self.changedLanes.insert(self.lanes.count)
            self.lanes.append(LaneRow(key: key))
        }
        var outcomes: [ChangeOutcome] = []
        outcomes.reserveCapacity(group.changes.count)
        for change in group.changes { outcomes.append(try self.apply(change, at: group.now)) }
        try self.writeCounts()
        return outcomes
    }

    private func apply(_ change: Change, at now: WallTime) throws(StoreError) -> ChangeOutcome {
        switch change {
        case .openSession(let id): try self.open(id, at: now)
        case .submit(let submission): return .submitted(try self.submit(submission, at: now))
        case .succeed(let jobs): return .applied(missing: try self.succeed(jobs, at: now))
        case .update(let updates): return .applied(missing: try self.update(updates, at: now))
        case .deleteDead(let ids): return .applied(missing: try self.deleteDead(ids))
        case .saveNode(let record):
            self.writeNode.bind(0, record.id.name)
            self.writeNode.bind(1, Int64(bitPattern: record.id.incarnation))
            self.writeNode.bind(2, record.leaseDuration.wholeMicroseconds)
            try self.writeNode.run()
        case .forgetNode(let name):
            self.deleteNode.bind(0, name)
            try self.deleteNode.run()
        case .expireSessions(let time): try self.expireSessions(unusedSince: time)
        case .purgeFinished(let state, let time, let limit):
            try self.database.execute(
                """
                DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state >= 4 AND state = \(state.rawValue)
                AND finished < \(time.microseconds) ORDER BY finished, id LIMIT \(limit))
                """)
        }
        return .done
    }

    // MARK: Sessions and submits

    private func open(_ id: SessionID, at now: WallTime) throws(StoreError) {
        if let known = self.sessions[id] {
            self.touchSession.bind(0, now.microseconds)
            self.touchSession.bind(1, known.number)
            return try self.touchSession.run()
        }
        let insert = try self.database.prepareOnce(
            "INSERT INTO sessions(high, low, used) VALUES (?, ?, ?) RETURNING number")
        defer { insert.finalize() }
        insert.bind(0, Int64(bitPattern: id.high))
        insert.bind(1, Int64(bitPattern: id.low))
        insert.bind(2, now.microseconds)
        guard try insert.step() else { throw StoreError(.rolledBack, "a session was not stored") }
        let number = insert.integer(0)
        insert.reset()
        // A number may have belonged to a session that expired.
        try self.database.execute("DELETE FROM submits WHERE place BETWEEN \(number * 256) AND \(number * 256 + 255)")
        self.sessions[id] = Session(number: number, highest: 0)
    }

    private func expireSessions(unusedSince time: WallTime) throws(StoreError) {
        let ids = "SELECT number FROM sessions WHERE used < \(time.microseconds)"
        try self.database.execute("DELETE FROM submits WHERE place / 256 IN (\(ids))")
        try self.database.execute("DELETE FROM sessions WHERE used < \(time.microseconds)")
        if self.database.changes > 0 { try self.reloadSessions() }
    }

    private func submit(_ submission: Submission, at now: WallTime) throws(StoreError) -> SubmitOutcome {
        guard let session = self.sessions[submission.session] else { return .sessionExpired }
        let window = UInt64(Submission.windowMax)
        let place = session.number * Int64(window) + Int64(submission.sequence % window)
        if submission.sequence <= session.highest {
            if session.highest >= window + submission.sequence { return .sessionExpired }
            self.readSubmit.bind(0, place)
            if try self.readSubmit.step() {
                defer { self.readSubmit.reset() }
                if UInt64(bitPattern: self.readSubmit.integer(0)) == submission.sequence {
                    return .repeated(
                        first: JobID(rawValue: UInt64(self.readSubmit.integer(1))),
                        count: Int(self.readSubmit.integer(2)))
                }
            }
        }
        let first = JobID(shard: self.shard, sequence: self.nextSequence)
        try self.insert(submission.jobs, from: first, at: now)
        self.nextSequence += UInt64(submission.jobs.count)
        self.sequenceChanged = true
        self.writeSubmit.bind(0, place)
        self.writeSubmit.bind(1, Int64(bitPattern: submission.sequence))
        self.writeSubmit.bind(2, Int64(first.rawValue))
        self.writeSubmit.bind(3, Int64(submission.jobs.count))
        try self.writeSubmit.run()
        if submission.sequence % 64 == 1 {
            // Often enough for an expiry of an hour, and not in every submit.
            self.touchSession.bind(0, now.microseconds)
            self.touchSession.bind(1, session.number)
            try self.touchSession.run()
        }
        self.sessions[submission.session]!.highest = max(session.highest, submission.sequence)
        return .accepted(first: first, count: submission.jobs.count)
    }

    private func insert(_ jobs: [NewJob], from first: JobID, at now: WallTime) throws(StoreError) {
        self.insertJob.bind(3, now.microseconds)
        var counted = (lane: -1, count: Int64(0))
        for (offset, job) in jobs.enumerated() {
            self.insertJob.bind(0, Int64(first.rawValue) + Int64(offset))
            self.insertJob.bind(1, Int64(job.lane.rawValue))
            self.insertJob.bind(2, Int64((job.due == nil ? JobState.ready : .scheduled).rawValue))
            self.insertJob.bind(4, job.due?.microseconds)
            self.insertJob.bind(5, copying: job.options.stored)
            try job.payload.withUnsafeBytes { bytes throws(StoreError) in
                self.insertJob.bind(6, borrowing: bytes)
                try self.insertJob.run()
            }
            if counted.lane != Int(job.lane.rawValue) {
                self.countSubmitted(counted)
                counted = (Int(job.lane.rawValue), 0)
            }
            counted.count += 1
        }
        self.countSubmitted(counted)
    }

    private func countSubmitted(_ counted: (lane: Int, count: Int64)) {
        guard counted.count > 0 else { return }
        self.lanes[counted.lane].pending += counted.count
        self.lanes[counted.lane].submitted += counted.count
        self.changedLanes.insert(counted.lane)
    }

    // MARK: Ends of jobs

    private func succeed(_ jobs: [SucceededJob], at now: WallTime) throws(StoreError) -> [JobID] {
        var missing: [JobID] = []
        for job in jobs {
            if job.isRetained {
                self.retainSucceeded.bind(0, now.microseconds)
                self.retainSucceeded.bind(1, Int64(job.id.rawValue))
                try self.retainSucceeded.run()
            } else {
                self.deletePending.bind(0, Int64(job.id.rawValue))
                try self.deletePending.run()
            }
            guard self.database.changes == 1 else {
                missing.append(job.id)
                continue
            }
            self.lanes[Int(job.lane.rawValue)].pending -= 1
            self.lanes[Int(job.lane.rawValue)].succeeded += 1
            self.changedLanes.insert(Int(job.lane.rawValue))
        }
        return missing
    }

    private func update(_ updates: [JobUpdate], at now: WallTime) throws(StoreError) -> [JobID] {
        var missing: [JobID] = []
        for update in updates {
            let expected = update.expected == .dead ? (Int64(5), Int64(5)) : (1, 2)
            self.updateJob.bind(0, Int64(update.state.rawValue))
            self.updateJob.bind(1, update.due?.microseconds)
            self.updateJob.bind(2, update.history.failures == 0 ? nil : Int64(update.history.failures))
            self.updateJob.bind(3, update.history.nodeDeaths == 0 ? nil : Int64(update.history.nodeDeaths))
            self.updateJob.bind(4, update.state.isTerminal ? now.microseconds : nil)
            self.updateJob.bind(5, update.failure?.kind)
            self.updateJob.bind(6, update.failure?.message)
            self.updateJob.bind(7, Int64(update.id.rawValue))
            self.updateJob.bind(8, expected.0)
            self.updateJob.bind(9, expected.1)
            try self.updateJob.run()
            if self.database.changes == 1 { self.count(update) } else { missing.append(update.id) }
        }
        return missing
    }

    private func count(_ update: JobUpdate) {
        let lane = Int(update.lane.rawValue)
        self.changedLanes.insert(lane)
        if update.expected == .dead { self.lanes[lane].dead -= 1 } else { self.lanes[lane].pending -= 1 }
        switch update.state {
        case .ready: self.lanes[lane].pending += 1
        case .scheduled:
            self.lanes[lane].pending += 1
            if update.expected == .pending { self.lanes[lane].retried += 1 }
        case .dead: self.lanes[lane].dead += 1
        case .cancelled: self.lanes[lane].cancelled += 1
        case .expired: self.lanes[lane].expired += 1
        case .succeeded: self.lanes[lane].succeeded += 1
        case .running: preconditionFailure("running is never stored")
        }
    }

    private func deleteDead(_ ids: [JobID]) throws(StoreError) -> [JobID] {
        var missing: [JobID] = []
        for id in ids {
            self.laneOfDead.bind(0, Int64(id.rawValue))
            guard try self.laneOfDead.step() else {
                missing.append(id)
                continue
            }
            let lane = Int(self.laneOfDead.integer(0))
            self.laneOfDead.reset()
            self.deleteDeadJob.bind(0, Int64(id.rawValue))
            try self.deleteDeadJob.run()
            self.lanes[lane].dead -= 1
            self.lanes[lane].deleted += 1
            self.changedLanes.insert(lane)
        }
        return missing
    }

    // MARK: Counts

    /// Once a lane and group, in the same transaction.
    private func writeCounts() throws(StoreError) {
        for index in self.changedLanes.sorted() {
            let lane = self.lanes[index]
            self.writeLane.bind(0, Int64(index))
            self.writeLane.bind(1, lane.key.queue)
            self.writeLane.bind(2, lane.key.type)
            self.writeLane.bind(3, Int64(lane.key.priority.rawValue))
            let counts = [
                lane.pending, lane.dead, lane.submitted, lane.succeeded, lane.retried, lane.cancelled, lane.expired,
                lane.deleted,
            ]
            for (offset, count) in counts.enumerated() { self.writeLane.bind(Int32(4 + offset), count) }
            try self.writeLane.run()
        }
        self.changedLanes.removeAll(keepingCapacity: true)
        guard self.sequenceChanged else { return }
        self.sequenceChanged = false
        self.writeSequence.bind(0, Int64(self.nextSequence))
        try self.writeSequence.run()
    }
}
