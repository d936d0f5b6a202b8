package import MartletCore

extension WorkerCore {
    package enum Action: Equatable, Sendable {
        /// A slot that waits may find a job.
        case wakeSlot(Int)
        /// Cancel the task of this slot; another takes its place when it has ended.
        case cancelSlot(Int)
        /// The checkpoint that this slot's attempt of this number waits for is durable, or never will be.
        case checkpointJudged(Int, use: UInt64, isSaved: Bool)
        case wakeReporter
        case wakeTicker
        /// The registration has ended, or the worker is over: look again.
        case interruptSession
        /// To be logged.
        case note(Note)
    }

    package enum Note: Equatable, Sendable {
        case timedOut(JobID)
        /// A result came too late: the lease had ended.
        case refused(JobID)
        /// The coordinator took jobs away.
        case ended(count: Int)
        /// The coordinator was out of reach for so long that this many leases ended.
        case leasesLost(count: Int)
        /// The coordinator is out of reach, and the leases end soon: so many handlers were cancelled.
        case leasesEnding(count: Int)
        case drainStarted(running: Int)
        case drainTimedOut(running: Int)
        /// So many jobs could not start in the time for which their services had let them through.
        case late(count: Int)
        /// A handler was told to stop and has not, for so long that it counts as stuck.
        case stuck(JobID, isSlotFree: Bool)
    }
}
