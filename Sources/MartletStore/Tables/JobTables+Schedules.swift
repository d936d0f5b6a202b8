package import MartletCore

/// What a store's tables must do for schedules.
package protocol ScheduleTables {
    func schedule(_ name: String) throws(StoreError) -> ScheduleRow?
    /// Adds a schedule, or replaces it.
    mutating func setSchedule(_ row: ScheduleRow) throws(StoreError)
    /// Writes all of a schedule that is there but its definition and origin.
    mutating func writeState(of row: ScheduleRow) throws(StoreError)
    /// Removes the schedule and what is remembered of its runs.
    mutating func removeSchedule(_ name: String) throws(StoreError)

    func run(of schedule: String, at instant: WallTime) throws(StoreError) -> JobID?
    mutating func insert(_ run: ScheduleRun, of schedule: String) throws(StoreError)
    /// Forgets the run of the first instant that is remembered. Returns that instant.
    mutating func removeFirstRun(of schedule: String) throws(StoreError) -> WallTime?
}

/// How schedules come to be, change, and fire each instant once.
extension JobTables {
    package mutating func apply(_ change: ScheduleChange, at now: WallTime) throws(StoreError) -> ChangeOutcome {
        switch change {
        case .save(let new): return try self.save(new, at: now)
        case .delete(let name):
            let row = try self.schedule(name)
            if row != nil { try self.removeSchedule(name) }
            return .schedule(nil, isChanged: row != nil)
        case .pause(let pause): return try self.pause(pause)
        case .fire(let fires):
            var fired: [ScheduleFired] = []
            for fire in fires { fired.append(try self.fire(fire, at: now)) }
            return .fired(fired)
        }
    }

    private mutating func save(_ new: NewSchedule, at now: WallTime) throws(StoreError) -> ChangeOutcome {
        guard var row = try self.schedule(new.name) else {
            let row = ScheduleRow(
                name: new.name, definition: new.definition, origin: new.origin, handledThrough: now)
            try self.setSchedule(row)
            return .schedule(row, isChanged: true)
        }
        guard row.definition != new.definition || row.origin != new.origin else {
            return .schedule(row, isChanged: false)
        }
        row.definition = new.definition
        row.origin = new.origin
        row.revision += 1
        if let through = new.handledThrough { row.handledThrough = max(row.handledThrough, through) }
        try self.setSchedule(row)
        return .schedule(row, isChanged: true)
    }

    private mutating func pause(_ pause: SchedulePause) throws(StoreError) -> ChangeOutcome {
        guard var row = try self.schedule(pause.name) else { return .schedule(nil, isChanged: false) }
        guard row.isPaused != pause.isPaused else { return .schedule(row, isChanged: false) }
        row.isPaused = pause.isPaused
        if !pause.isPaused, let through = pause.passedThrough, through > row.handledThrough {
            row.handledThrough = through
            row.skippedTotal += UInt64(pause.passed)
        }
        try self.writeState(of: row)
        return .schedule(row, isChanged: true)
    }

    private mutating func fire(_ fire: ScheduleFire, at now: WallTime) throws(StoreError) -> ScheduleFired {
        guard var row = try self.schedule(fire.name) else {
            return ScheduleFired(name: fire.name, isApplied: false, row: nil)
        }
        guard try self.fits(fire, row) else { return ScheduleFired(name: fire.name, isApplied: false, row: row) }
        var runs: [ScheduleFired.Run] = []
        for run in fire.runs { runs.append(try self.make(run, of: &row, fire, at: now)) }
        if case .due(_, let missed, let through) = fire.kind {
            row.handledThrough = through
            row.missedTotal += UInt64(missed)
        }
        try self.writeState(of: row)
        return ScheduleFired(name: fire.name, isApplied: true, row: row, runs: runs)
    }

    /// Whether the schedule is as the fire takes it to be.
    private func fits(_ fire: ScheduleFire, _ row: ScheduleRow) throws(StoreError) -> Bool {
        guard row.revision == fire.revision else { return false }
        switch fire.kind {
        case .due(let after, _, _): return !row.isPaused && row.handledThrough == after
        case .queued:
            guard !row.isPaused, let instant = row.queuedInstant, fire.runs.map(\.instant) == [instant] else {
                return false
            }
            return try self.isOver(row.lastJob)
        case .backfill, .now: return true
        }
    }

    private func isOver(_ id: JobID?) throws(StoreError) -> Bool {
        guard let id, let job = try self.row(id) else { return true }
        return !job.isPending
    }

    private mutating func make(
        _ run: ScheduleFire.Run, of row: inout ScheduleRow, _ fire: ScheduleFire, at now: WallTime
    ) throws(StoreError) -> ScheduleFired.Run {
        let known = try self.run(of: row.name, at: run.instant)
        switch fire.kind {
        case .due:
            if let known {
                row.firedTotal += 1
                return .existing(known)
            }
            let unfinished = try (self.isOver(row.lastJob) ? 0 : 1) + (row.queuedInstant == nil ? 0 : 1)
            switch fire.overlap.answer(unfinished: unfinished) {
            case .start: break
            case .wait:
                row.queuedInstant = run.instant
                return .waiting
            case .leaveOut:
                row.skippedTotal += 1
                return .leftOut
            }
        case .queued: row.queuedInstant = nil
        case .backfill:
            if let known { return .existing(known) }
            if run.instant == row.queuedInstant { return .waiting }
            if run.instant > row.handledThrough { return .leftOut }
            if let forgotten = row.forgottenThrough, run.instant <= forgotten { return .forgotten }
        case .now: if let known { return .existing(known) }
        }
        return try self.create(run, of: &row, fire.kind, at: now)
    }

    private mutating func create(
        _ run: ScheduleFire.Run, of row: inout ScheduleRow, _ kind: ScheduleFire.Kind, at now: WallTime
    ) throws(StoreError) -> ScheduleFired.Run {
        let isOwn =
            switch kind {
            case .due, .queued: true
            case .backfill, .now: false
            }
        var id = JobID(shard: self.shard, sequence: self.nextSequence)
        self.nextSequence += 1
        var outcome = ScheduleFired.Run.created(id)
        switch try self.create(run.job, as: id, at: now) {
        case nil: if let job = try self.row(id) { self.becameWaiting(job) }
        case .replaced(let other):
            id = other
            outcome = .existing(other)
        case .existing(let other):
            if isOwn { row.skippedTotal += 1 }
            return .existing(other)
        }
        if isOwn {
            row.firedTotal += 1
            row.lastJob = id
        }
        try self.remember(ScheduleRun(instant: run.instant, job: id), of: &row)
        return outcome
    }

    private mutating func remember(_ run: ScheduleRun, of row: inout ScheduleRow) throws(StoreError) {
        try self.insert(run, of: row.name)
        row.runCount += 1
        while row.runCount > ScheduleRow.runsMax, let instant = try self.removeFirstRun(of: row.name) {
            row.runCount -= 1
            row.forgottenThrough = max(row.forgottenThrough ?? instant, instant)
        }
    }
}

/// What is done to schedules.
package enum ScheduleChange: Sendable {
    /// -> `.schedule`
    case save(NewSchedule)
    /// -> `.schedule`
    case delete(name: String)
    /// -> `.schedule`
    case pause(SchedulePause)
    /// -> `.fired`
    case fire([ScheduleFire])
}
