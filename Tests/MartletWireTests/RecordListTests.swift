import CAllocationGauge
import MartletCore
import MartletWire
import Testing

/// Lists of requests: checked when the frame is decoded, made into elements when they are used.
@Suite struct RecordListTests {
    static func frame(jobs: Int) -> Bytes {
        Submit(
            session: Samples.session, sequence: 1, templates: [Samples.plain, Samples.detailed],
            jobs: (0..<jobs).map {
                Submit.Job(template: UInt16($0 % 2), due: WallTime(microseconds: Int64($0)), payload: Samples.run(7))
            }
        ).encoded()
    }

    @Test func aListThatLiesInAFrameIsTheListThatWasSent() throws {
        let sent = RecordList(
            [0, 1, 2].map { Submit.Job(template: 0, due: nil, payload: Samples.bytes(String($0))) })
        var submit = Submit(session: Samples.session, sequence: 1, templates: [Samples.plain], jobs: [])
        submit.jobs = sent
        let received = try Submit.decode(submit.encoded()).jobs
        #expect(received == sent && received.hashValue == sent.hashValue && received.count == 3 && !received.isEmpty)
        #expect(Array(received) == Array(sent) && Array(received) == Array(received))
        #expect(received.underestimatedCount == 3)
    }

    @Test func listsOfOtherElementsOrLengthDiffer() throws {
        let one = Samples.bytes("1")
        let job = Submit.Job(template: 0, payload: one)
        let list = RecordList([job, job])
        #expect(list != [job] && list != [job, Submit.Job(template: 1, payload: one)] && list == [job, job])
        #expect(RecordList<Submit.Job>().isEmpty)
    }

    @Test func aListMayBeSentOnAsItCame() throws {
        let frame = Self.frame(jobs: 5)
        #expect(try Submit.decode(frame).encoded() == frame)
    }

    @Test func aListKeepsItsFrame() throws {
        weak var block: ByteBlock?
        var jobs: RecordList<Submit.Job>?
        do {
            let frame = Self.frame(jobs: 3)
            block = frame.block
            jobs = try Submit.decode(frame).jobs
        }
        #expect(block != nil)
        #expect(jobs?.map(\.payload) == Array(repeating: Samples.run(7), count: 3))
        jobs = nil
        #expect(block == nil)
    }

    /// Every record is looked at when the frame is decoded, the last one too.
    @Test(arguments: [0, 1, 8_191])
    func aRecordThatCannotBeReadIsFoundAtOnce(place: Int) {
        var parts = FrameParts(Self.frame(jobs: 8_192))
        parts.records[3 + place].removeLast()
        #expect(throws: WireError(.malformed, "a field goes beyond the end of its record")) {
            try Request.decode(parts.frame)
        }
    }

    // MARK: Memory

    private static let token = Samples.token

    private static func report(_ result: Report.Item.Result, count: Int = Report.itemsMax) -> Bytes {
        Report(
            key: 1, number: 1, lastDelivery: 0, creditTotal: 0, isDraining: false, isLast: false, running: [],
            items: Array(
                repeating: Report.Item(id: JobID(rawValue: 1), token: Self.token, result: result), count: count)
        ).encoded()
    }

    private static func crowded(_ prefix: String = "") -> JobTemplate {
        BoundsTests.template {
            $0.tags = BoundsTests.few(JobOptions.tagsMax).map { prefix + $0 }
            $0.metadata = Dictionary(
                uniqueKeysWithValues: BoundsTests.few(JobOptions.metadataMax).map { (prefix + $0, prefix) })
        }
    }

    /// A workflow whose jobs wait for those before, one for another.
    private static func chain(_ count: Int) -> Bytes {
        let members = (0..<count).map {
            WorkflowShape.Member(
                name: "a-step-of-17-byte\($0)",
                parents: $0 == 0 ? [] : [WorkflowShape.Dependency(parent: $0 - 1, kind: .onSuccess)])
        }
        return SubmitWorkflow(
            name: "chain", submit: BoundsTests.submit(template: Samples.plain, templates: 1, jobs: count),
            shape: WorkflowShape(members: members)
        ).encoded()
    }

    /// Requests whose elements are as many and as short as can be.
    static let full: [(name: String, frame: Bytes)] = {
        let id = JobID(rawValue: 1)
        let names = (0..<Register.namesMax).map { "\($0)" }
        let longer = (0..<Register.namesMax).map { "a-name-of-17-byte\($0)" }
        func register(_ names: [String], inventory: Int) -> Bytes {
            Register(
                name: "n", incarnation: 1, slots: 1, prefetchMax: 0, queues: names, types: names, holdsNameLock: false,
                lastDelivery: 0, number: 1,
                inventory: Array(
                    repeating: Register.Item(id: id, token: Self.token, phase: .running), count: inventory)
            ).encoded()
        }
        func submit(_ template: JobTemplate, templates: Int, jobs: Int) -> Bytes {
            BoundsTests.submit(template: template, templates: templates, jobs: jobs).encoded()
        }
        let followUp = Completion.FollowUp(
            template: JobTemplate(type: "t", queue: "q"), payload: .empty, delay: .zero)
        return [
            ("jobs", submit(Samples.plain, templates: 1, jobs: 10_000)),
            ("templates", submit(JobTemplate(type: "t", queue: "q"), templates: 1024, jobs: 1)),
            ("one template with options", submit(Self.crowded(), templates: 1, jobs: 1)),
            ("templates with options", submit(Self.crowded(), templates: 1024, jobs: 1)),
            ("succeeded", Self.report(.succeeded)),
            ("failed", Self.report(.failed(JobFailure(kind: "", message: ""), isRetryable: true))),
            ("failed with texts", Self.report(.failed(Samples.failure, isRetryable: true, output: Samples.run(0)))),
            ("completed", Self.report(.completed(Completion(result: .empty)))),
            (
                "follow-ups",
                Self.report(
                    .completed(Completion(followUps: Array(repeating: followUp, count: Completion.followUpsMax))),
                    count: 1)
            ),
            (
                "running and progress",
                Report(
                    key: 1, number: 1, lastDelivery: 0, creditTotal: 0, isDraining: false, isLast: false,
                    running: Array(repeating: id, count: 65_536), items: [],
                    progress: Array(repeating: Report.Progress(id: id, fraction: 0.5, message: ""), count: 65_536)
                ).encoded()
            ),
            ("names", register(names, inventory: 0)), ("longer names", register(longer, inventory: 0)),
            ("inventory", register([], inventory: 100_000)),
            ("members", Self.chain(10_000)),
            ("ids", ChangeDead(action: .retry, ids: Array(repeating: id, count: 1000)).encoded()),
            ("ids to change", ChangeJobs(.cancel, ids: Array(repeating: id, count: 1000)).encoded()),
        ]
    }()

    /// What decoding a request holds at most beside its frame, and the largest allocation for it.
    ///
    /// Not all that a thread allocates is the decoder's: malloc hands out a freed block that is up to 16 bytes too long as
    /// it is, and the runtime has caches that grow at somebody's turn. Neither happens each time. So all that was decoded
    /// is kept, until malloc has no such block left, and the least figures count.
    private static func decoding(_ frame: Bytes) throws -> (peak: Int, largest: Int) {
        var kept: [Request] = []
        var peak = Int.max
        var largest = Int.max
        for _ in 0..<32 {
            var count = 0
            allocation_gauge_start()
            let request = Result { try Request.decode(frame) }
            largest = min(largest, allocation_gauge_stop(&count))
            peak = min(peak, allocation_gauge_peak())
            kept.append(try request.get())
        }
        return (peak, largest)
    }

    /// Its one template is made at once: a table of metadata, an array of tags. A text over 15 bytes has memory of its
    /// own.
    @Test(arguments: ["", "a-text-of-17-byte"])
    func aSchedulesTemplateTakesNoMoreThanItsBounds(prefix: String) throws {
        var definition = Samples.definition
        definition.template = Self.crowded(prefix)
        let frame = PutSchedule(definition).encoded()
        #expect(try Self.decoding(frame).peak <= frame.count + 4096)
    }

    @Test(arguments: Self.full)
    func decodingAFullRequestHoldsLessThanTheFrame(name: String, frame: Bytes) throws {
        let (peak, largest) = try Self.decoding(frame)
        #expect(largest <= min(frame.count, FuzzTests.overheadMax), "\(frame.count) bytes")
        #expect(peak <= min(frame.count, FuzzTests.overheadMax), "\(frame.count) bytes")
    }
}
