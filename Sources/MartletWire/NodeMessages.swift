package import MartletCore

/// Begins a node session, or takes it up again after a lost connection or a coordinator's restart.
package struct Register: Message {
    package static let kind = FrameKind.register

    /// A job that the node holds.
    package struct Item: Hashable, Sendable {
        package enum Phase: UInt8, Sendable, CaseIterable {
            case unstarted = 1
            case running = 2
            /// Finished; its report has not been answered.
            case finished = 3
        }

        package var id: JobID
        package var token: LeaseToken
        package var phase: Phase

        package init(id: JobID, token: LeaseToken, phase: Phase) {
            self.id = id
            self.token = token
            self.phase = phase
        }
    }

    package var name: String
    /// Random at each start of the worker process; the upper half is the lock's if it ``holdsNameLock``.
    package var incarnation: UInt64
    package var slots: UInt32
    package var prefetchMax: UInt32
    /// Empty: every queue.
    package var queues: RecordList<Name>
    package var types: RecordList<Name>
    /// The worker holds a file lock on its name: see ``supersedes(_:)``.
    package var holdsNameLock: Bool
    /// Gives unstarted jobs back when it is asked to; workers of 0.1.0 do not.
    package var givesBack: Bool
    /// The last delivery frame received in this incarnation, 0 if none.
    package var lastDelivery: UInt64
    /// 1, 2, 3 ... for each time that this incarnation sends a registration. The inventory of an earlier one says
    /// nothing any more, so a copy that comes late is refused.
    package var number: UInt64
    package var inventory: RecordList<Item>

    package init(
        name: String, incarnation: UInt64, slots: UInt32, prefetchMax: UInt32, queues: [String], types: [String],
        holdsNameLock: Bool, givesBack: Bool = false, lastDelivery: UInt64, number: UInt64, inventory: [Item]
    ) {
        self.givesBack = givesBack
        self.name = name
        self.incarnation = incarnation
        self.slots = slots
        self.prefetchMax = prefetchMax
        self.queues = RecordList(queues.map { Name(text: $0) })
        self.types = RecordList(types.map { Name(text: $0) })
        self.holdsNameLock = holdsNameLock
        self.lastDelivery = lastDelivery
        self.number = number
        self.inventory = RecordList(inventory)
    }

    /// Whether an incarnation that held the name is proved to be dead: it had the very lock that this one holds.
    package func supersedes(_ incarnation: UInt64) -> Bool {
        self.holdsNameLock && self.incarnation >> 32 == incarnation >> 32
    }
}

package struct Registered: Message {
    package static let kind = FrameKind.registered

    /// What becomes of an inventory item.
    package enum Verdict: Hashable, Sendable {
        /// Go on; this is its lease from now on.
        case leased(LeaseToken)
        /// Not yours any more: cancel it, report nothing.
        case ended
    }

    /// Names this registration in every later frame. Reports and orders are numbered from 1 and credits counted
    /// from 0 under each key; deliveries go on from ``Register/lastDelivery`` + 1.
    package var key: UInt64
    package var epoch: Epoch
    package var heartbeatInterval: Duration
    /// From each answered heartbeat on, leases last this long.
    package var leaseDuration: Duration
    /// One for each inventory item, in order.
    package var verdicts: [Verdict]
    /// What the coordinator can do beyond version 0.1.0.
    package var features: PeerFeatures
    /// What the coordinator's clock showed when it answered; nil before there were services.
    package var time: Instant?

    package init(
        key: UInt64, epoch: Epoch, heartbeatInterval: Duration, leaseDuration: Duration, verdicts: [Verdict],
        features: PeerFeatures = [], time: Instant? = nil
    ) {
        self.time = time
        self.features = features
        self.key = key
        self.epoch = epoch
        self.heartbeatInterval = heartbeatInterval
        self.leaseDuration = leaseDuration
        self.verdicts = verdicts
    }
}

/// Asks for jobs. Parked until there are some, or until the next fetch of the node supersedes it.
package struct Fetch: Message {
    package static let kind = FrameKind.fetch

    package var key: UInt64
    /// Number of the last delivery received; a lower one than was sent proves a loss, and the lost delivery is
    /// sent again with the same number. A delivery that was received before is to be ignored.
    package var lastDelivery: UInt64
    /// How many jobs the node is willing to have received in all since this registration, jobs of its inventory
    /// not counted (a running total, so that a lost or repeated frame cannot skew it). May shrink; never below
    /// what was received.
    package var creditTotal: UInt64

    package init(key: UInt64, lastDelivery: UInt64, creditTotal: UInt64) {
        self.key = key
        self.lastDelivery = lastDelivery
        self.creditTotal = creditTotal
    }
}

/// Jobs for a node. Number 0 with no jobs: the fetch was superseded.
package struct Delivery: Message {
    package static let kind = FrameKind.delivery

    package struct Job: Hashable, Sendable {
        package var id: JobID
        /// With `Delivery.epoch`, the lease.
        package var leaseSequence: UInt64
        /// 1 for the first.
        package var attempt: UInt16
        /// Index into `templates`.
        package var template: UInt16
        package var payload: Bytes
        /// Nil for most.
        package var extras: Extras? {
            get { self.boxedExtras?.value }
            set { self.boxedExtras = newValue.map { Boxed($0) } }
        }
        package var hasExtras: Bool { self.boxedExtras != nil }
        private var boxedExtras: Boxed<Extras>?

        package init(
            id: JobID, leaseSequence: UInt64, attempt: UInt16, template: UInt16, payload: Bytes,
            extras: Extras? = nil
        ) {
            self.boxedExtras = extras.map { Boxed($0) }
            self.id = id
            self.leaseSequence = leaseSequence
            self.attempt = attempt
            self.template = template
            self.payload = payload
        }
    }

    /// What few jobs bring with them.
    package struct Extras: Hashable, Sendable {
        /// Not started within so long from now, it is to be given back: it has expired.
        package var expiresIn: Duration?
        package var checkpoint: Bytes?
        package var parents: [ParentResult]
        /// Not started by then on the coordinator's clock, it is to be given back: what it took of services is spent.
        package var startBy: Instant?

        package init(
            expiresIn: Duration? = nil, checkpoint: Bytes? = nil, parents: [ParentResult] = [],
            startBy: Instant? = nil
        ) {
            self.startBy = startBy
            self.expiresIn = expiresIn
            self.checkpoint = checkpoint
            self.parents = parents
        }
    }

    /// What jobs of one kind have in common here.
    package struct Template: Hashable, Sendable {
        package var type: String
        package var queue: String
        /// Resolved by the coordinator.
        package var timeout: Duration
        package var tags: [String]
        package var metadata: [String: String]

        package init(
            type: String, queue: String, timeout: Duration, tags: [String] = [], metadata: [String: String] = [:]
        ) {
            self.tags = tags
            self.metadata = metadata
            self.type = type
            self.queue = queue
            self.timeout = timeout
        }
    }

    package var number: UInt64
    package var epoch: Epoch
    package var templates: [Template]
    package var jobs: [Job]

    package init(number: UInt64, epoch: Epoch, templates: [Template], jobs: [Job]) {
        self.number = number
        self.epoch = epoch
        self.templates = templates
        self.jobs = jobs
    }

    /// Jobs go into one delivery until it holds this many bytes.
    package static let bytesTarget = 256 * 1024
}

/// Results and heartbeat. Numbered; one at a time; repeated with the same number until answered.
package struct Report: Message {
    package static let kind = FrameKind.report

    package struct Item: Hashable, Sendable {
        package enum Result: Hashable, Sendable {
            case succeeded
            /// Succeeded, with what the handler leaves.
            case completed(Completion)
            /// `output` is what the handler's program printed last.
            case failed(JobFailure, isRetryable: Bool, output: Bytes = .empty)
            /// Given back unstarted.
            case returned
            /// Given back, whatever it has begun, because an external service is unavailable: no attempt is lost.
            ///
            /// Nil for the service: those that the job uses. Nil for the time: the service did not say.
            case unavailable(service: String?, retryAfter: Duration?)
            /// Not the end: a point from which a later attempt may go on. Accepted once it is durable.
            case checkpoint(Bytes)
        }

        package var id: JobID
        package var token: LeaseToken
        package var result: Result

        package init(id: JobID, token: LeaseToken, result: Result) {
            self.id = id
            self.token = token
            self.result = result
        }
    }

    package var key: UInt64
    package var number: UInt64
    package var lastDelivery: UInt64
    package var creditTotal: UInt64
    package var isDraining: Bool
    /// The node leaves: it holds nothing any more and will send nothing after this.
    package var isLast: Bool
    /// Jobs whose handlers run now; several for a handler that takes many at once.
    package var running: RecordList<JobID>
    /// At most ``itemsMax``.
    package var items: RecordList<Item>
    /// How far handlers have got, where that has changed; at most one for each that runs.
    package var progress: RecordList<Progress>
    /// Handlers that were told to stop and have not.
    package var stuck: UInt32
    /// What helps to share work out; nil where the coordinator has no use for it.
    package var standing: Standing?

    package struct Standing: Hashable, Sendable {
        /// How long jobs take here, as a moving average; zero if none has ended.
        package var meanDuration: Duration
        /// The last of the orders' wishes for jobs back that is answered: what is given back for it is in this report or
        /// was in an earlier one. 0 if none.
        package var answeredAsk: UInt64

        package init(meanDuration: Duration, answeredAsk: UInt64) {
            self.meanDuration = meanDuration
            self.answeredAsk = answeredAsk
        }
    }

    package struct Progress: Hashable, Sendable {
        package var id: JobID
        /// 0 to 1.
        package var fraction: Double
        /// At most ``messageBytesMax`` bytes.
        package var message: String

        package static let messageBytesMax = 256

        package init(id: JobID, fraction: Double, message: String) {
            self.id = id
            self.fraction = fraction
            self.message = message
        }
    }

    package init(
        key: UInt64, number: UInt64, lastDelivery: UInt64, creditTotal: UInt64, isDraining: Bool, isLast: Bool,
        running: [JobID], items: [Item], progress: [Progress] = [], stuck: UInt32 = 0, standing: Standing? = nil
    ) {
        self.standing = standing
        self.stuck = stuck
        self.progress = RecordList(progress)
        self.key = key
        self.number = number
        self.lastDelivery = lastDelivery
        self.creditTotal = creditTotal
        self.isDraining = isDraining
        self.isLast = isLast
        self.running = RecordList(running)
        self.items = RecordList(items)
    }

    package static let itemsMax = 4096
}

package struct ReportReply: Message {
    package static let kind = FrameKind.reportReply

    package enum Verdict: UInt8, Sendable, CaseIterable {
        /// Durable.
        case accepted = 1
        /// The lease had ended; the job runs or ran elsewhere.
        case refused = 2
        /// The lease is of an earlier epoch and was not taken up at registration.
        case unknown = 3
    }

    package var number: UInt64
    /// One for each item, in order.
    package var verdicts: [Verdict]
    /// What the coordinator's clock showed when the report came for the first time.
    package var time: Instant?

    package init(number: UInt64, verdicts: [Verdict], time: Instant? = nil) {
        self.time = time
        self.number = number
        self.verdicts = verdicts
    }
}

/// Asks for the next order. Parked until there is one.
package struct Control: Message {
    package static let kind = FrameKind.control

    package var key: UInt64
    /// Number of the last order received.
    package var lastOrder: UInt64

    package init(key: UInt64, lastOrder: UInt64) {
        self.key = key
        self.lastOrder = lastOrder
    }
}

/// What the coordinator wants of a node. Number 0: the control request was superseded.
package struct Order: Message {
    package static let kind = FrameKind.order

    package var number: UInt64
    /// Finish or give back everything and leave.
    package var drain: Bool
    /// Leases that have ended: cancel their handlers, report nothing.
    package var ended: [LeaseToken]
    /// Jobs that others could run now. Only for nodes that said that they give back.
    package var ask: Ask?

    /// Asks for jobs back that have not been started.
    package struct Ask: Hashable, Sendable {
        /// Grows with each; see ``Report/Standing/answeredAsk``.
        package var number: UInt64
        /// Void once the coordinator's clock may show this.
        package var until: Instant
        /// At most ``wantedMax``.
        package var wanted: [LeaseToken]

        package init(number: UInt64, until: Instant, wanted: [LeaseToken]) {
            self.number = number
            self.until = until
            self.wanted = wanted
        }

        package static let wantedMax = 1024
    }

    package init(number: UInt64, drain: Bool = false, ended: [LeaseToken] = [], ask: Ask? = nil) {
        self.ask = ask
        self.number = number
        self.drain = drain
        self.ended = ended
    }
}
