import MartletCore

@testable import MartletWire

/// One message of each kind at least, every field set to a value that no other field of it has.
enum Samples {
    static let session = SessionID(high: 0x0102_0304_0506_0708, low: 0x1112_1314_1516_1718)
    static let plain = JobTemplate(type: "mail/welcome", queue: "mail")
    static let detailed = JobTemplate(
        type: "bill", queue: "billing:eu",
        options: JobOptions(
            priority: .highest, timeout: .seconds(90),
            retry: RetryPolicy(
                maxAttempts: 7, initialBackoff: .milliseconds(1500), maxBackoff: .seconds(600), jitter: 0.5)))
    static let failure = JobFailure(kind: "TimeoutError", message: "no answer from «Stripe» in 5 s")
    static let token = LeaseToken(epoch: Epoch(rawValue: 3), sequence: 77)
    static let running = JobView(
        id: JobID(shard: 1, sequence: 42), template: Self.detailed, state: .running, failures: 2, nodeDeaths: 1,
        createdAt: WallTime(microseconds: 1_700_000_000_000_000), due: WallTime(microseconds: 1_700_000_060_000_000),
        finishedAt: nil, lastFailure: Self.failure, payloadCount: 17, node: "worker-1")
    static let finished = JobView(
        id: JobID(shard: 1, sequence: 43), template: Self.plain, state: .succeeded, failures: 0, nodeDeaths: 0,
        createdAt: WallTime(microseconds: 1_700_000_000_000_001), due: nil,
        finishedAt: WallTime(microseconds: 1_700_000_001_000_000), lastFailure: nil, payloadCount: 0, node: nil)

    static func bytes(_ text: String) -> Bytes { Bytes(copying: Array(text.utf8)) }

    static func run(_ first: UInt8) -> Bytes { Bytes(copying: (0..<32).map { first &+ $0 }) }

    static let queue: QueueView = {
        var view = QueueView(queue: "mail", type: "mail/welcome")
        view.ready = 1
        view.running = 2
        view.scheduled = 3
        view.dead = 4
        view.submittedTotal = 35
        view.succeededTotal = 5
        view.retriedTotal = 6
        view.cancelledTotal = 7
        view.expiredTotal = 8
        view.deletedTotal = 9
        view.nodeCount = 10
        return view
    }()
}

/// A message under the name that its golden vector has.
struct Sample: Sendable, CustomStringConvertible {
    let name: String
    let frame: Bytes
    /// Whether decoding `frame` gives back the message.
    let decodes: @Sendable (Bytes) throws -> Bool
    /// Decodes a frame as this sample's kind and drops the result.
    let tryDecoding: @Sendable (Bytes) throws(WireError) -> Void
    /// Decodes a frame and looks at every field of every element.
    let readToTheEnd: @Sendable (Bytes) -> Void
    let kind: FrameKind

    init<M: Message>(_ name: String, _ message: M) {
        self.name = name
        self.frame = message.encoded()
        self.kind = M.kind
        self.decodes = { try M.decode($0) == message }
        self.tryDecoding = { frame throws(WireError) in _ = try M.decode(frame) }
        // What the runtime finds out about a type at its first use takes memory of its own, once.
        _ = try? M.decode(self.frame)
        _ = try? Request.decode(self.frame)
        self.readToTheEnd = { _ = (try? M.decode($0)).hashValue }
    }

    var description: String { self.name }
    var isRequest: Bool { self.kind.rawValue < 128 }
}

extension Sample {
    static let all: [Sample] =
        Self.common + Self.submits + Self.queries + Self.control + Self.sessions + Self.work
        + Self.later + Self.schedules + Self.groups + Self.acquisitions + Self.services + Self.steals

    private static let common = [
        Sample(
            "error", ErrorReply(.authenticationRequired, "prove the cluster token first", challenge: Samples.run(0))),
        Sample("error-plain", ErrorReply(.overloaded, "too many submits wait")),
        Sample("authenticate", Authenticate(nonce: Samples.run(32), proof: Samples.run(64))),
        Sample("authenticated", Authenticated(proof: Samples.run(96))),
        Sample("ping", Ping()),
        Sample(
            "pong",
            Pong(
                version: "0.1.0", epoch: Epoch(rawValue: 3), wallTime: WallTime(microseconds: 1_700_000_000_000_000),
                uptime: .seconds(61), isRecovered: true, nodeCount: 2, pendingCount: 12_345)),
    ]

    private static let submits = [
        Sample("open-session", OpenSession(session: Samples.session)),
        Sample("session-opened", SessionOpened(payloadMax: 1 << 20, submitsInFlightMax: 256)),
        Sample(
            "submit",
            Submit(
                session: Samples.session, sequence: 9, templates: [Samples.plain, Samples.detailed],
                jobs: [
                    Submit.Job(template: 0, payload: Samples.bytes(#"{"to":"a@b.example"}"#)),
                    Submit.Job(
                        template: 1, due: WallTime(microseconds: 1_700_000_060_000_000), payload: Samples.bytes("{}")),
                    Submit.Job(template: 0, payload: .empty),
                ])),
        Sample("submitted", Submitted(first: JobID(shard: 1, sequence: 42), count: 3, isRepeat: true)),
    ]

    private static let queries = [
        Sample(
            "list-jobs",
            ListJobs(
                state: .dead, queue: "mail", type: "mail/welcome", after: JobID(shard: 1, sequence: 41), limit: 50)),
        Sample("list-jobs-all", ListJobs()),
        Sample("job-list", JobList(jobs: [Samples.running, Samples.finished], next: JobID(shard: 1, sequence: 43))),
        Sample("job-list-empty", JobList(jobs: [], next: nil)),
        Sample("show-job", ShowJob(id: JobID(shard: 1, sequence: 42))),
        Sample("job-detail", JobDetail(job: Samples.running, payload: Samples.bytes(#"{"amount":1200}"#))),
        Sample("list-queues", ListQueues()),
        Sample("queue-list", QueueList(queues: [Samples.queue])),
        Sample("list-nodes", ListNodes()),
        Sample(
            "node-list",
            NodeList(nodes: [
                NodeView(
                    name: "worker-1", incarnation: 0xABCD, status: .draining, slots: 16,
                    queues: ["mail", "billing:eu"], types: ["mail/welcome"], leased: 20,
                    sinceHeard: .milliseconds(700), succeededTotal: 1000, failedTotal: 12)
            ])),
        Sample("change-dead", ChangeDead(action: .delete, ids: [JobID(shard: 1, sequence: 7)], queue: "mail")),
        Sample("change-dead-type", ChangeDead(action: .retry, type: "bill")),
        Sample("dead-changed", DeadChanged(count: 4, missing: [JobID(shard: 1, sequence: 8)])),
    ]

    private static let sessions = [
        Sample(
            "register",
            Register(
                name: "worker-1", incarnation: 0xABCD, slots: 16, prefetchMax: 256, queues: ["mail", "billing:eu"],
                types: ["mail/welcome"], holdsNameLock: true, lastDelivery: 5,
                number: 3,
                inventory: Register.Item.Phase.allCases.map {
                    Register.Item(id: JobID(shard: 1, sequence: UInt64($0.rawValue)), token: Samples.token, phase: $0)
                })),
        Sample(
            "registered",
            Registered(
                key: 0x99, epoch: Epoch(rawValue: 4), heartbeatInterval: .seconds(1), leaseDuration: .seconds(15),
                verdicts: [.leased(LeaseToken(epoch: Epoch(rawValue: 4), sequence: 1)), .ended])),
        Sample("control", Control(key: 0x99, lastOrder: 2)),
        Sample("order", Order(number: 3, drain: true, ended: [Samples.token])),
        Sample("order-superseded", Order(number: 0)),
    ]

    private static let work = [
        Sample("fetch", Fetch(key: 0x99, lastDelivery: 5, creditTotal: 272)),
        Sample(
            "delivery",
            Delivery(
                number: 6, epoch: Epoch(rawValue: 4),
                templates: [Delivery.Template(type: "mail/welcome", queue: "mail", timeout: .seconds(1800))],
                jobs: [
                    Delivery.Job(
                        id: JobID(shard: 1, sequence: 42), leaseSequence: 77, attempt: 1, template: 0,
                        payload: Samples.bytes(#"{"to":"a@b.example"}"#)),
                    Delivery.Job(
                        id: JobID(shard: 1, sequence: 44), leaseSequence: 78, attempt: 3, template: 0, payload: .empty),
                ])),
        Sample(
            "delivery-superseded", Delivery(number: 0, epoch: Epoch(rawValue: 4), templates: [], jobs: [])),
        Sample(
            "report",
            Report(
                key: 0x99, number: 12, lastDelivery: 6, creditTotal: 300, isDraining: true, isLast: false,
                running: [JobID(shard: 1, sequence: 44)],
                items: [
                    Report.Item(id: JobID(shard: 1, sequence: 42), token: Samples.token, result: .succeeded),
                    Report.Item(
                        id: JobID(shard: 1, sequence: 45), token: Samples.token,
                        result: .failed(Samples.failure, isRetryable: true)),
                    Report.Item(id: JobID(shard: 1, sequence: 46), token: Samples.token, result: .returned),
                ])),
        Sample(
            "report-last",
            Report(
                key: 0x99, number: 13, lastDelivery: 6, creditTotal: 300, isDraining: false, isLast: true, running: [],
                items: [])),
        Sample("report-reply", ReportReply(number: 12, verdicts: [.accepted, .refused, .unknown])),
    ]
}
