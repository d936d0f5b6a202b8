import MartletCore
import MartletWire
import Testing

/// Requests whose fields are out of their bounds: refused, with a text that names the field.
@Suite struct BoundsTests {
    static let tooLong = String(repeating: "x", count: NameRule.bytesMax + 1)
    static let badCharacter = "has a character other than letters, digits and . _ - : /"

    static func submit(
        sequence: UInt64 = 1, template: JobTemplate = Samples.plain, templates: Int = 1, jobs: Int = 1,
        index: UInt16 = 0
    ) -> Submit {
        Submit(
            session: Samples.session, sequence: sequence, templates: Array(repeating: template, count: templates),
            jobs: Array(repeating: Submit.Job(template: index, payload: .empty), count: jobs))
    }

    static func register(
        name: String = "n", slots: UInt32 = 1, prefetchMax: UInt32 = 0, queues: [String] = [], types: [String] = ["t"]
    ) -> Register {
        Register(
            name: name, incarnation: 1, slots: slots, prefetchMax: prefetchMax, queues: queues, types: types,
            holdsNameLock: false, lastDelivery: 0, number: 1, inventory: [])
    }

    static func report(number: UInt64 = 1, items: Int = 0) -> Report {
        let item = Report.Item(id: JobID(rawValue: 1), token: Samples.token, result: .succeeded)
        return Report(
            key: 1, number: number, lastDelivery: 0, creditTotal: 0, isDraining: false, isLast: false, running: [],
            items: Array(repeating: item, count: items))
    }

    static func report(progress fraction: Double, message: String = "") -> Report {
        var report = Self.report()
        report.progress = [Report.Progress(id: JobID(rawValue: 1), fraction: fraction, message: message)]
        return report
    }

    static func report(followUps: Int) -> Report {
        let followUp = Completion.FollowUp(template: Samples.plain, payload: .empty, delay: .zero)
        let completion = Completion(followUps: Array(repeating: followUp, count: followUps))
        var report = Self.report()
        report.items = [
            Report.Item(id: JobID(rawValue: 1), token: Samples.token, result: .completed(completion))
        ]
        return report
    }

    static let badOptions = "options have a field that is not known or makes no sense"

    static func few(_ count: Int) -> [String] { (0..<count).map { "\($0)" } }

    static func template(_ change: (inout JobOptions) -> Void) -> JobTemplate {
        var options = JobOptions()
        change(&options)
        return JobTemplate(type: "t", queue: "q", options: options)
    }

    static let names = Array(repeating: "a", count: 1001)
    static let ids = Array(repeating: JobID(rawValue: 1), count: 1001)

    static let refused: [(problem: String, frame: Bytes)] = [
        ("sequence must not be 0", Self.submit(sequence: 0).encoded()),
        ("jobs is empty", Self.submit(jobs: 0).encoded()),
        ("jobs has more than 10000 elements", Self.submit(jobs: 10_001).encoded()),
        ("templates has more than 1024 elements", Self.submit(templates: 1025).encoded()),
        ("jobs.template is not an index into templates", Self.submit(index: 1).encoded()),
        ("type is empty", Self.submit(template: JobTemplate(type: "", queue: "q")).encoded()),
        ("queue \(Self.badCharacter)", Self.submit(template: JobTemplate(type: "t", queue: "a b")).encoded()),
        ("type is longer than 128 bytes", Self.submit(template: JobTemplate(type: Self.tooLong, queue: "q")).encoded()),
        (
            "timeout must be positive",
            Self.submit(template: JobTemplate(type: "t", queue: "q", options: JobOptions(timeout: .zero))).encoded()
        ),
        ("limit must be 1 to 1000", ListJobs(limit: 0).encoded()),
        ("limit must be 1 to 1000", ListJobs(limit: 1001).encoded()),
        ("queue is empty", ListJobs(queue: "").encoded()),
        ("type \(Self.badCharacter)", ListJobs(type: "é").encoded()),
        ("ids has more than 1000 elements", ChangeDead(action: .retry, ids: Self.ids).encoded()),
        ("queue is empty", ChangeDead(action: .retry, queue: "").encoded()),
        ("name is empty", Self.register(name: "").encoded()),
        ("slots must be 1 to 65536", Self.register(slots: 0).encoded()),
        ("slots must be 1 to 65536", Self.register(slots: 65_537).encoded()),
        ("prefetchMax must be at most 65536", Self.register(prefetchMax: 65_537).encoded()),
        ("queues has more than 1000 elements", Self.register(queues: Self.names).encoded()),
        ("types has more than 1000 elements", Self.register(types: Self.names).encoded()),
        ("queues or types \(Self.badCharacter)", Self.register(queues: ["a\u{0}"]).encoded()),
        ("number must not be 0", Self.report(number: 0).encoded()),
        ("items has more than 4096 elements", Self.report(items: 4097).encoded()),
        ("ids has more than 1000 elements", ChangeJobs(.cancel, ids: Self.ids).encoded()),
        ("timeout must be 0 to 60.0 seconds", AwaitJob(id: Self.ids[0], timeout: .milliseconds(60_001)).encoded()),
        ("timeout must be 0 to 60.0 seconds", AwaitJob(id: Self.ids[0], timeout: .milliseconds(-1)).encoded()),
        ("progress must be 0 to 1", Self.report(progress: -0.01).encoded()),
        ("progress must be 0 to 1", Self.report(progress: 1.01).encoded()),
        ("progress must be 0 to 1", Self.report(progress: .nan).encoded()),
        ("items.followUps are more than 1000, or cut short", Self.report(followUps: 1001).encoded()),
        (Self.badOptions, Self.submit(template: Self.template { $0.tags = Self.few(17) }).encoded()),
        (
            Self.badOptions,
            Self.submit(
                template: Self.template {
                    $0.metadata = Dictionary(uniqueKeysWithValues: Self.few(17).map { ($0, "") })
                }
            ).encoded()
        ),
        ("nonce must be 32 bytes", Authenticate(nonce: .empty, proof: Samples.run(0)).encoded()),
        ("proof must be 32 bytes", Authenticate(nonce: Samples.run(0), proof: .empty).encoded()),
    ]

    @Test(arguments: Self.refused)
    func aFieldOutOfItsBoundsIsNamed(problem: String, frame: Bytes) {
        #expect(throws: WireError(.malformed, problem)) { try Request.decode(frame) }
    }

    @Test func theBoundsThemselvesAreAllowed() throws {
        _ = try Request.decode(Self.submit(templates: 1024, jobs: 10_000, index: 1023).encoded())
        _ = try Request.decode(Self.register(slots: 65_536, prefetchMax: 65_536).encoded())
        _ = try Request.decode(Self.report(items: 4096).encoded())
        _ = try Request.decode(ListJobs(limit: 1000).encoded())
        _ = try Request.decode(ChangeDead(action: .retry, ids: Array(Self.ids.dropLast())).encoded())
        _ = try Request.decode(AwaitJob(id: Self.ids[0], timeout: AwaitJob.timeoutMax).encoded())
        for fraction in [0, 1] { _ = try Request.decode(Self.report(progress: Double(fraction)).encoded()) }
        _ = try Request.decode(Self.report(followUps: 1000).encoded())
        let crowded = Self.template {
            $0.tags = Self.few(16)
            $0.metadata = Dictionary(uniqueKeysWithValues: Self.few(16).map { ($0, "") })
        }
        _ = try Request.decode(Self.submit(template: crowded).encoded())
        let longest = JobTemplate(type: String(Self.tooLong.dropLast()), queue: "q")
        _ = try Request.decode(Self.submit(template: longest).encoded())
    }

    /// Offsets in a template's record: presence 0, priority 1, timeout 2, maxAttempts 10, initialBackoff 12,
    /// maxBackoff 20, jitter 28.
    @Test(
        arguments: [
            (1, 10, "priority must be 0 to 9"), (10, 0, "maxAttempts must be 1 to 1000"),
            (11, 9, "maxAttempts must be 1 to 1000"), (19, 0x80, "initialBackoff must be positive"),
            (27, 0x7F, "maxBackoff must be at most 365 days"), (35, 0x7F, "jitter must be 0 to 1"),
            (35, 0xBF, "jitter must be 0 to 1"),
        ] as [(Int, UInt8, String)])
    func anImpossibleOptionIsNamed(offset: Int, value: UInt8, problem: String) {
        var parts = FrameParts(Self.submit(template: Samples.detailed).encoded())
        parts.records[1][offset] = value
        #expect(throws: WireError(.malformed, problem)) { try Request.decode(parts.frame) }
    }

    @Test func textThatIsNotUTF8IsRefused() {
        var parts = FrameParts(ErrorReply(.notFound, "é").encoded())
        parts.records[0][4] = 0x41
        parts.records[0][5] = 0xC3
        #expect(throws: WireError(.malformed, "message is not UTF-8")) { try ErrorReply.decode(parts.frame) }
    }

    /// A worker in another language may not know the bounds; its report must still end the attempt.
    @Test func aFailureThatIsTooLongIsCutAtACharacter() throws {
        var writer = FrameWriter(.report)
        writer.record {
            for _ in 0..<4 { $0.write(1 as UInt64) }
            $0.write(0 as UInt8)
            $0.write(0 as UInt32)
            $0.write(1 as UInt32)
        }
        writer.record {
            $0.write(JobID(rawValue: 1))
            $0.write(Samples.token)
            $0.write(2 as UInt8)
            $0.write(1 as UInt8)
            $0.write("k" + String(repeating: "é", count: 100))
            $0.write(String(repeating: "x", count: 3000))
        }
        let report = try Report.decode(writer.finish())
        let failure = JobFailure(
            kind: "k" + String(repeating: "é", count: 63), message: String(repeating: "x", count: 2048))
        #expect(report.items.map(\.result) == [.failed(failure, isRetryable: true)])
    }

    @Test func aProgressMessageThatIsTooLongIsCutAtACharacter() throws {
        let long = Self.report(progress: 0.5, message: "a" + String(repeating: "é", count: 200))
        let message = try Report.decode(long.encoded()).progress.map(\.message)
        #expect(message == ["a" + String(repeating: "é", count: 127)])
    }

    /// An option that is not understood must not be passed over: it may be what keeps a job from running twice.
    @Test(arguments: [10, 255] as [UInt8])
    func anOptionThatIsNotKnownIsRefused(field: UInt8) {
        var parts = FrameParts(Self.submit(template: Self.template { $0.isOrdered = true }).encoded())
        // The options are the last of the template's fields: 5 for ordered, 0 for the end.
        #expect(parts.records[1].suffix(2) == [5, 0])
        parts.records[1][parts.records[1].count - 2] = field
        #expect(throws: WireError(.malformed, Self.badOptions)) { try Request.decode(parts.frame) }
    }

    @Test func parentsThatAreMoreThanTheirRecordHoldsAreRefused() {
        let extras = Delivery.Extras(parents: [ParentResult(id: Self.ids[0], name: "", state: .dead, result: nil)])
        let delivery = Delivery(
            number: 1, epoch: Epoch(rawValue: 1),
            templates: [Delivery.Template(type: "t", queue: "q", timeout: .seconds(1))],
            jobs: [
                Delivery.Job(
                    id: Self.ids[0], leaseSequence: 1, attempt: 1, template: 0, payload: .empty, extras: extras)
            ])
        var parts = FrameParts(delivery.encoded())
        // id, lease, attempt, template, payload, what extras there are; then the count.
        parts.records[2][25] = 0xFF
        #expect(throws: WireError(.malformed, "jobs.parents is longer than its record")) {
            try Delivery.decode(parts.frame)
        }
    }

    @Test func anErrorTextThatIsTooLongIsCutAtACharacter() throws {
        let long = ErrorReply(.internal, "a" + String(repeating: "é", count: 40_000))
        #expect(try ErrorReply.decode(long.encoded()).message == "a" + String(repeating: "é", count: 32_767))
    }

    @Test func payloadsShareTheFramesMemory() throws {
        let frame = Self.submit().encoded()
        #expect(try Submit.decode(frame).jobs.map(\.payload)[0].block === frame.block)
    }
}
