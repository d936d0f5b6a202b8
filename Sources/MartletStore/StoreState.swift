package import MartletCore

/// Everything a store keeps, as a value: what the in-memory store holds, and what others are compared with.
package struct StoreState: Sendable {
    struct Row: Sendable {
        let lane: LaneID
        var state: JobState
        var due: WallTime?
        var history = JobHistory()
        let options: JobOptions
        let payload: Bytes
        let createdAt: WallTime
        var finishedAt: WallTime?
        var failure: JobFailure?

        var isPending: Bool { self.state == .ready || self.state == .scheduled }
    }

    struct Accepted: Sendable {
        let sequence: UInt64
        let first: JobID
        let count: Int
    }

    struct Session: Sendable {
        /// Grows in the order in which sessions were opened.
        let number: UInt64
        var usedAt: WallTime
        /// By sequence modulo the window.
        var ring: [Int: Accepted] = [:]
        var highest: UInt64 = 0
    }

    package let shard: UInt16
    package private(set) var epoch = Epoch(rawValue: 0)
    package private(set) var nextSequence: UInt64 = 1
    /// By number.
    package private(set) var lanes: [LaneKey] = []
    private(set) var totals: [LaneTotals] = []
    private(set) var rows: [JobID: Row] = [:]
    private(set) var nodes: [String: NodeRecord] = [:]
    private(set) var sessions: [SessionID: Session] = [:]
    private var nextSession: UInt64 = 1

    package init(shard: UInt16 = 0) {
        self.shard = shard
    }

    /// Begins the next epoch.
    package mutating func open() -> StoreOpening {
        self.epoch = Epoch(rawValue: self.epoch.rawValue + 1)
        return StoreOpening(
            epoch: self.epoch, lanes: self.lanes, nodes: self.nodes.keys.sorted().map { self.nodes[$0]! },
            pendingCount: self.rows.values.count { $0.isPending })
    }

    /// Applies a group; one outcome for each change.
    package mutating func apply(_ group: CommitGroup) -> [ChangeOutcome] {
        for (id, key) in group.newLanes where Int(id.rawValue) >= self.lanes.count {
            precondition(Int(id.rawValue) == self.lanes.count, "lanes are numbered without gaps")
            self.lanes.append(key)
            self.totals.append(LaneTotals(lane: key))
        }
        return group.changes.map { self.apply($0, at: group.now) }
    }

    private mutating func apply(_ change: Change, at now: WallTime) -> ChangeOutcome {
        switch change {
        case .openSession(let id): self.open(id, at: now)
        case .submit(let submission): return .submitted(self.submit(submission, at: now))
        case .succeed(let jobs): return .applied(missing: jobs.filter { !self.succeed($0, at: now) }.map(\.id))
        case .update(let updates): return .applied(missing: updates.filter { !self.update($0, at: now) }.map(\.id))
        case .deleteDead(let ids): return .applied(missing: ids.filter { !self.deleteDead($0) })
        case .saveNode(let record): self.nodes[record.id.name] = record
        case .forgetNode(let name): self.nodes[name] = nil
        case .expireSessions(let time): self.expireSessions(unusedSince: time)
        case .purgeFinished(let state, let time, let limit): self.purge(state, before: time, limit: limit)
        }
        return .done
    }

    private mutating func open(_ id: SessionID, at now: WallTime) {
        if self.sessions[id] == nil {
            self.sessions[id] = Session(number: self.nextSession, usedAt: now)
            self.nextSession += 1
        }
        self.sessions[id]!.usedAt = now
    }

    private mutating func expireSessions(unusedSince time: WallTime) {
        let old = self.sessions.filter { $0.value.usedAt < time }
            .sorted { ($0.value.usedAt, $0.value.number) < ($1.value.usedAt, $1.value.number) }
        for (id, _) in old.prefix(Change.expiredSessionsMax) { self.sessions[id] = nil }
    }

    private mutating func submit(_ submission: Submission, at now: WallTime) -> SubmitOutcome {
        guard let session = self.sessions[submission.session] else { return .sessionExpired }
        let window = UInt64(Submission.windowMax)
        if session.highest >= window, submission.sequence <= session.highest - window { return .sessionExpired }
        let place = Int(submission.sequence % window)
        if let known = session.ring[place], known.sequence == submission.sequence {
            return .repeated(first: known.first, count: known.count)
        }
        let first = JobID(shard: self.shard, sequence: self.nextSequence)
        self.nextSequence += UInt64(submission.jobs.count)
        for (offset, job) in submission.jobs.enumerated() {
            self.insert(job, as: first.advanced(by: offset), at: now)
        }
        let accepted = Accepted(sequence: submission.sequence, first: first, count: submission.jobs.count)
        self.sessions[submission.session]!.ring[place] = accepted
        self.sessions[submission.session]!.highest = max(session.highest, submission.sequence)
        if now - session.usedAt >= Submission.useGranularity { self.sessions[submission.session]!.usedAt = now }
        return .accepted(first: first, count: submission.jobs.count)
    }

    private mutating func insert(_ job: NewJob, as id: JobID, at now: WallTime) {
        let row = Row(
            lane: job.lane, state: job.due == nil ? .ready : .scheduled, due: job.due, options: job.options,
            payload: job.payload, createdAt: now)
        self.rows[id] = row
        self.totals[Int(job.lane.rawValue)].submittedTotal += 1
        self.count(row, by: 1)
    }

    private mutating func succeed(_ job: SucceededJob, at now: WallTime) -> Bool {
        guard var row = self.rows[job.id], row.isPending, row.lane == job.lane else { return false }
        self.count(row, by: -1)
        self.totals[Int(row.lane.rawValue)].succeededTotal += 1
        if job.isRetained {
            row.state = .succeeded
            row.due = nil
            row.finishedAt = now
            self.rows[job.id] = row
        } else {
            self.rows[job.id] = nil
        }
        return true
    }

    private mutating func update(_ update: JobUpdate, at now: WallTime) -> Bool {
        guard var row = self.rows[update.id], row.lane == update.lane else { return false }
        guard update.expected == .dead ? row.state == .dead : row.isPending else { return false }
        let lane = Int(row.lane.rawValue)
        self.count(row, by: -1)
        if !update.state.isTerminal, update.history.failures > row.history.failures {
            self.totals[lane].retriedTotal += 1
        }
        switch update.state {
        case .blocked, .ready, .scheduled, .dead: break
        case .cancelled: self.totals[lane].cancelledTotal += 1
        case .expired: self.totals[lane].expiredTotal += 1
        case .running, .succeeded: preconditionFailure("an update makes no job \(update.state)")
        }
        row.state = update.state
        row.due = update.due
        row.history = update.history
        row.failure = update.failure ?? row.failure
        row.finishedAt = update.state.isTerminal ? now : nil
        self.rows[update.id] = row
        self.count(row, by: 1)
        return true
    }

    private mutating func deleteDead(_ id: JobID) -> Bool {
        guard let row = self.rows[id], row.state == .dead else { return false }
        self.count(row, by: -1)
        self.totals[Int(row.lane.rawValue)].deletedTotal += 1
        self.rows[id] = nil
        return true
    }

    private mutating func purge(_ state: JobState, before time: WallTime, limit: Int) {
        guard state.isTerminal else { return }
        let old = self.rows.filter { $0.value.state == state && $0.value.finishedAt! < time }
            .sorted { ($0.value.finishedAt!, $0.key) < ($1.value.finishedAt!, $1.key) }
        for (id, row) in old.prefix(limit) {
            self.rows[id] = nil
            if state == .dead {
                self.count(row, by: -1)
                self.totals[Int(row.lane.rawValue)].deletedTotal += 1
            }
        }
    }

    private mutating func count(_ row: Row, by delta: Int) {
        let lane = Int(row.lane.rawValue)
        switch row.state {
        case .blocked: self.totals[lane].blocked = UInt64(Int(self.totals[lane].blocked) + delta)
        case .ready: self.totals[lane].ready = UInt64(Int(self.totals[lane].ready) + delta)
        case .scheduled: self.totals[lane].scheduled = UInt64(Int(self.totals[lane].scheduled) + delta)
        case .dead: self.totals[lane].dead = UInt64(Int(self.totals[lane].dead) + delta)
        default: break
        }
    }

    /// Checks that the counts are those of the rows, and that every submitted job is somewhere.
    package func checkInvariants() {
        var counted = self.lanes.map { LaneTotals(lane: $0) }
        for (id, row) in self.rows {
            precondition(id.sequence < self.nextSequence, "an id is given once")
            precondition((row.state == .scheduled) == (row.due != nil), "what is scheduled is due some time")
            precondition(row.state.isTerminal == (row.finishedAt != nil), "what is over has ended some time")
            switch row.state {
            case .blocked: counted[Int(row.lane.rawValue)].blocked += 1
            case .ready: counted[Int(row.lane.rawValue)].ready += 1
            case .scheduled: counted[Int(row.lane.rawValue)].scheduled += 1
            case .dead: counted[Int(row.lane.rawValue)].dead += 1
            case .running: preconditionFailure("running is never stored")
            case .succeeded, .cancelled, .expired: break
            }
        }
        for (total, counted) in zip(self.totals, counted) {
            precondition(total.blocked == counted.blocked, "blocked jobs are counted")
            precondition(total.ready == counted.ready, "ready jobs are counted")
            precondition(total.scheduled == counted.scheduled, "scheduled jobs are counted")
            precondition(total.dead == counted.dead, "dead jobs are counted")
            precondition(total.isBalanced, "every submitted job is somewhere")
        }
    }
}

extension LaneTotals {
    /// Whether every submitted job is somewhere.
    package var isBalanced: Bool {
        self.submittedTotal == self.blocked + self.ready + self.scheduled + self.dead + self.succeededTotal
            + self.cancelledTotal
            + self.expiredTotal + self.deletedTotal
    }
}
