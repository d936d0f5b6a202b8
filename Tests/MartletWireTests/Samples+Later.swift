import MartletCore
import MartletWire

/// Forms that version 0.1.0 does not know.
extension Sample {
    static let later = [
        Sample("error-duplicate", ErrorReply(.duplicate, "taken", existing: JobID(shard: 1, sequence: 42))),
        Sample("error-duplicate-here", ErrorReply(.duplicate, "taken in the same submit")),
        Sample(
            "session-opened-features",
            SessionOpened(payloadMax: 1 << 20, submitsInFlightMax: 256, features: [.rareOptions, .completions])),
        Sample(
            "submit-options",
            Submit(
                session: Samples.session, sequence: 10, templates: [Samples.rare],
                jobs: [Submit.Job(template: 0, payload: .empty)])),
        Sample(
            "submit-services",
            Submit(
                session: Samples.session, sequence: 11,
                templates: [
                    Samples.using(["stripe", ServiceUse("maps", key: "tenant-7", weight: 2)]), Samples.using([]),
                ],
                jobs: [
                    Submit.Job(template: 0, payload: .empty), Submit.Job(template: 1, payload: Samples.bytes("{}")),
                ])),
        Sample(
            "submitted-exceptions",
            Submitted(
                first: JobID(shard: 1, sequence: 50), count: 3, isRepeat: false,
                exceptions: [
                    Submitted.Exception(place: 0, id: JobID(shard: 1, sequence: 7), isReplaced: false),
                    Submitted.Exception(place: 2, id: JobID(shard: 1, sequence: 8), isReplaced: true),
                ])),
        Sample("await-job", AwaitJob(id: JobID(shard: 1, sequence: 42), timeout: .seconds(20))),
        Sample(
            "job-ended", JobEnded(id: JobID(shard: 1, sequence: 42), state: .succeeded, result: Samples.bytes("42"))),
        Sample(
            "job-ended-dead", JobEnded(id: JobID(shard: 1, sequence: 42), state: .dead, failure: Samples.failure)),
        Sample("job-list-later", JobList(jobs: [Samples.later, Samples.running], next: nil)),
        Sample(
            "job-detail-later",
            JobDetail(
                job: Samples.later, payload: Samples.bytes("{}"), result: Samples.bytes("[1]"),
                attempts: [
                    JobDetail.Attempt(
                        number: 1, endedAt: WallTime(microseconds: 1_700_000_000_000_000), node: "worker-1",
                        failure: Samples.failure, output: Samples.bytes("last words"))
                ])),
        Sample(
            "registered-features",
            Registered(
                key: 0x99, epoch: Epoch(rawValue: 4), heartbeatInterval: .seconds(1), leaseDuration: .seconds(15),
                verdicts: [.ended], features: [.rareOptions, .completions])),
        Sample(
            "registered-time",
            Registered(
                key: 0x99, epoch: Epoch(rawValue: 4), heartbeatInterval: .seconds(1), leaseDuration: .seconds(15),
                verdicts: [.ended], features: [.rareOptions, .completions], time: Instant(nanoseconds: 5_000_000_123))),
        Sample(
            "report-reply-time",
            ReportReply(
                number: 12, verdicts: [.accepted, .refused, .unknown], time: Instant(nanoseconds: 5_000_000_123))),
        Sample("delivery-limited", Samples.limited),
        Sample(
            "delivery-later",
            Samples.laterDelivery),
        Sample(
            "report-later",
            Report(
                key: 0x99, number: 14, lastDelivery: 7, creditTotal: 300, isDraining: false, isLast: false,
                running: [JobID(shard: 1, sequence: 44)],
                items: [
                    Report.Item(
                        id: JobID(shard: 1, sequence: 44), token: Samples.token,
                        result: .checkpoint(Samples.bytes("page 8"))),
                    Report.Item(
                        id: JobID(shard: 1, sequence: 42), token: Samples.token,
                        result: .completed(
                            Completion(
                                result: Samples.bytes("42"),
                                followUps: [
                                    Completion.FollowUp(
                                        template: Samples.plain, payload: Samples.bytes("{}"), delay: .seconds(9)),
                                    Completion.FollowUp(template: Samples.rare, payload: .empty, delay: .zero),
                                ]))),
                    Report.Item(
                        id: JobID(shard: 1, sequence: 45), token: Samples.token,
                        result: .failed(Samples.failure, isRetryable: false, output: Samples.bytes("last words"))),
                ],
                progress: [
                    Report.Progress(id: JobID(shard: 1, sequence: 44), fraction: 0.25, message: "page 8 of 32")
                ])),
        Sample(
            "report-stuck",
            Report(
                key: 0x99, number: 15, lastDelivery: 7, creditTotal: 301, isDraining: false, isLast: false,
                running: [JobID(shard: 1, sequence: 44)], items: [], stuck: 2)),
        Sample("queue-list-later", QueueList(queues: [Samples.oldQueue, Samples.queue])),
        Sample(
            "node-list-later",
            NodeList(nodes: [
                NodeView(
                    name: "worker-1", incarnation: 0xABCD, status: .live, slots: 16, queues: [], types: ["bill"],
                    leased: 20, sinceHeard: .milliseconds(700), succeededTotal: 1000, failedTotal: 12, stuck: 3),
                NodeView(
                    name: "worker-2", incarnation: 0xABCE, status: .live, slots: 1, queues: [], types: ["bill"],
                    leased: 0, sinceHeard: .zero, succeededTotal: 0, failedTotal: 0),
            ])),
    ]
}

extension Samples {
    static func using(_ services: [ServiceUse]) -> JobTemplate {
        var options = JobOptions()
        options.services = services
        return JobTemplate(type: "bill", queue: "billing:eu", options: options)
    }

    static let oldQueue: QueueView = {
        var view = QueueView(queue: "billing:eu", type: "bill")
        view.ready = 3
        view.oldestReadyAge = .seconds(90)
        view.keptBytes = 4096
        return view
    }()

    static let laterDelivery = Delivery(
        number: 7, epoch: Epoch(rawValue: 4),
        templates: [
            Delivery.Template(
                type: "mail/welcome", queue: "mail", timeout: .seconds(60), tags: ["red", "blue"],
                metadata: ["traceparent": "00-1-2-01"]),
            Delivery.Template(type: "bill", queue: "billing:eu", timeout: .seconds(60)),
        ],
        jobs: [
            Delivery.Job(
                id: JobID(shard: 1, sequence: 42), leaseSequence: 77, attempt: 1, template: 0, payload: .empty),
            Delivery.Job(
                id: JobID(shard: 1, sequence: 43), leaseSequence: 78, attempt: 2, template: 1,
                payload: Samples.bytes("{}"),
                extras: Delivery.Extras(
                    expiresIn: .seconds(5), checkpoint: Samples.bytes("page 7"),
                    parents: [
                        ParentResult(
                            id: JobID(shard: 1, sequence: 40), name: "encode", state: .succeeded,
                            result: Samples.bytes("\"a.mp4\"")),
                        ParentResult(
                            id: JobID(shard: 1, sequence: 41), name: "", state: .dead, result: nil),
                    ])),
        ])

    /// The same jobs, each let through by a service.
    static let limited: Delivery = {
        var delivery = Samples.laterDelivery
        delivery.number = 8
        delivery.jobs[0].extras = Delivery.Extras(startBy: Instant(nanoseconds: 6_100_000_123))
        delivery.jobs[1].extras?.startBy = Instant(nanoseconds: 6_100_000_124)
        return delivery
    }()

    static let rare: JobTemplate = {
        var options = JobOptions(priority: .highest)
        options.expiry = .seconds(60)
        options.unique = UniqueKey("käse", scope: .queue, window: .afterSuccess(.seconds(7)), conflict: .replace)
        options.group = "tenant 7"
        options.key = "account/9"
        options.isOrdered = true
        options.retention = .seconds(3600)
        options.tags = ["red", "blue"]
        options.metadata = ["traceparent": "00-1-2-01"]
        options.batch = BatchID(rawValue: 3)
        return JobTemplate(type: "mail/welcome", queue: "mail", options: options)
    }()

    static let later: JobView = {
        var view = Samples.running
        view.template = Samples.rare
        view.expires = WallTime(microseconds: 1_700_000_100_000_000)
        view.workflow = JobID(shard: 1, sequence: 40)
        view.waits = 2
        view.progress = Report.Progress(id: view.id, fraction: 0.5, message: "half way")
        return view
    }()
}
