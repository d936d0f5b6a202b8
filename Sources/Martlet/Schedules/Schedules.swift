import MartletCore
import MartletRuntime
import MartletWire

/// Recurring jobs of a cluster.
public struct Schedules: Sendable {
    let client: Client

    /// Defines a schedule, or changes the one of that name. It fires from now on; one whose job or rules alone are
    /// changed goes on where it was.
    ///
    /// - Returns: false if it was there, defined just so.
    /// - Throws: ``MartletError``: `.invalidRequest` if the expression or the zone makes no sense, or the schedule is
    ///   defined in cluster.json; `.overloaded` if there are too many.
    @discardableResult
    public func put(_ schedule: Schedule) async throws(MartletError) -> Bool {
        let put: SchedulePut = try await self.client.ask(PutSchedule(schedule.definition))
        return put.isChanged
    }

    /// All schedules, in the order of their names.
    public func list() async throws(MartletError) -> [ScheduleStatus] {
        var all: [ScheduleStatus] = []
        while true {
            let page: ScheduleList = try await self.client.ask(ListSchedules(after: all.last?.name ?? ""))
            all += page.schedules.map { ScheduleStatus($0) }
            if page.schedules.count < ListSchedules.limitMax { return all }
        }
    }

    /// One schedule, or nil if there is none of that name.
    public func status(of name: String) async throws(MartletError) -> ScheduleStatus? {
        do {
            return ScheduleStatus(try await self.detail(name).view)
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    /// The next instants of a schedule, also of one that is paused.
    ///
    /// - Parameter count: at most 1,000.
    /// - Throws: ``MartletError``: `.notFound` if there is no such schedule.
    public func next(of name: String, count: Int = 5) async throws(MartletError) -> [WallTime] {
        try await self.detail(name, nextMax: count).next
    }

    /// The last runs of a schedule, the latest instant first. The cluster remembers 1,000 of each.
    ///
    /// - Throws: as ``next(of:count:)``.
    public func runs(of name: String, limit: Int = 20) async throws(MartletError) -> [ScheduleInstant] {
        try await self.detail(name, runsMax: limit).runs.map { ScheduleInstant($0) }
    }

    /// Lets a schedule fire no more until ``resume(_:)``. Runs that have been submitted go on.
    ///
    /// - Returns: false if it was paused before.
    /// - Throws: as ``next(of:count:)``.
    @discardableResult
    public func pause(_ name: String) async throws(MartletError) -> Bool {
        try await self.change(.pause, name).isChanged
    }

    /// Lets a paused schedule go on. Instants that passed meanwhile are left out.
    ///
    /// - Returns: how many those are, counted to 10,000; nil if it was not paused.
    /// - Throws: as ``next(of:count:)``.
    @discardableResult
    public func resume(_ name: String) async throws(MartletError) -> Int? {
        let changed = try await self.change(.resume, name)
        return changed.isChanged ? Int(changed.passed) : nil
    }

    /// Deletes a schedule. Its jobs stay.
    ///
    /// - Returns: false if there is none of that name.
    /// - Throws: ``MartletError``: `.invalidRequest` if it is defined in cluster.json.
    @discardableResult
    public func delete(_ name: String) async throws(MartletError) -> Bool {
        do {
            return try await self.change(.delete, name).isChanged
        } catch {
            guard error.code == .notFound else { throw error }
            return false
        }
    }

    /// Submits a schedule's job at once, beside its instants: the overlap policy does not look at it.
    ///
    /// - Throws: as ``next(of:count:)``.
    @discardableResult
    public func runNow(_ name: String) async throws(MartletError) -> JobID {
        let ran: ScheduleRan = try await self.client.ask(
            RunSchedule(name: name, wish: .now(self.client.loop.wallTime)))
        guard let run = ran.runs.first else { throw MartletError(.refused, "the coordinator made no job") }
        return run.job
    }

    /// Submits the runs of all instants in a range that have passed and had none, at most 1,000.
    ///
    /// It can be repeated: an instant gets one run. The overlap policy does not look at them.
    ///
    /// - Throws: ``MartletError``: `.invalidRequest` if the range holds more instants, `.notFound` if there is no such
    ///   schedule.
    @discardableResult
    public func backfill(_ name: String, in range: Range<WallTime>) async throws(MartletError) -> ScheduleBackfill {
        guard !range.isEmpty else { return ScheduleBackfill(runs: [], existing: 0, forgotten: 0, pending: 0) }
        let ran: ScheduleRan = try await self.client.ask(
            RunSchedule(name: name, wish: .range(range.lowerBound, range.upperBound)))
        return ScheduleBackfill(
            runs: ran.runs.map { ScheduleInstant($0) }, existing: Int(ran.existing), forgotten: Int(ran.forgotten),
            pending: Int(ran.pending))
    }

    private func change(
        _ action: ChangeSchedule.Action, _ name: String
    ) async throws(MartletError) -> ScheduleChanged {
        try Self.check(name)
        return try await self.client.ask(ChangeSchedule(action, name: name))
    }

    private func detail(
        _ name: String, nextMax: Int = 0, runsMax: Int = 0
    ) async throws(MartletError) -> ScheduleDetail {
        try Self.check(name)
        let bound = 0...ShowSchedule.listMax
        guard bound.contains(nextMax), bound.contains(runsMax) else {
            throw MartletError(.invalidRequest, "ask for at most \(ShowSchedule.listMax) instants or runs")
        }
        return try await self.client.ask(
            ShowSchedule(name: name, nextMax: UInt32(nextMax), runsMax: UInt32(runsMax)))
    }

    private static func check(_ name: String) throws(MartletError) {
        guard let problem = NameRule.problem(name) else { return }
        throw MartletError(.invalidRequest, "the schedule's name \"\(name)\" \(problem)")
    }
}

extension Client {
    /// Recurring jobs.
    public nonisolated var schedules: Schedules { Schedules(client: self) }
}

extension ScheduleStatus {
    init(_ view: ScheduleView) {
        self.init(
            name: view.name, recurrence: view.recurrence, zone: view.zone, type: view.type, queue: view.queue,
            isFromFile: view.origin == .file, isPaused: view.isPaused, handledThrough: view.handledThrough,
            next: view.next, lastJob: view.lastJob, queued: view.queued, firedTotal: view.firedTotal,
            skippedTotal: view.skippedTotal, missedTotal: view.missedTotal,
            problem: view.problem.isEmpty ? nil : view.problem)
    }
}

extension ScheduleInstant {
    init(_ run: ScheduleRunView) {
        self.init(instant: run.instant, job: run.job)
    }
}
