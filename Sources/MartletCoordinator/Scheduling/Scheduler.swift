import MartletCore
package import MartletObservability
package import MartletRuntime
import MartletSchedule
package import MartletStore
import MartletWire

/// Fires schedules, each instant once, and does what people want done with them.
package actor Scheduler {
    /// Schedules at once, and bytes of their definitions, which stay in memory.
    package static let schedulesMax = 10_000
    package static let bytesMax = 64 << 20
    /// Groups of fires on their way to the store.
    private static let firesInFlightMax = 4
    /// Groups that a turn may add: what is due, and what a look brings.
    private static let turnFiresMax = 2
    /// Definitions from the file written in one commit.
    private static let reconcileMax = 500

    nonisolated let loop: EventLoop
    nonisolated let store: any JobStore
    nonisolated let lanes: LaneDirectory
    private nonisolated let commitLog: CommitLog
    private nonisolated let log: Log
    /// What cluster.json says, by name.
    private let fileSchedules: [ScheduleDefinition]
    var table = ScheduleTable()
    /// Names that are about to be added.
    var adding = 0
    private(set) var isReady = false
    private var firesInFlight = 0
    private var isFailing = false
    /// Schedules whose last instants were left out, so that it is logged once.
    private var skipping: Set<String> = []
    /// Schedules that have no lane, so that it is logged once.
    private var laneless: Set<String> = []
    private let wanted = Signal()
    /// Schedules with the job behind which an instant waits, to be asked about: at most one for each schedule.
    private var looks = Deque<(name: String, job: JobID?)>()
    private let lookWanted = Signal()
    /// Fires of which somebody has found out that they may be: at most one for each schedule.
    private var found = Deque<ScheduleTable.PlannedFire>()

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    package init(
        loop: EventLoop, settings: CoordinatorSettings, store: any JobStore, opening: StoreOpening,
        commitLog: CommitLog, lanes: LaneDirectory, log: Log
    ) {
        self.loop = loop
        self.store = store
        self.commitLog = commitLog
        self.lanes = lanes
        self.log = log
        self.fileSchedules = settings.schedules.sorted { $0.name < $1.name }
        for row in opening.schedules { self.table.put(row, at: loop.now) }
    }

    /// Brings the schedules of the file up to date, then fires what is due until cancelled.
    package func run() async throws {
        for name in self.table.names {
            guard let entry = self.table[name], !entry.problem.isEmpty else { continue }
            self.log(.error, "a schedule does not fire", [.name: name, .cause: entry.problem])
        }
        try await self.reconcile()
        self.isReady = true
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.fireDue() }
            group.addTask { try await self.look() }
            try await group.next()
            group.cancelAll()
        }
    }

    private func fireDue() async throws {
        while true {
            try Task.checkCancellation()
            if self.hasRoom { await self.turn() }
            await self.sleep()
        }
    }

    private var hasRoom: Bool { self.firesInFlight + Self.turnFiresMax <= Self.firesInFlightMax }

    package func checkInvariants() { self.table.checkInvariants() }

    // MARK: Firing

    private func sleep() async {
        var timer: TimerID?
        if self.hasRoom, let wait = self.table.wait(wall: self.loop.wallTime, at: self.loop.now) {
            let wanted = self.wanted
            timer = self.loop.schedule(at: self.loop.now + wait) { wanted.notify() }
        }
        await self.wanted.wait()
        if let timer { self.loop.cancel(timer) }
    }

    private func turn() async {
        var actions: [ScheduleTable.Action] = []
        self.table.turn(wall: self.loop.wallTime, at: self.loop.now, into: &actions)
        for case .look(let name, let job) in actions {
            self.looks.append((name, job))
            self.lookWanted.notify()
        }
        await self.commit(actions.compactMap(\.fire))
        var found: [ScheduleTable.PlannedFire] = []
        while found.count < ScheduleTable.turnLooksMax, let fire = self.found.popFirst() { found.append(fire) }
        await self.commit(found)
        if !self.found.isEmpty { self.wanted.notify() }
    }

    /// Asks the store which runs are over, beside what fires: the store may be busy with questions for long.
    private func look() async throws {
        while true {
            try Task.checkCancellation()
            guard let look = self.looks.popFirst() else {
                await self.lookWanted.wait()
                continue
            }
            let isOver = await self.isOver(look.job)
            var actions: [ScheduleTable.Action] = []
            self.table.looked(look.name, isOver: isOver, at: self.loop.now, into: &actions)
            for fire in actions.lazy.compactMap(\.fire) { self.found.append(fire) }
            self.wanted.notify()
        }
    }

    private func isOver(_ id: JobID?) async -> Bool {
        guard let id else { return true }
        do {
            guard let job = try await self.store.job(id) else { return true }
            return job.record.state.isTerminal
        } catch {
            return false
        }
    }

    private func commit(_ planned: [ScheduleTable.PlannedFire]) async {
        var fires: [ScheduleFire] = []
        for plan in planned {
            guard let fire = self.fire(plan.definition, plan.revision, plan.kind, plan.instants) else {
                if self.laneless.insert(plan.name).inserted {
                    self.log(.error, "a schedule has no lane: the limit is limits.lanesMax", [.name: plan.name])
                }
                self.table.failed(plan.name, at: self.loop.now)
                continue
            }
            self.laneless.remove(plan.name)
            fires.append(fire)
        }
        guard !fires.isEmpty else { return }
        self.firesInFlight += 1
        let names = fires.map(\.name)
        await self.commitLog.append(
            [.schedule(.fire(fires))], kind: .intake, jobs: max(1, fires.reduce(0) { $0 + $1.runs.count }),
            bytes: fires.reduce(0) { $0 + $1.bytes }
        ) { await self.settle(names, $0) }
    }

    /// Makes the jobs of a fire; nil if there are too many lanes.
    func fire(
        _ definition: ScheduleDefinition, _ revision: UInt64, _ kind: ScheduleFire.Kind, _ instants: [WallTime]
    ) -> ScheduleFire? {
        guard let traits = self.lanes.traits(of: definition.template) else { return nil }
        let runs = instants.map { instant in
            ScheduleFire.Run(
                instant: instant,
                job: NewJob(
                    lane: traits.lane, options: definition.options(instant: instant.rfc3339),
                    payload: definition.payload))
        }
        return ScheduleFire(
            name: definition.name, revision: revision, kind: kind, overlap: definition.rules.overlap, runs: runs)
    }

    private func settle(_ names: [String], _ result: Result<[ChangeOutcome], StoreError>) {
        self.firesInFlight -= 1
        switch result {
        case .success(let outcomes):
            if case .fired(let fired) = outcomes.first { for fire in fired { self.settle(fire) } }
            self.isFailing = false
        case .failure(let error):
            for name in names { self.table.failed(name, at: self.loop.now) }
            if !self.isFailing { self.log(.error, "schedules wait for the store", [.cause: error.message]) }
            self.isFailing = true
        }
        self.wanted.notify()
    }

    private func settle(_ fired: ScheduleFired) {
        let before = self.table[fired.name]?.row
        self.table.answered(fired.name, fired.row, at: self.loop.now)
        guard let before, let row = fired.row, fired.isApplied else { return }
        if row.missedTotal > before.missedTotal {
            self.log(
                .notice, "instants of a schedule were missed and left out",
                [.name: row.name, .count: row.missedTotal - before.missedTotal])
        }
        if row.skippedTotal == before.skippedTotal {
            self.skipping.remove(row.name)
        } else if self.skipping.insert(row.name).inserted {
            self.log(
                .notice, "instants of a schedule are left out: its last run has not ended, or its unique key is taken",
                [.name: row.name])
        }
    }

    // MARK: Changing

    /// Commits a change, and has the table know before anything that the store does after it.
    ///
    /// - Throws: ``StoreError``, or `CancellationError` if nobody may be answered any more.
    func commit(_ changes: [ScheduleChange], kind: CommitLog.Kind, jobs: Int = 1) async throws -> [ChangeOutcome] {
        let result = await self.commitLog.commit(
            changes.map { .schedule($0) }, kind: kind, jobs: jobs, bytes: changes.reduce(0) { $0 + $1.bytes }
        ) { await self.adopt($0, of: changes) }
        guard let result else { throw CancellationError() }
        return try result.get()
    }

    private func adopt(_ result: Result<[ChangeOutcome], StoreError>, of changes: [ScheduleChange]) {
        guard case .success(let outcomes) = result else { return }
        for (change, outcome) in zip(changes, outcomes) {
            switch (change, outcome) {
            case (.delete(let name), _):
                self.table.remove(name)
                self.skipping.remove(name)
                self.laneless.remove(name)
            case (_, .schedule(let row?, _)): self.table.put(row, at: self.loop.now)
            case (_, .fired(let fired)):
                for fire in fired { if let row = fire.row { self.table.put(row, at: self.loop.now) } }
            default: break
            }
        }
        self.wanted.notify()
    }

    /// Has the store hold what the file says: what it names is there, what it named once is not.
    private func reconcile() async throws {
        let named = Set(self.fileSchedules.map(\.name))
        var changes: [ScheduleChange] = []
        for name in self.table.names where self.table[name]?.row.origin == .file && !named.contains(name) {
            changes.append(.delete(name: name))
        }
        for definition in self.fileSchedules {
            let bytes = PutSchedule(definition).encoded()
            let known = self.table[definition.name]?.row
            if known?.origin == .file, known?.definition == bytes { continue }
            changes.append(.save(NewSchedule(name: definition.name, definition: bytes, origin: .file)))
        }
        guard !changes.isEmpty else { return }
        for start in stride(from: 0, to: changes.count, by: Self.reconcileMax) {
            let part = Array(changes[start..<min(start + Self.reconcileMax, changes.count)])
            _ = try await self.commit(part, kind: .essential, jobs: part.count)
        }
        self.log(.info, "schedules brought up to date with the configuration", [.count: changes.count])
    }
}

extension ScheduleTable.Action {
    fileprivate var fire: ScheduleTable.PlannedFire? {
        if case .fire(let fire) = self { fire } else { nil }
    }
}

extension ScheduleFire {
    fileprivate var bytes: Int { self.runs.reduce(0) { $0 + $1.job.payload.count } }
}

extension ScheduleChange {
    /// Of what it brings into the store.
    fileprivate var bytes: Int {
        switch self {
        case .save(let schedule): schedule.definition.count
        case .fire(let fires): fires.reduce(0) { $0 + $1.bytes }
        case .delete, .pause: 0
        }
    }
}
