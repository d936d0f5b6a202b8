public import Martlet

/// One attempt that a ``TestCluster`` ran, and what came of it.
public struct JobRun: Sendable {
    public enum Outcome: Hashable, Sendable {
        case succeeded
        /// The attempt failed; the job is due again at this time.
        case willRetry(at: WallTime)
        /// The attempt failed, and it was the last.
        case dead
        /// The job ended otherwise while it ran: it was cancelled, say.
        case ended(JobState)
    }

    public let id: JobID
    public let type: String
    public let queue: String
    /// 1 for the first.
    public let attempt: Int
    public let outcome: Outcome
    /// What the handler threw, after all middleware of yours. Nil if it did not throw, or had not ended when its time
    /// was up.
    public let error: (any Error)?
    /// What is stored of the failure: also of a timeout, whose kind is `timeout`.
    public let failure: JobFailure?

    public var hasSucceeded: Bool { self.outcome == .succeeded }
}

/// A job that waits in a ``TestCluster``: it was submitted and has not ended, nor does it run.
public struct WaitingJob: Sendable {
    public let id: JobID
    public let type: String
    public let queue: String
    public let state: JobState
    /// When it is due, if it is scheduled.
    public let due: WallTime?
    public let options: JobOptions
    public let payload: Payload
}

/// Why a ``TestCluster`` could not do what it was asked to.
public struct TestClusterError: Error, Hashable, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable {
        private enum Base { case handlerDoesNotEnd, tooManyJobs, closed, stalled }
        private let base: Base
        private init(_ base: Base) { self.base = base }

        /// A handler did not end within ``TestConfiguration/patience``.
        public static let handlerDoesNotEnd = Self(.handlerDoesNotEnd)
        /// ``TestCluster/drain(jobsMax:)`` ran so many jobs and others were still ready.
        public static let tooManyJobs = Self(.tooManyJobs)
        /// The cluster was let go of meanwhile.
        public static let closed = Self(.closed)
        /// The cluster itself does not come to rest: a defect of Martlet.
        public static let stalled = Self(.stalled)
    }

    public let code: Code
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { self.message }
}
