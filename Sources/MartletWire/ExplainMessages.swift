package import MartletCore

/// Why a job is not running.
package enum WaitReason: UInt8, Sendable, CaseIterable {
    /// It runs, or is on its way to a node.
    case running = 1
    /// It has ended.
    case over = 2
    /// It is due later.
    case due = 3
    /// Other jobs must end first.
    case dependencies = 4
    /// No node that is connected serves its queue and type.
    case unserved = 5
    case queuePaused = 6
    case typePaused = 7
    case queueCap = 8
    case typeCap = 9
    /// As many jobs with its key run as may.
    case keyCap = 10
    /// A job with its key comes before it.
    case keyOrder = 11
    /// The coordinator has just started and waits for its nodes.
    case recovery = 12
    /// Its payload is being read.
    case loading = 13
    /// Others come first.
    case order = 14
    /// Nothing but a free slot is missing.
    case slot = 15
    /// It took nodes down with it, and waits for one of its own.
    case alone = 16
    /// The service is not configured.
    case serviceUnknown = 17
    case servicePaused = 18
    case serviceWeight = 19
    case serviceBreaker = 20
    case serviceClosed = 21
    case serviceConcurrency = 22
    case serviceKeyConcurrency = 23
    case serviceKeys = 24
    case serviceTokens = 25
    case serviceKeyTokens = 26
    /// A node has fetched it ahead and not started it.
    case prefetched = 27
    /// So it is, and the node was asked to give it back.
    case askedBack = 28
}

/// Asks why a job is not running.
package struct ExplainJob: Message {
    package static let kind = FrameKind.explainJob

    package var id: JobID

    package init(id: JobID) {
        self.id = id
    }
}

package struct JobExplanation: Message {
    package static let kind = FrameKind.jobExplained

    package var state: JobState
    package var reason: WaitReason
    /// What holds it up: a queue, a type, a key, a service, a node; may be empty.
    package var subject: String
    /// Since when, if that is known.
    package var since: WallTime?
    /// Of jobs, in its lane, that come before it; or how many it still waits for.
    package var ahead: UInt64
    /// Tokens that are missing, for itself and those before it.
    package var missing: UInt64
    /// In how long it starts at the earliest, if anything says so.
    package var startsIn: Duration?

    package init(
        state: JobState, reason: WaitReason, subject: String = "", since: WallTime? = nil, ahead: UInt64 = 0,
        missing: UInt64 = 0, startsIn: Duration? = nil
    ) {
        self.state = state
        self.reason = reason
        self.subject = subject
        self.since = since
        self.ahead = ahead
        self.missing = missing
        self.startsIn = startsIn
    }
}

/// Asks what the ready jobs of a queue wait for.
package struct ExplainQueue: Message {
    package static let kind = FrameKind.explainQueue

    package var name: String

    package init(name: String) {
        self.name = name
    }
}

package struct QueueExplanation: Message {
    package static let kind = FrameKind.queueExplained

    /// Ready jobs that wait for the same.
    package struct Part: Hashable, Sendable {
        package var reason: WaitReason
        /// What holds them up: a type, a service; may be empty.
        package var subject: String
        package var count: UInt64
        /// In how long the first of them may start, if a time says so.
        package var startsIn: Duration?

        package init(reason: WaitReason, subject: String, count: UInt64, startsIn: Duration? = nil) {
            self.reason = reason
            self.subject = subject
            self.count = count
            self.startsIn = startsIn
        }
    }

    /// Those for which nothing but a node or a free slot is missing.
    package var runnable: UInt64
    package var blocked: UInt64
    /// Jobs of the queue that nodes have.
    package var running: UInt64
    /// The most jobs first; at most ``partsMax``, the last of which may stand for many.
    package var parts: [Part]

    package static let partsMax = 100

    package init(runnable: UInt64, blocked: UInt64, running: UInt64, parts: [Part]) {
        self.runnable = runnable
        self.blocked = blocked
        self.running = running
        self.parts = parts
    }
}
