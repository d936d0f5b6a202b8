package import MartletCore

/// A schedule as a store keeps it.
package struct ScheduleRow: Hashable, Sendable {
    /// Who defined it, and so who may change it.
    package enum Origin: UInt8, Hashable, Sendable {
        case file = 1
        case client = 2
    }

    package let name: String
    /// When it fires and what, in the terms of its owner.
    package var definition: Bytes
    package var origin: Origin
    /// Grows each time that the definition is replaced.
    package var revision: UInt64 = 1
    /// Every instant up to this one has been seen to. Only grows.
    package var handledThrough: WallTime
    package var isPaused = false
    /// The run that the next one may not overlap.
    package var lastJob: JobID?
    /// An instant that waits for the end of ``lastJob``.
    package var queuedInstant: WallTime?
    /// Instants that had their run. With the other two totals, and the one that waits, all up to ``handledThrough``.
    package var firedTotal: UInt64 = 0
    /// Instants left out because the run before had not ended, the schedule was paused or its unique key was taken.
    package var skippedTotal: UInt64 = 0
    /// Instants that passed while nobody could act on them and that its policy leaves out.
    package var missedTotal: UInt64 = 0
    /// Runs that are remembered, at most ``runsMax``.
    package var runCount = 0
    /// No run of an instant up to this one is remembered for certain.
    package var forgottenThrough: WallTime?

    /// Runs that are remembered of one schedule: the last ones by instant.
    package static let runsMax = 1000

    package init(name: String, definition: Bytes, origin: Origin, handledThrough: WallTime) {
        self.name = name
        self.definition = definition
        self.origin = origin
        self.handledThrough = handledThrough
    }
}

/// That an instant of a schedule had its run.
package struct ScheduleRun: Hashable, Sendable {
    package let instant: WallTime
    package let job: JobID

    package init(instant: WallTime, job: JobID) {
        self.instant = instant
        self.job = job
    }
}

/// A schedule that is to be there, under a new name or in place of the one that has it.
package struct NewSchedule: Hashable, Sendable {
    package let name: String
    package let definition: Bytes
    package let origin: ScheduleRow.Origin
    /// Of one that is there and is changed: instants up to then are not its own. Nil: it goes on where it was.
    package let handledThrough: WallTime?

    package init(name: String, definition: Bytes, origin: ScheduleRow.Origin, handledThrough: WallTime? = nil) {
        self.name = name
        self.definition = definition
        self.origin = origin
        self.handledThrough = handledThrough
    }
}

/// Stops a schedule, or lets it go on.
package struct SchedulePause: Hashable, Sendable {
    package let name: String
    package let isPaused: Bool
    /// Of one that goes on: instants up to then are left out.
    package let passedThrough: WallTime?
    /// How many those are.
    package let passed: Int

    package init(name: String, isPaused: Bool, passedThrough: WallTime? = nil, passed: Int = 0) {
        self.name = name
        self.isPaused = isPaused
        self.passedThrough = passedThrough
        self.passed = passed
    }
}

/// Jobs that a schedule leads to.
package struct ScheduleFire: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// Its instants after `after`: these runs, `missed` that are left out, and no others up to `through`.
        case due(after: WallTime, missed: Int, through: WallTime)
        /// The instant that waits, if the run before has ended.
        case queued
        /// Instants that were seen to before, at somebody's wish; those that had a run get no other.
        case backfill
        /// Not an instant of the schedule: somebody's wish, which the time names.
        case now
    }

    package struct Run: Hashable, Sendable {
        package let instant: WallTime
        package let job: NewJob

        package init(instant: WallTime, job: NewJob) {
            self.instant = instant
            self.job = job
        }
    }

    package let name: String
    /// The definition that the runs were made of.
    package let revision: UInt64
    package let kind: Kind
    package let overlap: OverlapPolicy
    /// In the order of their instants.
    package let runs: [Run]

    /// Runs of one fire.
    package static let runsMax = 1000

    package init(name: String, revision: UInt64, kind: Kind, overlap: OverlapPolicy, runs: [Run]) {
        if case .due(let after, _, let through) = kind {
            precondition(after < through, "a fire takes a schedule further")
            precondition(runs.allSatisfy { after < $0.instant && $0.instant <= through }, "its instants lie between")
        }
        precondition(runs.count <= Self.runsMax, "a fire is bounded")
        self.name = name
        self.revision = revision
        self.kind = kind
        self.overlap = overlap
        self.runs = runs
    }
}

/// What became of a fire.
package struct ScheduleFired: Hashable, Sendable {
    package enum Run: Hashable, Sendable {
        case created(JobID)
        /// The instant had this run before, or this job has the unique key. Nothing was created.
        case existing(JobID)
        /// It is to run when the run before has ended.
        case waiting
        /// Left out: the run before had not ended, or it is not an instant that was seen to.
        case leftOut
        /// Too long ago to know whether it had a run. Nothing was created.
        case forgotten
    }

    package let name: String
    /// False: the schedule is not as the fire takes it to be, and nothing was done.
    package let isApplied: Bool
    /// As it is now; nil if there is none (any more).
    package let row: ScheduleRow?
    /// One for each run of the fire; none if it was not applied.
    package let runs: [Run]

    package init(name: String, isApplied: Bool, row: ScheduleRow?, runs: [Run] = []) {
        self.name = name
        self.isApplied = isApplied
        self.row = row
        self.runs = runs
    }
}
