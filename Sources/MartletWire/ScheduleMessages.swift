package import MartletCore

/// Defines a schedule, or replaces the one of that name.
package struct PutSchedule: Message {
    package static let kind = FrameKind.putSchedule
    package var definition: ScheduleDefinition

    package init(_ definition: ScheduleDefinition) {
        self.definition = definition
    }
}

/// The schedule is durable.
package struct SchedulePut: Message {
    package static let kind = FrameKind.schedulePut

    /// False if it was there, defined just so.
    package var isChanged: Bool
    package var view: ScheduleView

    package init(isChanged: Bool, view: ScheduleView) {
        self.isChanged = isChanged
        self.view = view
    }
}

/// A schedule as people see it.
package struct ScheduleView: Hashable, Sendable {
    package enum Origin: UInt8, Sendable, CaseIterable {
        /// cluster.json
        case file = 1
        case client = 2
    }

    package var name: String
    package var recurrence: String
    package var zone: String
    package var type: String
    package var queue: String
    package var origin: Origin
    package var isPaused: Bool
    package var handledThrough: WallTime
    /// The next instant; nil if there is none, or while it is paused.
    package var next: WallTime?
    package var lastJob: JobID?
    /// An instant that waits for the end of `lastJob`.
    package var queued: WallTime?
    package var firedTotal: UInt64
    package var skippedTotal: UInt64
    package var missedTotal: UInt64
    /// Why it does not fire although nobody paused it; empty if it does.
    package var problem: String

    package init(
        name: String, recurrence: String, zone: String, type: String, queue: String, origin: Origin,
        isPaused: Bool = false, handledThrough: WallTime, next: WallTime? = nil, lastJob: JobID? = nil,
        queued: WallTime? = nil, firedTotal: UInt64 = 0, skippedTotal: UInt64 = 0, missedTotal: UInt64 = 0,
        problem: String = ""
    ) {
        self.name = name
        self.recurrence = recurrence
        self.zone = zone
        self.type = type
        self.queue = queue
        self.origin = origin
        self.isPaused = isPaused
        self.handledThrough = handledThrough
        self.next = next
        self.lastJob = lastJob
        self.queued = queued
        self.firedTotal = firedTotal
        self.skippedTotal = skippedTotal
        self.missedTotal = missedTotal
        self.problem = problem
    }
}

/// Asks for schedules in the order of their names.
package struct ListSchedules: Message {
    package static let kind = FrameKind.listSchedules

    /// Names behind this one; empty for the first.
    package var after: String
    /// 1 to ``limitMax``.
    package var limit: UInt32

    package static let limitMax = 1000

    package init(after: String = "", limit: UInt32 = UInt32(Self.limitMax)) {
        self.after = after
        self.limit = limit
    }
}

package struct ScheduleList: Message {
    package static let kind = FrameKind.scheduleList
    package var schedules: [ScheduleView]

    package init(schedules: [ScheduleView]) {
        self.schedules = schedules
    }
}

/// Asks for all about one schedule.
package struct ShowSchedule: Message {
    package static let kind = FrameKind.showSchedule
    package var name: String
    /// How many instants to come, at most ``listMax``.
    package var nextMax: UInt32
    /// How many runs of the past, at most ``listMax``.
    package var runsMax: UInt32

    package static let listMax = 1000

    package init(name: String, nextMax: UInt32, runsMax: UInt32) {
        self.name = name
        self.nextMax = nextMax
        self.runsMax = runsMax
    }
}

/// That an instant had its run.
package struct ScheduleRunView: Hashable, Sendable {
    package var instant: WallTime
    package var job: JobID

    package init(instant: WallTime, job: JobID) {
        self.instant = instant
        self.job = job
    }
}

package struct ScheduleDetail: Message {
    package static let kind = FrameKind.scheduleDetail
    package var view: ScheduleView
    package var definition: ScheduleDefinition
    /// Instants to come, also of one that is paused.
    package var next: [WallTime]
    /// The latest instant first.
    package var runs: [ScheduleRunView]

    package init(
        view: ScheduleView, definition: ScheduleDefinition, next: [WallTime], runs: [ScheduleRunView]
    ) {
        self.view = view
        self.definition = definition
        self.next = next
        self.runs = runs
    }
}

package struct ChangeSchedule: Message {
    package static let kind = FrameKind.changeSchedule

    package enum Action: UInt8, Sendable, CaseIterable {
        case delete = 1
        case pause = 2
        case resume = 3
    }

    package var name: String
    package var action: Action

    package init(_ action: Action, name: String) {
        self.action = action
        self.name = name
    }
}

/// The change is durable.
package struct ScheduleChanged: Message {
    package static let kind = FrameKind.scheduleChanged

    /// False if it was so before.
    package var isChanged: Bool
    /// Of one that goes on: how many instants passed while it was paused; counted to 10,000.
    package var passed: UInt32

    package init(isChanged: Bool, passed: UInt32 = 0) {
        self.isChanged = isChanged
        self.passed = passed
    }
}

/// Has a schedule run beside its instants to come.
package struct RunSchedule: Message {
    package static let kind = FrameKind.runSchedule

    package enum Wish: Hashable, Sendable {
        /// Once, at once. The time, the asker's, names the wish: asked again it does nothing.
        case now(WallTime)
        /// All instants from the first time on, before the second, that have passed and had no run.
        case range(WallTime, WallTime)
    }

    package var name: String
    package var wish: Wish

    package init(name: String, wish: Wish) {
        self.name = name
        self.wish = wish
    }
}

/// The runs are durable.
package struct ScheduleRan: Message {
    package static let kind = FrameKind.scheduleRan

    /// Runs that were made, or of ``RunSchedule/Wish/now(_:)`` the one that was made before.
    package var runs: [ScheduleRunView]
    /// Instants that had their run, or whose unique key another job has.
    package var existing: UInt32
    /// Instants too long ago to know whether they had a run: nothing was made.
    package var forgotten: UInt32
    /// Instants that the schedule itself is still to see to.
    package var pending: UInt32

    package init(runs: [ScheduleRunView], existing: UInt32 = 0, forgotten: UInt32 = 0, pending: UInt32 = 0) {
        self.runs = runs
        self.existing = existing
        self.forgotten = forgotten
        self.pending = pending
    }
}

/// Requests about schedules.
package enum ScheduleRequest: Sendable {
    case put(PutSchedule)
    case list(ListSchedules)
    case show(ShowSchedule)
    case change(ChangeSchedule)
    case run(RunSchedule)

    /// Nil if the frame is of another kind.
    init?(from reader: inout FrameReader) throws(WireError) {
        switch reader.kind {
        case .putSchedule: self = .put(try PutSchedule(from: &reader))
        case .listSchedules: self = .list(try ListSchedules(from: &reader))
        case .showSchedule: self = .show(try ShowSchedule(from: &reader))
        case .changeSchedule: self = .change(try ChangeSchedule(from: &reader))
        case .runSchedule: self = .run(try RunSchedule(from: &reader))
        default: return nil
        }
    }
}
