import MartletCore
import MartletStore

/// What the witness knows of schedules. It counts instants by itself: all have whole intervals from 1970 on.
struct ScheduleWitness {
    struct Known {
        let interval: Int64
        let end: WallTime
        let missed: MissedRunPolicy
        /// Nil until the store has it.
        var handledThrough: WallTime?
        var runs: [WallTime: JobID] = [:]
        /// The run that the next one may not overlap.
        var last: JobID?
    }

    var known: [String: Known] = [:]
}

extension Witness {
    /// A schedule of the file that coordinators start with.
    func expects(_ definition: ScheduleDefinition, every interval: Duration) {
        self.schedules.known[definition.name] = ScheduleWitness.Known(
            interval: interval.wholeMicroseconds, end: definition.rules.end!, missed: definition.rules.missed)
    }

    func changed(_ change: ScheduleChange, _ outcome: ChangeOutcome) {
        switch (change, outcome) {
        case (.save(let new), .schedule(let row?, true)):
            guard self.schedules.known[new.name]?.handledThrough == nil else {
                return self.fail("schedule \(new.name) was made twice")
            }
            self.schedules.known[new.name]?.handledThrough = row.handledThrough
        case (.pause(let pause), .schedule(_, true)):
            guard !pause.isPaused, let through = pause.passedThrough,
                let before = self.schedules.known[pause.name]?.handledThrough, through > before
            else { return }
            let count = self.count(of: pause.name, after: before, through: through)
            if count != pause.passed {
                self.fail("schedule \(pause.name) passed \(count) instants and counted \(pause.passed)")
            }
            self.schedules.known[pause.name]?.handledThrough = through
        case (.fire(let fires), .fired(let fired)):
            for (fire, done) in zip(fires, fired) where done.isApplied { self.fired(fire, done) }
        default: break
        }
    }

    private func fired(_ fire: ScheduleFire, _ done: ScheduleFired) {
        guard let known = self.schedules.known[fire.name] else { return self.fail("nobody made \(fire.name)") }
        for (run, outcome) in zip(fire.runs, done.runs) {
            guard case .created(let id) = outcome else { continue }
            self.store(id, Self.number(run.job.payload))
            self.checkOverlap(id, of: fire)
            if let other = self.schedules.known[fire.name]!.runs.updateValue(id, forKey: run.instant) {
                self.fail("instant \(run.instant.microseconds) of \(fire.name) has jobs \(other) and \(id)")
            }
            self.count(fire.kind == .queued ? .queuedInstantRan : .scheduleFired)
        }
        guard case .due(let after, let missed, let through) = fire.kind else {
            if fire.kind == .backfill { self.count(.backfilled) }
            return
        }
        if known.handledThrough != after {
            self.fail("\(fire.name) had seen to all up to \(known.handledThrough?.microseconds ?? 0), not \(after)")
        }
        self.schedules.known[fire.name]!.handledThrough = through
        if missed > 0 { self.count(.instantsMissed) }
        let count = self.count(of: fire.name, after: after, through: through)
        if count != fire.runs.count + missed {
            self.fail("\(fire.name) has \(count) instants, of which \(fire.runs.count) fired and \(missed) are missed")
        }
        if case .all(let max) = known.missed, missed > 0, fire.runs.count < max {
            self.fail("\(fire.name) left out \(missed) instants and fired \(fire.runs.count)")
        }
    }

    /// A run was made: the one before it is over, unless its policy or somebody's wish lets it be.
    private func checkOverlap(_ id: JobID, of fire: ScheduleFire) {
        switch fire.kind {
        case .backfill, .now: return
        case .due, .queued: break
        }
        let last = self.schedules.known[fire.name]?.last
        if fire.overlap != .allow, let last, self.terminal[last] == nil {
            self.fail("job \(id) of schedule \(fire.name) was made before job \(last) had ended")
        }
        self.schedules.known[fire.name]?.last = id
    }

    /// Instants after one time and up to another.
    private func count(of name: String, after: WallTime, through: WallTime) -> Int {
        guard let known = self.schedules.known[name] else { return 0 }
        let last = min(through.microseconds, known.end.microseconds - 1)
        return max(0, Int(last / known.interval - min(after.microseconds, last) / known.interval))
    }

    var hasInstantsLeft: Bool {
        self.schedules.known.contains { name, known in
            known.handledThrough.map { self.count(of: name, after: $0, through: known.end) > 0 } ?? true
        }
    }

    /// Every instant was seen to and is somewhere.
    func checkSchedules(in state: StoreState) {
        for name in self.schedules.known.keys.sorted() {
            guard let row = state.schedule(name), let known = self.schedules.known[name] else {
                return self.fail("schedule \(name) is lost")
            }
            guard row.handledThrough == known.handledThrough else {
                return self.fail("schedule \(name) is at \(row.handledThrough), not where its fires took it")
            }
            if self.count(of: name, after: row.handledThrough, through: known.end) > 0 {
                self.fail("schedule \(name) does not fire: it is at \(row.handledThrough.microseconds)")
            }
            if row.queuedInstant != nil { self.fail("an instant of \(name) waits for ever") }
            for run in known.runs.values.sorted() where self.terminal[run] == nil {
                self.fail("job \(run) of schedule \(name) is stuck")
            }
        }
    }

    /// A client was told of this job.
    func toldOfRun(_ id: JobID) {
        if self.stored[id] == nil { self.fail("run \(id) was acknowledged but is not stored") }
    }
}
