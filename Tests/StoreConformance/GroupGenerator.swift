import MartletCore
package import MartletStore

/// Makes commit groups that a coordinator could have made, and some that race: the same ones for the same seed.
package struct GroupGenerator {
    /// The bounds of what is made.
    package struct Limits: Sendable {
        package let changesMax: Int
        package let jobsMax: Int
        package let payloadMax: Int

        package init(changesMax: Int = 8, jobsMax: Int = 6, payloadMax: Int = 40) {
            self.changesMax = changesMax
            self.jobsMax = jobsMax
            self.payloadMax = payloadMax
        }
    }

    private static let sessions = (1...4).map { SessionID(high: UInt64($0), low: .max - UInt64($0)) }

    private var random: SplitMix
    private let limits: Limits
    private var now: Int64 = 1_000_000
    private var sequences: [SessionID: UInt64] = [:]
    private var lanesUsed = 0

    package init(seed: UInt64, limits: Limits = Limits()) {
        self.random = SplitMix(state: seed)
        self.limits = limits
    }

    package mutating func below(_ bound: Int) -> Int { Int(self.random.next() % UInt64(bound)) }

    package mutating func chance(_ percent: Int) -> Bool { self.below(100) < percent }

    /// The next group, for a store that holds what `state` holds.
    package mutating func next(for state: StoreState) -> CommitGroup {
        self.now += Int64(self.below(90_000_000))
        var newLanes: [(id: LaneID, key: LaneKey)] = []
        if self.lanesUsed < 2 || (self.lanesUsed < 6 && self.chance(10)) {
            let priority = Priority(rawValue: UInt8(self.lanesUsed / 2 * 3 + self.below(3)))!
            let key = LaneKey(queue: "q\(self.lanesUsed % 2)", type: "t\(self.lanesUsed / 4)", priority: priority)
            newLanes.append((LaneID(rawValue: UInt32(self.lanesUsed)), key))
            self.lanesUsed += 1
        }
        let lanes = state.lanes + newLanes.filter { $0.id.rawValue >= state.laneTotals.count }.map(\.key)
        var changes: [Change] = []
        for _ in 0..<1 + self.below(self.limits.changesMax) { changes.append(self.change(for: state, lanes: lanes)) }
        return CommitGroup(
            epoch: state.epoch, now: WallTime(microseconds: self.now), newLanes: newLanes, changes: changes,
            releasedMax: self.chance(20) ? self.below(4) : Change.releasedMax)
    }

    mutating func change(for state: StoreState, lanes: [LaneKey]) -> Change {
        let session = Self.sessions[self.below(Self.sessions.count)]
        switch self.below(100) {
        case 0..<6: return .openSession(session)
        case 6..<11: return .schedule(self.scheduleChange(for: state, lanes: lanes))
        case 11..<42: return .submit(self.submission(in: session, state: state, lanes: lanes))
        case 42..<50: return self.groupChange(for: state, in: session, lanes: lanes)
        case 50..<72:
            return .succeed(self.pick(from: state).map { self.success(of: $0, in: state, lanes: lanes.count) })
        case 72: return .bulk(self.step(for: state, lanes: lanes.count))
        case 73..<88: return .update(self.pick(from: state).map { self.update(of: $0, in: state, lanes: lanes.count) })
        case 88..<90: return .delete(self.pick(from: state))
        case 90: return .move(self.pick(from: state).map { self.laneChange(of: $0, in: state, lanes: lanes.count) })
        case 91:
            return .checkpoint(
                self.pick(from: state).map { id in
                    Checkpoint(
                        id: id, lane: self.lane(of: id, in: state, lanes: lanes.count),
                        revision: UInt32(self.below(2)), value: Bytes(copying: [UInt8(self.below(256))]))
                })
        case 92..<94:
            let id = NodeID(name: "n\(self.below(3))", incarnation: self.random.next())
            return .saveNode(NodeRecord(id: id, leaseDuration: .seconds(self.below(60))))
        case 94: return .forgetNode(name: "n\(self.below(3))")
        case 95..<97:
            return .expireSessions(unusedSince: WallTime(microseconds: self.now - Int64(self.below(1_200_000_000))))
        case 97:
            return .trim(
                KeptTrim(
                    queue: "q\(self.below(2))", bytesMax: self.below(8) * KeptJob.overheadBytes, limit: self.below(5)))
        default:
            return .purge(limit: self.below(5))
        }
    }

    private mutating func step(for state: StoreState, lanes: Int) -> BulkStep {
        let record = BulkRecord(
            id: BulkID(rawValue: UInt64(1 + self.below(3))), operation: .reschedule(nil), filter: JobFilter(),
            startedAt: WallTime(microseconds: self.now))
        let changes = self.pick(from: state).map { id in
            Rescheduling(
                id: id, lane: self.lane(of: id, in: state, lanes: lanes),
                due: self.chance(50) ? WallTime(microseconds: self.now + Int64(self.below(5)) * 60_000_000) : nil)
        }
        return BulkStep(record, .reschedule(changes))
    }

    private mutating func submission(in session: SessionID, state: StoreState, lanes: [LaneKey]) -> Submission {
        let sequence = self.sequence(in: session)
        if self.chance(4) {
            let lane = LaneID(rawValue: UInt32(self.below(lanes.count)))
            let options = JobOptions(priority: lanes[Int(lane.rawValue)].priority)
            let jobs = (0..<30 + self.below(30)).map { index in
                NewJob(lane: lane, options: options, payload: Bytes(copying: [UInt8(index)]))
            }
            return Submission(session: session, sequence: sequence, jobs: jobs)
        }
        return Submission(
            session: session, sequence: sequence,
            jobs: (0..<self.below(self.limits.jobsMax + 1)).map { _ in self.job(in: state, lanes: lanes) })
    }

    /// Most often the next one.
    mutating func sequence(in session: SessionID) -> UInt64 {
        let last = self.sequences[session] ?? 0
        var sequence = last + 1
        switch self.below(100) {
        case 0..<70: break
        case 70..<85: sequence = max(1, last - UInt64(self.below(Int(min(last, 8)) + 1)))
        case 85..<92: sequence = max(1, last - UInt64(self.below(Int(min(last, 600)) + 1)))
        case 92..<97: sequence += UInt64(self.below(5))
        default: sequence += UInt64(self.below(400))
        }
        self.sequences[session] = max(last, sequence)
        return sequence
    }

    mutating func job(in state: StoreState, lanes: [LaneKey]) -> NewJob {
        let lane = self.below(lanes.count)
        var options = JobOptions(priority: lanes[lane].priority)
        if self.chance(10) { options.timeout = .milliseconds(self.below(10_000_000)) }
        if self.chance(10) { options.retry = RetryPolicy(maxAttempts: 1 + self.below(9), jitter: 0.5) }
        if self.chance(25) { options.rareOptions = self.rareOptions() }
        if self.chance(15) { options.batch = self.batch(in: state) }
        let payload = (0..<self.below(self.limits.payloadMax + 1)).map { _ in UInt8(self.below(256)) }
        let due = self.chance(20) ? WallTime(microseconds: self.now + Int64(self.below(5)) * 60_000_000) : nil
        return NewJob(
            lane: LaneID(rawValue: UInt32(lane)), options: options, payload: Bytes(copying: payload), due: due)
    }

    private mutating func rareOptions() -> JobOptions.Rare {
        var rare = JobOptions.Rare()
        if self.chance(60) {
            rare.unique = UniqueKey(
                "k\(self.below(4))", scope: self.chance(50) ? .queue : .type,
                window: self.chance(50) ? .whilePending : .afterSuccess(.seconds(1 + self.below(600))),
                conflict: UniqueKey.Conflict.allCases[self.below(3)])
        }
        if self.chance(30) { rare.expiry = .seconds(self.below(900)) }
        if self.chance(30) {
            rare.group = "g\(self.below(3))"
            if rare.group == "g0" { rare.services = Boxed([ServiceUse("s", key: "t", weight: 2)]) }
        }
        if self.chance(30) {
            rare.key = "κ\(self.below(3))"
            rare.isOrdered = self.chance(50)
        }
        if self.chance(20) { rare.retention = .seconds(self.below(900)) }
        if self.chance(30) { rare.tags = ["red", "t\(self.below(3))"] }
        if self.chance(20) { rare.metadata = ["trace": "\(self.below(1000))", "a": ""] }
        return rare
    }

    private mutating func laneChange(of id: JobID, in state: StoreState, lanes: Int) -> LaneChange {
        LaneChange(
            id: id, lane: self.lane(of: id, in: state, lanes: lanes),
            newLane: LaneID(rawValue: UInt32(self.below(lanes))))
    }

    /// Nil for ever.
    private mutating func keptFor() -> Duration? {
        switch self.below(4) {
        case 0: nil
        case 1, 2: .zero
        default: .seconds(self.below(600))
        }
    }

    /// Some jobs, most of which are there.
    private mutating func pick(from state: StoreState) -> [JobID] {
        let ids = state.ids(in: Set(JobState.allCases))
        if !ids.isEmpty, self.chance(30) {
            // Neighbours, as they come from one submit.
            let first = self.below(ids.count)
            var run = (0..<2 + self.below(10)).map { ids[first].advanced(by: $0) }
            if self.chance(30) { run.swapAt(0, run.count - 1) }
            return run
        }
        return (0..<self.below(self.limits.jobsMax + 1)).map { _ in
            if ids.isEmpty || self.chance(8) {
                return JobID(shard: state.shard, sequence: 1 + UInt64(self.below(Int(state.nextSequence) + 5)))
            }
            return ids[self.below(ids.count)]
        }
    }

    private mutating func lane(of id: JobID, in state: StoreState, lanes: Int) -> LaneID {
        if self.chance(96), let key = state.job(id)?.record.lane, let index = state.lanes.firstIndex(of: key) {
            return LaneID(rawValue: UInt32(index))
        }
        return LaneID(rawValue: UInt32(self.below(lanes)))
    }

    private mutating func success(of id: JobID, in state: StoreState, lanes: Int) -> SucceededJob {
        let lane = self.lane(of: id, in: state, lanes: lanes)
        guard self.chance(30) else { return SucceededJob(id: id, lane: lane) }
        var details: SucceededJob.Details?
        if self.chance(50) {
            let followUps = (0..<(state.lanes.isEmpty ? 0 : self.below(3))).map { _ in
                self.job(in: state, lanes: Array(state.lanes.prefix(lanes)))
            }
            let result = Bytes(copying: [UInt8(self.below(256))])
            details = SucceededJob.Details(result: self.chance(60) ? result : nil, followUps: followUps)
        }
        return SucceededJob(
            id: id, lane: lane, keptFor: self.keptFor(), revision: UInt32(self.below(8) / 7), details: details)
    }

    private mutating func update(of id: JobID, in state: StoreState, lanes: Int) -> JobUpdate {
        let next = [JobState.ready, .scheduled, .scheduled, .dead, .dead, .cancelled, .expired][self.below(7)]
        let due = next == .scheduled ? WallTime(microseconds: self.now + Int64(self.below(5)) * 60_000_000) : nil
        let failure = JobFailure(kind: "k\(self.below(3))", message: String(repeating: "m", count: self.below(30)))
        let attempt = AttemptRecord(
            number: UInt32(1 + self.below(40)), endedAt: WallTime(microseconds: self.now), node: "n", failure: failure,
            output: Bytes(copying: [UInt8](repeating: 7, count: self.below(5))))
        return JobUpdate(
            id: id, lane: self.lane(of: id, in: state, lanes: lanes), expected: self.chance(80) ? .pending : .dead,
            state: next, due: due,
            history: JobHistory(failures: UInt16(self.below(4)), nodeDeaths: UInt8(self.below(3))),
            failure: self.chance(50) ? failure : nil, attempt: self.chance(30) ? attempt : nil,
            keptFor: next.isTerminal ? self.keptFor() : nil)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
