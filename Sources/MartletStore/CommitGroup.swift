package import MartletCore

/// The changes written in one store transaction.
package struct CommitGroup: Sendable {
    package let epoch: Epoch
    package let now: WallTime
    /// Lanes used for the first time, in id order. A store that knows one already ignores it.
    package var newLanes: [(id: LaneID, key: LaneKey)]
    package var changes: [Change]
    /// The group frees space and may use the reserve that is kept for a full disk.
    package var mayUseReserve: Bool

    package init(
        epoch: Epoch, now: WallTime, newLanes: [(id: LaneID, key: LaneKey)] = [], changes: [Change],
        mayUseReserve: Bool = false
    ) {
        self.epoch = epoch
        self.now = now
        self.newLanes = newLanes
        self.changes = changes
        self.mayUseReserve = mayUseReserve
    }
}

package enum Change: Sendable {
    /// Opens a client session, or renews it if it is there. -> `.done`
    case openSession(SessionID)
    /// New jobs. -> `.submitted`
    case submit(Submission)
    /// Accepted completions of pending jobs: removes them, or keeps them as `succeeded` where `isRetained`.
    /// -> `.applied`
    case succeed([SucceededJob])
    /// Jobs that go on in another state. -> `.applied`
    case update([JobUpdate])
    /// Removes dead jobs at somebody's wish. -> `.applied`
    case deleteDead([JobID])
    /// Registers a node, in place of an older one of that name. -> `.done`
    case saveNode(NodeRecord)
    case forgetNode(name: String)
    /// Forgets sessions last used before then, those unused for longest first, at most ``expiredSessionsMax``.
    /// -> `.done`
    case expireSessions(unusedSince: WallTime)
    /// Removes at most `limit` jobs that are in this terminal state since before then, the oldest first. Dead ones
    /// count as deleted. -> `.done`
    case purgeFinished(state: JobState, before: WallTime, limit: Int)

    /// How many sessions one change forgets: a bound on how long others wait for it.
    package static let expiredSessionsMax = 1000
}

/// One submit: all of its jobs or none.
package struct Submission: Sendable {
    package let session: SessionID
    /// 1 and up within the session. The store remembers the last ``windowMax`` of them.
    package let sequence: UInt64
    package let jobs: [NewJob]

    /// `submitsInFlightMax`: how many sequences of a session are kept for recognising a repeat.
    package static let windowMax = 256
    /// A submit counts as a use of its session if the last one is at least this long ago, so that most submits
    /// need not write it down: a session may be forgotten this much early.
    package static let useGranularity: Duration = .seconds(60)

    package init(session: SessionID, sequence: UInt64, jobs: [NewJob]) {
        self.session = session
        self.sequence = sequence
        self.jobs = jobs
    }
}

package struct NewJob: Sendable {
    package let lane: LaneID
    package let options: JobOptions
    package let payload: Bytes
    /// Nil: ready at once.
    package let due: WallTime?

    package init(lane: LaneID, options: JobOptions, payload: Bytes, due: WallTime? = nil) {
        self.lane = lane
        self.options = options
        self.payload = payload
        self.due = due
    }
}

package struct SucceededJob: Hashable, Sendable {
    package let id: JobID
    /// The job's own lane; with another, the job counts as missing.
    package let lane: LaneID
    package let isRetained: Bool

    package init(id: JobID, lane: LaneID, isRetained: Bool = false) {
        self.id = id
        self.lane = lane
        self.isRetained = isRetained
    }
}

/// A pending or dead job's next state.
package struct JobUpdate: Hashable, Sendable {
    /// In which state a job must be for the update to apply.
    package enum Expected: Hashable, Sendable {
        /// Scheduled or ready (running included).
        case pending
        case dead
    }

    package let id: JobID
    /// The job's own lane; with another, the job counts as missing.
    package let lane: LaneID
    package let expected: Expected
    /// `.ready`, `.scheduled`, `.dead`, `.cancelled` or `.expired`.
    package let state: JobState
    /// With `.scheduled`, and only then.
    package let due: WallTime?
    package let history: JobHistory
    /// Nil keeps the last one.
    package let failure: JobFailure?

    package init(
        id: JobID, lane: LaneID, expected: Expected = .pending, state: JobState, due: WallTime? = nil,
        history: JobHistory, failure: JobFailure? = nil
    ) {
        precondition((state == .scheduled) == (due != nil), "a scheduled job is due some time, no other is")
        self.id = id
        self.lane = lane
        self.expected = expected
        self.state = state
        self.due = due
        self.history = history
        self.failure = failure
    }
}

package enum ChangeOutcome: Hashable, Sendable {
    case done
    case submitted(SubmitOutcome)
    /// The jobs that were not there, or not in the expected state; all others were changed.
    case applied(missing: [JobID])
}

package enum SubmitOutcome: Hashable, Sendable {
    /// `count` jobs with ids from `first` on.
    case accepted(first: JobID, count: Int)
    /// This session and sequence was accepted before, with these ids. Nothing was created.
    case repeated(first: JobID, count: Int)
    /// The session is unknown or expired, or the sequence older than its window.
    case sessionExpired
}
