package import MartletCore

package struct Ping: Message {
    package static let kind = FrameKind.ping

    package init() {}
}

package struct Pong: Message {
    package static let kind = FrameKind.pong

    /// The coordinator's version, `0.1.0`.
    package var version: String
    package var epoch: Epoch
    package var wallTime: WallTime
    package var uptime: Duration
    /// False while recovered jobs wait for the inventories of known nodes.
    package var isRecovered: Bool
    package var nodeCount: UInt32
    /// Jobs not in a terminal state.
    package var pendingCount: UInt64

    package init(
        version: String, epoch: Epoch, wallTime: WallTime, uptime: Duration, isRecovered: Bool, nodeCount: UInt32,
        pendingCount: UInt64
    ) {
        self.version = version
        self.epoch = epoch
        self.wallTime = wallTime
        self.uptime = uptime
        self.isRecovered = isRecovered
        self.nodeCount = nodeCount
        self.pendingCount = pendingCount
    }
}

/// Opens a session, or renews it. Answered once it is durable.
package struct OpenSession: Message {
    package static let kind = FrameKind.openSession

    package var session: SessionID

    package init(session: SessionID) {
        self.session = session
    }
}

package struct SessionOpened: Message {
    package static let kind = FrameKind.sessionOpened

    package var payloadMax: UInt32
    /// How many submits of the session may be unanswered at once.
    package var submitsInFlightMax: UInt32
    /// What the coordinator can do beyond version 0.1.0.
    package var features: PeerFeatures

    package init(payloadMax: UInt32, submitsInFlightMax: UInt32, features: PeerFeatures = []) {
        self.features = features
        self.payloadMax = payloadMax
        self.submitsInFlightMax = submitsInFlightMax
    }
}

/// New jobs: all of them or none.
package struct Submit: Message {
    package static let kind = FrameKind.submit

    package struct Job: Hashable, Sendable {
        /// Index into `templates`.
        package var template: UInt16
        /// Nil: at once.
        package var due: WallTime?
        package var payload: Bytes

        package init(template: UInt16, due: WallTime? = nil, payload: Bytes) {
            self.template = template
            self.due = due
            self.payload = payload
        }
    }

    package var session: SessionID
    /// 1, 2, 3 ... within the session.
    package var sequence: UInt64
    package var templates: RecordList<JobTemplate>
    package var jobs: RecordList<Job>

    package init(session: SessionID, sequence: UInt64, templates: [JobTemplate], jobs: [Job]) {
        self.init(
            session: session, sequence: sequence, templates: RecordList(templates), jobs: RecordList(jobs))
    }

    init(session: SessionID, sequence: UInt64, templates: RecordList<JobTemplate>, jobs: RecordList<Job>) {
        self.session = session
        self.sequence = sequence
        self.templates = templates
        self.jobs = jobs
    }
}

/// The jobs are durable.
package struct Submitted: Message {
    package static let kind = FrameKind.submitted

    package var first: JobID
    package var count: UInt32
    /// The same submit was accepted before; these are its ids.
    package var isRepeat: Bool
    /// Jobs that were not created, because another one has their unique key. All others have the ids from `first` on.
    package var exceptions: [Exception]

    package struct Exception: Hashable, Sendable {
        /// The job's place in the submit.
        package var place: UInt32
        /// Who has the key.
        package var id: JobID
        /// It has taken over the payload.
        package var isReplaced: Bool

        package init(place: UInt32, id: JobID, isReplaced: Bool) {
            self.place = place
            self.id = id
            self.isReplaced = isReplaced
        }
    }

    package init(first: JobID, count: UInt32, isRepeat: Bool, exceptions: [Exception] = []) {
        self.first = first
        self.count = count
        self.isRepeat = isRepeat
        self.exceptions = exceptions
    }
}

package struct ListJobs: Message {
    package static let kind = FrameKind.listJobs

    /// Nil matches all. `running` matches what is leased now.
    package var state: JobState?
    package var queue: String?
    package var type: String?
    package var after: JobID?
    /// 1 to 1,000.
    package var limit: UInt32

    package init(
        state: JobState? = nil, queue: String? = nil, type: String? = nil, after: JobID? = nil, limit: UInt32 = 100
    ) {
        self.state = state
        self.queue = queue
        self.type = type
        self.after = after
        self.limit = limit
    }
}

/// A job as people see it.
package struct JobView: Hashable, Sendable {
    package var id: JobID
    package var template: JobTemplate
    package var state: JobState
    package var failures: UInt16
    package var nodeDeaths: UInt8
    package var createdAt: WallTime
    package var due: WallTime?
    package var finishedAt: WallTime?
    package var lastFailure: JobFailure?
    package var payloadCount: UInt32
    /// The node that holds it, if running.
    package var node: String?
    /// When a pending job expires, or one that is over is removed.
    package var expires: WallTime?
    /// The first job of its workflow.
    package var workflow: JobID?
    /// How many jobs it waits for.
    package var waits: UInt32
    /// How far its handler says it has got.
    package var progress: Report.Progress?

    package init(
        id: JobID, template: JobTemplate, state: JobState, failures: UInt16, nodeDeaths: UInt8, createdAt: WallTime,
        due: WallTime?, finishedAt: WallTime?, lastFailure: JobFailure?, payloadCount: UInt32, node: String?,
        expires: WallTime? = nil, workflow: JobID? = nil, waits: UInt32 = 0, progress: Report.Progress? = nil
    ) {
        self.expires = expires
        self.workflow = workflow
        self.waits = waits
        self.progress = progress
        self.id = id
        self.template = template
        self.state = state
        self.failures = failures
        self.nodeDeaths = nodeDeaths
        self.createdAt = createdAt
        self.due = due
        self.finishedAt = finishedAt
        self.lastFailure = lastFailure
        self.payloadCount = payloadCount
        self.node = node
    }
}

package struct JobList: Message {
    package static let kind = FrameKind.jobList

    package var jobs: [JobView]
    /// Where to go on, if there may be more.
    package var next: JobID?

    package init(jobs: [JobView], next: JobID?) {
        self.jobs = jobs
        self.next = next
    }
}

package struct ShowJob: Message {
    package static let kind = FrameKind.showJob

    package var id: JobID

    package init(id: JobID) {
        self.id = id
    }
}

/// The answer to ``ShowJob``; a job that is not there is an ``ErrorReply`` with `notFound`.
package struct JobDetail: Message {
    package static let kind = FrameKind.jobDetail

    package var job: JobView
    package var payload: Bytes
    /// What its handler left, if it succeeded and that is kept.
    package var result: Bytes?
    /// Those that failed, the last ones, in order.
    package var attempts: [Attempt]

    /// An attempt that failed.
    package struct Attempt: Hashable, Sendable {
        package var number: UInt32
        package var endedAt: WallTime
        package var node: String
        package var failure: JobFailure
        package var output: Bytes

        package init(number: UInt32, endedAt: WallTime, node: String, failure: JobFailure, output: Bytes) {
            self.number = number
            self.endedAt = endedAt
            self.node = node
            self.failure = failure
            self.output = output
        }
    }

    package init(job: JobView, payload: Bytes, result: Bytes? = nil, attempts: [Attempt] = []) {
        self.job = job
        self.payload = payload
        self.result = result
        self.attempts = attempts
    }
}

/// Revives or deletes dead jobs: the named ones, or all that match if none is named.
package struct ChangeDead: Message {
    package static let kind = FrameKind.changeDead

    package enum Action: UInt8, Sendable, CaseIterable {
        /// Ready again, failures and node deaths counted from zero.
        case retry = 1
        case delete = 2
    }

    package var action: Action
    /// At most 1,000.
    package var ids: RecordList<JobID>
    package var queue: String?
    package var type: String?

    package init(action: Action, ids: [JobID] = [], queue: String? = nil, type: String? = nil) {
        self.action = action
        self.ids = RecordList(ids)
        self.queue = queue
        self.type = type
    }
}

package struct DeadChanged: Message {
    package static let kind = FrameKind.deadChanged

    package var count: UInt64
    /// Named jobs that were not there or not dead.
    package var missing: [JobID]

    package init(count: UInt64, missing: [JobID]) {
        self.count = count
        self.missing = missing
    }
}
