package import MartletCore

/// Everything a store keeps, as a value: what the in-memory store holds, and what others are compared with.
package struct StoreState: Sendable {
    struct Row: Sendable {
        var job: JobRow
        var payload: Bytes
        var result: Bytes?
        var attempts: [AttemptRecord] = []
        var checkpoint: Bytes?
        /// Nil unless it is over and stays.
        var keptBytes: Int?
    }

    struct Accepted: Sendable {
        let sequence: UInt64
        let first: JobID
        let count: Int
        let exceptions: [SubmitException]
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
    package var nextSequence: UInt64 = 1
    /// By number.
    package private(set) var lanes: [LaneKey] = []
    var totals: [LaneTotals] = []
    var rows: [JobID: Row] = [:]
    var holds: [UniqueName: UniqueHold] = [:]
    var groups = GroupState()
    var schedules: [String: ScheduleRow] = [:]
    /// By schedule and instant.
    var scheduleRuns: [String: [WallTime: JobID]] = [:]
    private(set) var nodes: [String: NodeRecord] = [:]
    private(set) var pauses: [Pause.Target: WallTime] = [:]
    private(set) var services: [String: ServiceRecord] = [:]
    private(set) var serviceChanges: [ServiceChange] = []
    private(set) var serviceClosings: [String: ServiceClosing] = [:]
    var bulks: [BulkID: BulkRecord] = [:]
    private(set) var sessions: [SessionID: Session] = [:]
    private var nextSession: UInt64 = 1
    /// Of the group that is being applied.
    package var consequences = Consequences()
    package var releases = Deque<Release>()

    package init(shard: UInt16 = 0) {
        self.shard = shard
    }

    /// Begins the next epoch.
    package mutating func open() -> StoreOpening {
        self.epoch = Epoch(rawValue: self.epoch.rawValue + 1)
        return StoreOpening(
            epoch: self.epoch, lanes: self.lanes, nodes: self.nodes.keys.sorted().map { self.nodes[$0]! },
            pendingCount: self.rows.values.count { $0.job.isPending },
            pauses: self.pauses.keys.sorted().map { Pause($0, since: self.pauses[$0]!) },
            bulks: self.bulks.keys.sorted().map { self.bulks[$0]! },
            hasReleases: !self.groups.releases.isEmpty,
            schedules: self.allSchedules,
            services: self.services.keys.sorted().map { self.services[$0]! }, serviceChanges: self.serviceChanges,
            serviceClosings: self.serviceClosings.keys.sorted().map { self.serviceClosings[$0]! })
    }

    /// Applies a group.
    package mutating func apply(_ group: CommitGroup) -> CommitResult {
        self.consequences = Consequences()
        for (id, key) in group.newLanes where Int(id.rawValue) >= self.lanes.count {
            precondition(Int(id.rawValue) == self.lanes.count, "lanes are numbered without gaps")
            self.lanes.append(key)
            self.totals.append(LaneTotals(lane: key))
        }
        let outcomes = group.changes.map { self.apply($0, at: group.now) }
        do { try self.carryOnReleases(limit: group.releasedMax, at: group.now) } catch {
            preconditionFailure("memory does not fail: \(error)")
        }
        return CommitResult(outcomes: outcomes, consequences: self.consequences)
    }

    private mutating func keep(_ record: ServiceRecord, what: String) {
        self.services[record.name] = record.isUsual ? nil : record
        self.serviceChanges.append(
            ServiceChange(name: record.name, at: record.changedAt, by: record.changedBy, what: what))
        if self.serviceChanges.count > ServiceChange.changesMax { self.serviceChanges.removeFirst() }
    }

    private mutating func apply(_ change: Change, at now: WallTime) -> ChangeOutcome {
        do {
            switch change {
            case .openSession(let id): self.open(id, at: now)
            case .submit(let submission): return .submitted(try self.submit(submission, at: now))
            case .succeed(let jobs): return .applied(missing: try self.succeed(jobs, at: now))
            case .update(let updates): return .applied(missing: try self.update(updates, at: now))
            case .move(let changes): return .applied(missing: try self.move(changes))
            case .reschedule(let changes): return .applied(missing: try self.reschedule(changes, at: now))
            case .beginBulk(let record): return .began(try self.begin(record))
            case .bulk(let step): return .applied(missing: try self.step(step, at: now))
            case .forgetBulk(let id): self.bulks[id] = nil
            case .pause(let pause): self.pauses[pause.target] = pause.since
            case .resume(let target): self.pauses[target] = nil
            case .setService(let record, let what): self.keep(record, what: what)
            case .closeService(let closing):
                let before = self.serviceClosings[closing.name]
                self.serviceClosings[closing.name] = closing.lasting(beside: before, at: now)
            case .checkpoint(let points): return .applied(missing: try self.save(points))
            case .delete(let ids): return .applied(missing: try self.delete(ids, at: now))
            case .saveNode(let record): self.nodes[record.id.name] = record
            case .forgetNode(let name): self.nodes[name] = nil
            case .expireSessions(let time): self.expireSessions(unusedSince: time)
            case .trim(let trim): return .purged(count: try self.trim(trim, at: now))
            case .purge(let limit): return .purged(count: try self.purge(limit: limit, at: now))
            case .closeBatch(let id):
                return .applied(missing: try self.closeBatch(id) ? [] : [JobID(rawValue: id.rawValue)])
            case .release(let limit): try self.releaseStored(limit: limit, at: now)
            case .purgeWorkflows(let limit): return .purged(count: try self.purgeGroups(limit: limit, at: now))
            case .schedule(let change): return try self.apply(change, at: now)
            }
            return .done
        } catch {
            preconditionFailure("memory does not fail: \(error)")
        }
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

    private mutating func submit(_ submission: Submission, at now: WallTime) throws(StoreError) -> SubmitOutcome {
        guard let session = self.sessions[submission.session] else { return .sessionExpired }
        let window = UInt64(Submission.windowMax)
        if session.highest >= window, submission.sequence <= session.highest - window { return .sessionExpired }
        let place = Int(submission.sequence % window)
        if let known = session.ring[place], known.sequence == submission.sequence {
            return .repeated(first: known.first, count: known.count, exceptions: known.exceptions)
        }
        if let refusal = try self.refusal(of: submission, at: now) { return refusal }
        let first = JobID(shard: self.shard, sequence: self.nextSequence)
        self.nextSequence += UInt64(submission.idCount)
        var exceptions: [SubmitException] = []
        if submission.isGrouped {
            try self.createGroup(submission, from: first, at: now)
        } else {
            for (offset, job) in submission.jobs.enumerated() {
                if let kind = try self.create(job, as: first.advanced(by: offset), at: now) {
                    exceptions.append(SubmitException(place: offset, kind: kind))
                }
            }
        }
        self.sessions[submission.session]!.ring[place] = Accepted(
            sequence: submission.sequence, first: first, count: submission.idCount, exceptions: exceptions)
        self.sessions[submission.session]!.highest = max(session.highest, submission.sequence)
        if now - session.usedAt >= Submission.useGranularity { self.sessions[submission.session]!.usedAt = now }
        return .accepted(first: first, count: submission.idCount, exceptions: exceptions)
    }

    private mutating func purge(limit: Int, at now: WallTime) throws(StoreError) -> Int {
        let over = self.rows.values.lazy.map(\.job)
            .filter { $0.state.isTerminal && $0.expires.map { $0 <= now } ?? false }
            .sorted { ($0.expires!, $0.id) < ($1.expires!, $1.id) }
            .prefix(max(limit, 0))
        for row in over { try self.discard(row, at: now) }
        let freed = self.holds.filter { $0.value.isOver(at: now) }
            .sorted { ($0.value.until!, $0.value.job) < ($1.value.until!, $1.value.job) }
            .prefix(max(limit, 0))
        for (name, _) in freed { self.holds[name] = nil }
        return max(over.count, freed.count)
    }

    /// Checks that the counts are those of the rows, and that every submitted job is somewhere.
    package func checkInvariants() {
        var counted = self.lanes.map { LaneTotals(lane: $0) }
        for (id, stored) in self.rows {
            let row = stored.job
            precondition(id == row.id && id.sequence < self.nextSequence, "an id is given once")
            if row.state != .blocked {
                precondition((row.state == .scheduled) == (row.due != nil), "what is scheduled is due some time")
                precondition(row.waits == 0, "only what is blocked waits")
            }
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
        for (name, hold) in self.holds where hold.until == nil {
            let row = self.rows[hold.job]?.job
            precondition(row?.isPending == true && row?.options.unique?.key == name.key, "a key is held by who has it")
        }
        self.checkKept()
        self.checkGroups()
        self.checkSchedules()
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
