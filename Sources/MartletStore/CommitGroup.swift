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
    /// How many jobs go on, at most, because of others that the group ends; the rest are left to later groups.
    package let releasedMax: Int

    package init(
        epoch: Epoch, now: WallTime, newLanes: [(id: LaneID, key: LaneKey)] = [], changes: [Change],
        mayUseReserve: Bool = false, releasedMax: Int = Change.releasedMax
    ) {
        self.releasedMax = releasedMax
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
    /// Removes jobs that are over, at somebody's wish. -> `.applied`
    case delete([JobID])
    /// Puts pending jobs into other lanes of their queue and type. -> `.applied`
    case move([LaneChange])
    /// Gives pending jobs another due time. -> `.applied`
    case reschedule([Rescheduling])
    /// An operation on many jobs begins. -> `.began`
    case beginBulk(BulkRecord)
    /// One group of it. -> `.applied`
    case bulk(BulkStep)
    case forgetBulk(BulkID)
    /// Nothing of the queue or type is to be started. -> `.done`
    case pause(Pause)
    case resume(Pause.Target)
    /// What is set for a service from now on, and what was changed, for people. -> `.done`
    case setService(ServiceRecord, what: String)
    /// A service is to be left alone; of two closings the one stays of which more is left. -> `.done`
    case closeService(ServiceClosing)
    /// Keeps points from which later attempts go on. -> `.applied`
    case checkpoint([Checkpoint])
    /// Registers a node, in place of an older one of that name. -> `.done`
    case saveNode(NodeRecord)
    case forgetNode(name: String)
    /// Forgets sessions last used before then, those unused for longest first, at most ``expiredSessionsMax``.
    /// -> `.done`
    case expireSessions(unusedSince: WallTime)
    /// Removes at most `limit` jobs that are over and whose time to stay has passed, those first whose time passed
    /// first; and as many unique keys. Dead ones count as deleted. -> `.purged`
    case purge(limit: Int)
    /// Removes jobs of a queue that are over, those that have been for longest first, until what is kept of the others
    /// fits. Dead ones count as deleted. -> `.purged`
    case trim(KeptTrim)
    /// No more jobs are added to a batch. -> `.applied`, with the batch's number if it is not there
    case closeBatch(BatchID)
    /// Carries on with what groups before have set off and left, for at most so many dependents. -> `.done`
    case release(limit: Int)
    /// Removes workflows and batches that have ended and whose time to stay has passed: at most so many rows of any
    /// kind. -> `.purged`
    case purgeWorkflows(limit: Int)
    case schedule(ScheduleChange)

    /// How many sessions one change forgets: a bound on how long others wait for it.
    package static let expiredSessionsMax = 1000
}

/// One submit: all of its jobs or none.
package struct Submission: Sendable {
    package let session: SessionID
    /// 1 and up within the session. The store remembers the last ``windowMax`` of them.
    package let sequence: UInt64
    package let jobs: [NewJob]
    /// The jobs are a workflow.
    package let workflow: NewWorkflow?
    /// The jobs are callbacks of a batch, which is opened.
    package let batch: NewBatch?

    /// `submitsInFlightMax`: how many sequences of a session are kept for recognising a repeat.
    package static let windowMax = 256
    /// A submit counts as a use of its session if the last one is at least this long ago, so that most submits
    /// need not write it down: a session may be forgotten this much early.
    package static let useGranularity: Duration = .seconds(60)

    package init(
        session: SessionID, sequence: UInt64, jobs: [NewJob], workflow: NewWorkflow? = nil, batch: NewBatch? = nil
    ) {
        precondition(workflow == nil || batch == nil, "a workflow or a batch")
        precondition(workflow.map { $0.shape.members.count == jobs.count } ?? true, "every job has its place")
        precondition(batch.map { $0.callbacks.count == jobs.count } ?? true, "every callback waits for something")
        self.session = session
        self.sequence = sequence
        self.jobs = jobs
        self.workflow = workflow
        self.batch = batch
    }

    /// Whether its jobs belong together.
    package var isGrouped: Bool { self.workflow != nil || self.batch != nil }
    /// How many ids it takes: one a job, and one for a batch, the first.
    package var idCount: Int { self.jobs.count + (self.batch == nil ? 0 : 1) }
}

package struct NewJob: Hashable, Sendable {
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

    /// It needs nothing beside its row. Its options may be any that nobody but its handler and dispatch look at.
    package var isPlain: Bool {
        guard !self.options.isBare, let rare = self.options.rareOptions else { return true }
        return rare.unique == nil && rare.expiry == nil && rare.batch == nil && !rare.isOrdered
    }
}

package struct SucceededJob: Hashable, Sendable {
    /// What some completions bring with them.
    package final class Details: Hashable, Sendable {
        /// Kept as long as the job.
        package let result: Bytes?
        /// Created in the same transaction.
        package let followUps: [NewJob]

        package init(result: Bytes? = nil, followUps: [NewJob] = []) {
            self.result = result
            self.followUps = followUps
        }

        package static func == (a: Details, b: Details) -> Bool {
            a === b || (a.result == b.result && a.followUps == b.followUps)
        }

        package func hash(into hasher: inout Hasher) {
            hasher.combine(self.result)
            hasher.combine(self.followUps.count)
        }
    }

    package let id: JobID
    /// The job's own lane, or one of its queue and type; with another, the job counts as missing.
    package let lane: LaneID
    /// How long it stays visible; zero not at all, nil for ever.
    package let keptFor: Duration?
    /// Of the payload that the handler worked on. If there is a later one the job runs again.
    package let revision: UInt32
    package let details: Details?
    package let isKept: Bool
    /// To be removed, and nothing else.
    package let isPlain: Bool

    package init(
        id: JobID, lane: LaneID, keptFor: Duration? = .zero, revision: UInt32 = 0, details: Details? = nil
    ) {
        self.isKept = keptFor != .zero
        self.isPlain = !self.isKept && details == nil && revision == 0
        self.id = id
        self.lane = lane
        self.keptFor = keptFor
        self.revision = revision
        self.details = details
    }
}

/// A pending or dead job's next state.
package struct JobUpdate: Hashable, Sendable {
    /// In which state a job must be for the update to apply.
    package enum Expected: Hashable, Sendable {
        /// Scheduled or ready (running included).
        case pending
        /// Pending, blocked included, and past its expiry when the group is committed.
        case overdue
        case dead
    }

    package let id: JobID
    /// The job's own lane, or one of its queue and type; with another, the job counts as missing.
    package let lane: LaneID
    package let expected: Expected
    /// Of the payload that the handler worked on, if one did. If there is a later one the job runs again, whatever
    /// became of this attempt, and counts as missing.
    package let revision: UInt32?
    /// `.ready`, `.scheduled`, `.dead`, `.cancelled` or `.expired`.
    package let state: JobState
    /// With `.scheduled`, and only then.
    package let due: WallTime?
    /// Nil keeps it as it is.
    package let history: JobHistory?
    /// Nil keeps the last one.
    package let failure: JobFailure?
    /// To be kept for people, beside the last failure.
    package let attempt: AttemptRecord?
    /// Of a job that ends so: how long it stays visible; nil for ever, zero not at all.
    package let keptFor: Duration?

    package init(
        id: JobID, lane: LaneID, expected: Expected = .pending, revision: UInt32? = nil, state: JobState,
        due: WallTime? = nil, history: JobHistory?, failure: JobFailure? = nil, attempt: AttemptRecord? = nil,
        keptFor: Duration? = nil
    ) {
        precondition((state == .scheduled) == (due != nil), "a scheduled job is due some time, no other is")
        self.id = id
        self.lane = lane
        self.expected = expected
        self.revision = revision
        self.state = state
        self.due = due
        self.history = history
        self.failure = failure
        self.attempt = attempt
        self.keptFor = keptFor
    }
}

/// An attempt that failed, as people see it.
package struct AttemptRecord: Hashable, Sendable {
    /// Counted by the job's failures and node deaths together: 1 for the first.
    package let number: UInt32
    package let endedAt: WallTime
    package let node: String
    package let failure: JobFailure
    /// What the handler's program printed last, bounded.
    package let output: Bytes

    /// Attempts kept of one job: the last ones.
    package static let keptMax = 20
    package static let outputBytesMax = 16 * 1024

    package init(number: UInt32, endedAt: WallTime, node: String, failure: JobFailure, output: Bytes = .empty) {
        self.number = number
        self.endedAt = endedAt
        self.node = node
        self.failure = failure
        self.output = output
    }
}

package struct LaneChange: Hashable, Sendable {
    package let id: JobID
    /// The job's own lane, or one of its queue and type; with another, the job counts as missing.
    package let lane: LaneID
    package let newLane: LaneID

    package init(id: JobID, lane: LaneID, newLane: LaneID) {
        self.id = id
        self.lane = lane
        self.newLane = newLane
    }
}

package struct Checkpoint: Hashable, Sendable {
    package let id: JobID
    /// The job's own lane, or one of its queue and type; with another, the job counts as missing.
    package let lane: LaneID
    package let revision: UInt32
    package let value: Bytes

    package init(id: JobID, lane: LaneID, revision: UInt32 = 0, value: Bytes) {
        self.id = id
        self.lane = lane
        self.revision = revision
        self.value = value
    }
}

/// What a store says of a group that it has made durable.
package struct CommitResult: Hashable, Sendable {
    /// One for each change, in order.
    package var outcomes: [ChangeOutcome]
    package var consequences: Consequences

    package init(outcomes: [ChangeOutcome], consequences: Consequences = Consequences()) {
        self.outcomes = outcomes
        self.consequences = consequences
    }
}

package enum ChangeOutcome: Hashable, Sendable {
    case done
    case submitted(SubmitOutcome)
    /// The jobs that were not there, or not in the expected state; all others were changed.
    case applied(missing: [JobID])
    /// The operation, with the last job that it is for.
    case began(BulkRecord)
    /// How many jobs were removed, or unique keys if those were more: as many as the limit if there may be others.
    case purged(count: Int)
    /// As it is now; nil if there is none (any more).
    case schedule(ScheduleRow?, isChanged: Bool)
    /// One for each fire.
    case fired([ScheduleFired])
}

package enum SubmitOutcome: Hashable, Sendable {
    /// `count` jobs with ids from `first` on, but for the exceptions.
    case accepted(first: JobID, count: Int, exceptions: [SubmitException] = [])
    /// This session and sequence was accepted before, with these ids. Nothing was created.
    case repeated(first: JobID, count: Int, exceptions: [SubmitException] = [])
    /// A unique key is taken, and this job of the submission wants to be refused then: nothing was created.
    ///
    /// `existing` has the key; nil if it is another job of the same submission.
    case duplicate(place: Int, existing: JobID?)
    /// A batch that a job, or a batch, of this submission names takes no more of them: nothing was created.
    case batchRefused(BatchID, BatchRefusal)
    /// The session is unknown or expired, or the sequence older than its window.
    case sessionExpired
}

/// A job of an accepted submission that was not created.
package struct SubmitException: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// This job has its unique key.
        case existing(JobID)
        /// This job has its unique key, and now its payload.
        case replaced(JobID)
    }

    /// Its place in the submission.
    package let place: Int
    package let kind: Kind

    package init(place: Int, kind: Kind) {
        self.place = place
        self.kind = kind
    }

    package var id: JobID {
        switch self.kind {
        case .existing(let id), .replaced(let id): id
        }
    }
}
