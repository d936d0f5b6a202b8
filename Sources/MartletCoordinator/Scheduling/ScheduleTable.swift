import MartletCore
import MartletSchedule
import MartletStore
import MartletWire

/// Decides which schedules fire, and when to look again.
///
/// Two clocks are passed in: civil time says what is due, the monotonic one when something is tried again. At most one
/// fire of a schedule is on its way to the store; until it is answered nothing more is decided about that schedule.
struct ScheduleTable {
    struct Entry {
        fileprivate(set) var row: ScheduleRow
        /// Nil if it cannot be read.
        let definition: ScheduleDefinition?
        /// Nil if its recurrence or zone makes no sense here.
        let times: ScheduleTimes?
        /// Why either is nil.
        let problem: String
        /// A fire, or a question about the run before, is on its way.
        fileprivate(set) var isBusy = false
        /// Its last fire came to nothing, through no fault of its own.
        fileprivate(set) var isPutOff = false

        init(_ row: ScheduleRow) {
            self.row = row
            guard let put = try? PutSchedule.decode(row.definition) else {
                self.definition = nil
                self.times = nil
                self.problem = "the definition was written by another version of Martlet"
                return
            }
            self.definition = put.definition
            do throws(ScheduleError) {
                self.times = try ScheduleTimes(put.definition)
                self.problem = ""
            } catch {
                self.times = nil
                self.problem = error.description
            }
        }
    }

    /// What is to be done.
    enum Action: Hashable {
        /// Commit it, and say ``ScheduleTable/answered(_:_:at:)`` or ``ScheduleTable/failed(_:at:)``.
        case fire(PlannedFire)
        /// Find out whether that job is over, and say ``ScheduleTable/looked(_:isOver:at:into:)``.
        case look(name: String, job: JobID?)
    }

    /// A fire whose jobs are still to be made.
    struct PlannedFire: Hashable {
        let name: String
        let revision: UInt64
        let kind: ScheduleFire.Kind
        let definition: ScheduleDefinition
        let instants: [WallTime]

        /// Of the payloads of its runs.
        var bytes: Int { self.instants.count * self.definition.payload.count }
    }

    private struct Wake: Comparable {
        let at: WallTime
        let name: String

        static func < (a: Self, b: Self) -> Bool { (a.at, a.name) < (b.at, b.name) }
    }

    private struct Look: Comparable {
        let at: Instant
        let name: String

        static func < (a: Self, b: Self) -> Bool { (a.at, a.name) < (b.at, b.name) }
    }

    /// Schedules that fire in one turn, with their jobs and the bytes of those.
    static let turnFiresMax = 100
    static let turnJobsMax = 1000
    static let turnBytesMax = 8 << 20
    /// Schedules that are looked at in one turn.
    static let turnLooksMax = 100
    /// Payload bytes of one fire.
    static let fireBytesMax = 4 << 20
    /// Until something is tried again, or looked at again.
    static let pause: Duration = .seconds(1)
    /// The wall clock may be set, so nobody sleeps for longer.
    static let sleepMax: Duration = .seconds(30)

    private var entries: [Entry?] = []
    private var free: [Int] = []
    private var numbers: [String: Int] = [:]
    /// Those that are not busy, by the time at which their next instant is due.
    private var wakes = IndexedHeap<Wake>()
    /// Those that are not busy and have an instant that waits, or were put off.
    private var looks = IndexedHeap<Look>()
    /// Of all definitions.
    private(set) var bytes = 0

    var count: Int { self.numbers.count }
    /// In order.
    var names: [String] { self.numbers.keys.sorted() }

    subscript(name: String) -> Entry? { self.numbers[name].flatMap { self.entries[$0] } }

    // MARK: What is there

    /// A schedule is there, or is not as it was. What is on its way stays so.
    mutating func put(_ row: ScheduleRow, at clock: Instant) {
        let number: Int
        if let known = self.numbers[row.name] {
            number = known
            let isBusy = self.entries[number]!.isBusy
            self.bytes -= self.entries[number]!.row.definition.count
            if self.entries[number]!.row.definition == row.definition {
                self.entries[number]!.row = row
            } else {
                self.entries[number] = Entry(row)
                self.entries[number]!.isBusy = isBusy
            }
        } else {
            number = self.free.popLast() ?? self.entries.count
            if number == self.entries.count { self.entries.append(nil) }
            self.entries[number] = Entry(row)
            self.numbers[row.name] = number
        }
        self.bytes += row.definition.count
        self.arrange(number, at: clock)
    }

    mutating func remove(_ name: String) {
        guard let number = self.numbers.removeValue(forKey: name) else { return }
        self.bytes -= self.entries[number]!.row.definition.count
        self.wakes.remove(number)
        self.looks.remove(number)
        self.entries[number] = nil
        self.free.append(number)
    }

    /// Puts a schedule where it belongs.
    private mutating func arrange(_ number: Int, at clock: Instant) {
        let entry = self.entries[number]!
        guard !entry.isBusy, !entry.row.isPaused, let times = entry.times else {
            self.wakes.remove(number)
            self.looks.remove(number)
            return
        }
        if !entry.isPutOff, let next = times.next(after: entry.row.handledThrough) {
            self.wakes.update(number, rank: Wake(at: times.dueAt(next), name: entry.row.name))
        } else {
            self.wakes.remove(number)
        }
        if !entry.isPutOff, entry.row.queuedInstant == nil {
            self.looks.remove(number)
        } else if !self.looks.contains(number) {
            self.looks.update(number, rank: Look(at: clock + Self.pause, name: entry.row.name))
        }
    }

    // MARK: Turns

    /// Says what is due, as much as a turn may hold: first what fires, then what is looked at, each with a budget of
    /// its own, for a look is a question to the store and keeps no instant waiting.
    mutating func turn(wall: WallTime, at clock: Instant, into actions: inout [Action]) {
        let looks = self.planLooks(at: clock)
        self.planFires(wall: wall, into: &actions)
        actions += looks
    }

    /// Those that were put off are ready again; of those behind which an instant waits it is asked whether they are
    /// over, before they fire: else one that fires each second would never be asked about.
    private mutating func planLooks(at clock: Instant) -> [Action] {
        var actions: [Action] = []
        var schedules = Self.turnLooksMax
        while schedules > 0, let first = self.looks.first, first.rank.at <= clock {
            schedules -= 1
            self.looks.remove(first.id)
            self.entries[first.id]!.isPutOff = false
            let row = self.entries[first.id]!.row
            if row.queuedInstant == nil {
                self.arrange(first.id, at: clock)
            } else {
                self.busy(first.id)
                actions.append(.look(name: row.name, job: row.lastJob))
            }
        }
        return actions
    }

    private mutating func planFires(wall: WallTime, into actions: inout [Action]) {
        var schedules = Self.turnFiresMax
        var jobs = Self.turnJobsMax
        var bytes = Self.turnBytesMax
        while schedules > 0, jobs > 0, bytes > 0, let first = self.wakes.first, first.rank.at <= wall {
            schedules -= 1
            let bytesMax = min(bytes, Self.fireBytesMax)
            guard let fire = self.plan(first.id, wall: wall, jobsMax: jobs, bytesMax: bytesMax) else {
                preconditionFailure("a schedule wakes when it is due")
            }
            jobs -= fire.instants.count
            bytes -= fire.bytes
            self.busy(first.id)
            actions.append(.fire(fire))
        }
    }

    private mutating func busy(_ number: Int) {
        self.entries[number]!.isBusy = true
        self.wakes.remove(number)
        self.looks.remove(number)
    }

    /// - Parameter bytesMax: kept to, but for the first run.
    private func plan(_ number: Int, wall: WallTime, jobsMax: Int, bytesMax: Int) -> PlannedFire? {
        guard let entry = self.entries[number], let times = entry.times, let definition = entry.definition else {
            return nil
        }
        let after = entry.row.handledThrough
        let plan = SchedulePlan(times, handledThrough: after, now: wall)
        guard plan.handledThrough > after else { return nil }
        // What does not fit is planned again from there: it was missed no more than the rest.
        let runsMax = min(
            jobsMax, ScheduleFire.runsMax, max(1, bytesMax / max(1, definition.payload.count)))
        let instants = plan.fires.prefix(runsMax).map(\.instant)
        let through = instants.count < plan.fires.count ? instants.last! : plan.handledThrough
        return PlannedFire(
            name: entry.row.name, revision: entry.row.revision,
            kind: .due(after: after, missed: plan.skipped, through: through), definition: definition,
            instants: instants)
    }

    /// How long nothing is to be done; nil if nothing ever will.
    func wait(wall: WallTime, at clock: Instant) -> Duration? {
        var wait: Duration?
        if let first = self.wakes.first { wait = min(Self.sleepMax, max(.zero, first.rank.at - wall)) }
        if let first = self.looks.first { wait = min(wait ?? Self.sleepMax, max(.zero, first.rank.at - clock)) }
        return wait
    }

    // MARK: Answers

    /// A fire was applied, or refused since the schedule is not as it was taken to be; this is it now.
    mutating func answered(_ name: String, _ row: ScheduleRow?, at clock: Instant) {
        guard let number = self.numbers[name] else { return }
        self.entries[number]!.isBusy = false
        guard let row else { return self.remove(name) }
        self.put(row, at: clock)
    }

    /// A fire could not be committed; nothing has changed.
    mutating func failed(_ name: String, at clock: Instant) {
        guard let number = self.numbers[name] else { return }
        self.entries[number]!.isBusy = false
        self.entries[number]!.isPutOff = true
        self.looks.remove(number)
        self.arrange(number, at: clock)
    }

    /// Whether the run is over behind which an instant waits.
    mutating func looked(_ name: String, isOver: Bool, at clock: Instant, into actions: inout [Action]) {
        guard let number = self.numbers[name], let entry = self.entries[number] else { return }
        guard isOver, !entry.row.isPaused, let instant = entry.row.queuedInstant, entry.times != nil,
            let definition = entry.definition
        else {
            self.entries[number]!.isBusy = false
            return self.arrange(number, at: clock)
        }
        actions.append(
            .fire(
                PlannedFire(
                    name: name, revision: entry.row.revision, kind: .queued, definition: definition,
                    instants: [instant])))
    }

    func checkInvariants() {
        self.wakes.checkInvariants()
        self.looks.checkInvariants()
        precondition(self.numbers.count + self.free.count == self.entries.count, "every number is used or free")
        for (name, number) in self.numbers {
            let entry = self.entries[number]!
            precondition(entry.row.name == name, "a name names its schedule")
            let isAsleep = entry.isBusy || entry.row.isPaused || entry.times == nil
            precondition(!isAsleep || (!self.wakes.contains(number) && !self.looks.contains(number)), "it is at rest")
            precondition(isAsleep || !entry.isPutOff || self.looks.contains(number), "what was put off comes again")
            let waits = entry.row.queuedInstant != nil
            precondition(isAsleep || !waits || self.looks.contains(number), "somebody looks at what waits")
        }
    }
}
