package import MartletCore

extension StoreState: ScheduleTables {
    package func schedule(_ name: String) -> ScheduleRow? { self.schedules[name] }

    package mutating func setSchedule(_ row: ScheduleRow) { self.schedules[row.name] = row }

    package mutating func writeState(of row: ScheduleRow) {
        guard let stored = self.schedules[row.name] else { return }
        var row = row
        row.definition = stored.definition
        row.origin = stored.origin
        self.schedules[row.name] = row
    }

    package mutating func removeSchedule(_ name: String) {
        self.schedules[name] = nil
        self.scheduleRuns[name] = nil
    }

    package func run(of schedule: String, at instant: WallTime) -> JobID? { self.scheduleRuns[schedule]?[instant] }

    package mutating func insert(_ run: ScheduleRun, of schedule: String) {
        self.scheduleRuns[schedule, default: [:]][run.instant] = run.job
    }

    package mutating func removeFirstRun(of schedule: String) -> WallTime? {
        guard let first = self.scheduleRuns[schedule]?.keys.min() else { return nil }
        self.scheduleRuns[schedule]?[first] = nil
        return first
    }

    // MARK: Questions

    /// By name.
    package var allSchedules: [ScheduleRow] { self.schedules.keys.sorted().map { self.schedules[$0]! } }

    package func runs(of schedule: String, before: WallTime?, limit: Int) -> [ScheduleRun] {
        let runs = (self.scheduleRuns[schedule] ?? [:]).filter { run in before.map { run.key < $0 } ?? true }
        return runs.sorted { $0.key > $1.key }.prefix(limit).map { ScheduleRun(instant: $0.key, job: $0.value) }
    }

    // MARK: Promises

    func checkSchedules() {
        for row in self.schedules.values {
            let runs = self.scheduleRuns[row.name] ?? [:]
            precondition(row.runCount == runs.count && runs.count <= ScheduleRow.runsMax, "runs are counted")
            precondition(row.queuedInstant.map { $0 <= row.handledThrough } ?? true, "what waits has been seen to")
        }
        precondition(self.scheduleRuns.keys.allSatisfy { self.schedules[$0] != nil }, "no run without its schedule")
    }
}
