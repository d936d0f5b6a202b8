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
    private let wanted = Signal()
    private var lastTicket: UInt64 = 0
    private var settled: [UInt64: Result<[ChangeOutcome], StoreError>] = [:]

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
        while true {
            try Task.checkCancellation()
            if self.firesInFlight < Self.firesInFlightMax { try await self.turn() }
            await self.sleep()
        }
    }

    package func checkInvariants() { self.table.checkInvariants() }

    // MARK: Firing

    private func sleep() async {
        var timer: TimerID?
        if self.firesInFlight < Self.firesInFlightMax,
            let wait = self.table.wait(wall: self.loop.wallTime, at: self.loop.now)
        {
            let wanted = self.wanted
            timer = self.loop.schedule(at: self.loop.now + wait) { wanted.notify() }
        }
        await self.wanted.wait()
        if let timer { self.loop.cancel(timer) }
    }

    private func turn() async throws {
        var actions: [ScheduleTable.Action] = []
        self.table.turn(wall: self.loop.wallTime, at: self.loop.now, into: &actions)
        var fires: [ScheduleTable.PlannedFire] = []
        var place = 0
        while place < actions.count {
            switch actions[place] {
            case .fire(let fire): fires.append(fire)
            case .look(let name, let job):
                let isOver = await self.isOver(job)
                self.table.looked(name, isOver: isOver, at: self.loop.now, into: &actions)
            }
            place += 1
        }
        await self.commit(fires)
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
                self.log(.error, "a schedule has no lane: the limit is limits.lanesMax", [.name: plan.name])
                self.table.failed(plan.name, at: self.loop.now)
                continue
            }
            fires.append(fire)
        }
        guard !fires.isEmpty else { return }
        self.firesInFlight += 1
        let names = fires.map(\.name)
        await self.commitLog.append(
            [.schedule(.fire(fires))], kind: .intake, jobs: max(1, fires.reduce(0) { $0 + $1.runs.count })
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
        self.lastTicket += 1
        let ticket = self.lastTicket
        await self.commitLog.append(changes.map { .schedule($0) }, kind: kind, jobs: jobs) {
            await self.adopt($0, of: changes, ticket)
        }
        // Answered behind it.
        guard await self.commitLog.commit([], kind: kind) != nil, let result = self.settled.removeValue(forKey: ticket)
        else { throw CancellationError() }
        return try result.get()
    }

    private func adopt(
        _ result: Result<[ChangeOutcome], StoreError>, of changes: [ScheduleChange], _ ticket: UInt64
    ) {
        self.settled[ticket] = result
        guard case .success(let outcomes) = result else { return }
        for (change, outcome) in zip(changes, outcomes) {
            switch (change, outcome) {
            case (.delete(let name), _):
                self.table.remove(name)
                self.skipping.remove(name)
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
