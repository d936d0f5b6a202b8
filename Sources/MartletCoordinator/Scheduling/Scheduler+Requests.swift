package import MartletCore
import MartletRuntime
import MartletSchedule
import MartletStore
import MartletTransport
package import MartletWire

/// What people ask for.
extension Scheduler {
    /// - Throws: ``ErrorReply``, ``StoreError``, or `CancellationError` if nobody may be answered any more.
    func answer(_ question: ScheduleRequest, _ request: any IncomingRequest) async throws {
        switch question {
        case .put(let put): request.answer(try await self.put(put.definition))
        case .list(let list): request.answer(try self.list(list))
        case .show(let show): request.answer(try await self.show(show))
        case .change(let change): request.answer(try await self.change(change))
        case .run(let run): request.answer(try await self.run(run))
        }
    }

    private func checkReady() throws(ErrorReply) {
        guard self.isReady else { throw ErrorReply(.unavailable, "the coordinator is starting") }
    }

    // MARK: Defining

    package func put(_ definition: ScheduleDefinition) async throws -> SchedulePut {
        try self.checkReady()
        if let problem = definition.problem ?? self.lanes.serviceProblem(of: definition.template.options) {
            throw ErrorReply(.invalidRequest, problem)
        }
        let now = self.loop.wallTime
        guard try Self.times(definition).next(after: now) != nil else {
            throw ErrorReply(.badSchedule, "schedule \(definition.name) would never fire any more")
        }
        let known = self.table[definition.name]
        if known?.row.origin == .file {
            throw ErrorReply(
                .invalidRequest, "schedule \(definition.name) is defined in cluster.json: change it there")
        }
        let bytes = PutSchedule(definition).encoded()
        guard self.table.bytes + bytes.count <= Self.bytesMax,
            known != nil || self.table.count + self.adding < Self.schedulesMax
        else {
            throw ErrorReply(
                .overloaded,
                "there are \(self.table.count) schedules; the limit is \(Self.schedulesMax) of them "
                    + "and \(Self.bytesMax >> 20) MiB")
        }
        guard self.lanes.traits(of: definition.template) != nil else {
            throw ErrorReply(.invalidRequest, "the schedule would need another lane; the limit is limits.lanesMax")
        }
        self.adding += known == nil ? 1 : 0
        defer { self.adding -= known == nil ? 1 : 0 }
        // With other times, those that passed were not its own.
        let isRetimed = known?.definition.map { !$0.hasTimes(of: definition) } ?? false
        let outcomes = try await self.commit(
            [
                .save(
                    NewSchedule(
                        name: definition.name, definition: bytes, origin: .client,
                        handledThrough: isRetimed ? now : nil))
            ], kind: .intake)
        guard case .schedule(let row?, let isChanged) = outcomes.first else {
            throw ErrorReply(.internal, "the schedule was not stored")
        }
        return SchedulePut(isChanged: isChanged, view: Self.view(ScheduleTable.Entry(row)))
    }

    private static func times(_ definition: ScheduleDefinition) throws(ErrorReply) -> ScheduleTimes {
        do throws(ScheduleError) { return try ScheduleTimes(definition) } catch {
            throw ErrorReply(.badSchedule, error.description)
        }
    }

    // MARK: Looking

    package func list(_ list: ListSchedules) throws(ErrorReply) -> ScheduleList {
        try self.checkReady()
        let names = self.table.names.lazy.filter { $0 > list.after }.prefix(Int(list.limit))
        return ScheduleList(schedules: names.compactMap { self.table[$0].map(Self.view) })
    }

    package func show(_ show: ShowSchedule) async throws -> ScheduleDetail {
        try self.checkReady()
        let entry = try self.entry(show.name)
        guard let definition = entry.definition else { throw ErrorReply(.internal, entry.problem) }
        let after = max(entry.row.handledThrough, self.loop.wallTime)
        let next = entry.times?.previews(after: after, count: Int(show.nextMax)) ?? []
        let runs = try await self.store.runs(of: show.name, before: nil, limit: Int(show.runsMax))
        return ScheduleDetail(
            view: Self.view(entry), definition: definition, next: next,
            runs: runs.map { ScheduleRunView(instant: $0.instant, job: $0.job) })
    }

    private func entry(_ name: String) throws(ErrorReply) -> ScheduleTable.Entry {
        guard let entry = self.table[name] else {
            let nearest = NearestWord.to(name, among: self.table.names).map { "; did you mean \"\($0)\"?" } ?? ""
            throw ErrorReply(.notFound, "there is no schedule \(name)\(nearest)")
        }
        return entry
    }

    private static func view(_ entry: ScheduleTable.Entry) -> ScheduleView {
        let row = entry.row
        return ScheduleView(
            name: row.name, recurrence: entry.definition?.recurrence ?? "", zone: entry.definition?.zone ?? "",
            type: entry.definition?.template.type ?? "", queue: entry.definition?.template.queue ?? "",
            origin: row.origin == .file ? .file : .client, isPaused: row.isPaused, handledThrough: row.handledThrough,
            next: row.isPaused ? nil : entry.times?.next(after: row.handledThrough), lastJob: row.lastJob,
            queued: row.queuedInstant, firedTotal: row.firedTotal, skippedTotal: row.skippedTotal,
            missedTotal: row.missedTotal, problem: entry.problem)
    }

    /// What all schedules did, for metrics.
    package struct Totals: Sendable {
        package fileprivate(set) var schedules: UInt64 = 0
        package fileprivate(set) var broken: UInt64 = 0
        package fileprivate(set) var fired: UInt64 = 0
        package fileprivate(set) var skipped: UInt64 = 0
        package fileprivate(set) var missed: UInt64 = 0
    }

    package var totals: Totals {
        var totals = Totals()
        for name in self.table.names {
            guard let entry = self.table[name] else { continue }
            totals.schedules += 1
            if !entry.problem.isEmpty { totals.broken += 1 }
            totals.fired += entry.row.firedTotal
            totals.skipped += entry.row.skippedTotal
            totals.missed += entry.row.missedTotal
        }
        return totals
    }

    // MARK: Changing

    package func change(_ change: ChangeSchedule) async throws -> ScheduleChanged {
        try self.checkReady()
        let entry = try self.entry(change.name)
        var passed = 0
        let wanted: ScheduleChange
        switch change.action {
        case .delete:
            if entry.row.origin == .file {
                throw ErrorReply(
                    .invalidRequest, "schedule \(change.name) is defined in cluster.json: remove it there, or pause it")
            }
            wanted = .delete(name: change.name)
        case .pause:
            wanted = .pause(SchedulePause(name: change.name, isPaused: true))
        case .resume:
            let now = self.loop.wallTime
            if entry.row.isPaused, let times = entry.times {
                passed = times.count(after: entry.row.handledThrough, through: now, max: SchedulePlan.countMax)
            }
            wanted = .pause(
                SchedulePause(name: change.name, isPaused: false, passedThrough: now, passed: passed))
        }
        let outcomes = try await self.commit([wanted], kind: .intake)
        guard case .schedule(_, let isChanged) = outcomes.first else { return ScheduleChanged(isChanged: false) }
        return ScheduleChanged(isChanged: isChanged, passed: isChanged ? UInt32(passed) : 0)
    }

    // MARK: Running

    package func run(_ run: RunSchedule) async throws -> ScheduleRan {
        try self.checkReady()
        let entry = try self.entry(run.name)
        guard let definition = entry.definition, let times = entry.times else {
            throw ErrorReply(.internal, entry.problem)
        }
        let (kind, instants) = try self.instants(of: run.wish, times)
        guard !instants.isEmpty else { return ScheduleRan(runs: []) }
        guard instants.count == 1 || instants.count * definition.payload.count <= ScheduleTable.fireBytesMax else {
            throw ErrorReply(.invalidRequest, "\(instants.count) runs hold too many bytes; make them in parts")
        }
        guard let fire = self.fire(definition, entry.row.revision, kind, instants) else {
            throw ErrorReply(.invalidRequest, "the schedule would need another lane; the limit is limits.lanesMax")
        }
        let outcomes = try await self.commit([.fire([fire])], kind: .intake, jobs: instants.count)
        guard case .fired(let fired) = outcomes.first, let done = fired.first, done.isApplied else {
            throw ErrorReply(.unavailable, "the schedule was changed meanwhile; try again")
        }
        var ran = ScheduleRan(runs: [])
        for (instant, outcome) in zip(instants, done.runs) {
            switch outcome {
            case .created(let id): ran.runs.append(ScheduleRunView(instant: instant, job: id))
            case .existing(let id):
                ran.existing += 1
                if kind == .now { ran.runs.append(ScheduleRunView(instant: instant, job: id)) }
            case .waiting, .leftOut: ran.pending += 1
            case .forgotten: ran.forgotten += 1
            }
        }
        return ran
    }

    private func instants(
        of wish: RunSchedule.Wish, _ times: ScheduleTimes
    ) throws -> (ScheduleFire.Kind, [WallTime]) {
        switch wish {
        case .now(let time):
            // Never an instant of its own.
            let isWhole = time.microseconds % 1_000_000 == 0
            return (.now, [isWhole ? time + .microseconds(1) : time])
        case .range(let from, let to):
            let end = min(to, self.loop.wallTime + .microseconds(1))
            guard from < end else { return (.backfill, []) }
            do throws(ScheduleError) {
                return (.backfill, try times.recurrence.backfill(from..<end, max: ScheduleFire.runsMax))
            } catch {
                throw ErrorReply(.badSchedule, error.description)
            }
        }
    }
}
