import MartletCoordinator
import MartletCore
import MartletSimulation
import MartletStore
import MartletWire
import Testing

/// What handlers leave: results, follow-ups, checkpoints, progress, output.
@Suite struct CompletionTests {
    /// A success that leaves jobs with these payloads.
    static func leaving(
        _ payloads: String..., type: String = "Send", options: JobOptions = .standard, delay: Duration = .zero,
        result: String? = nil
    ) -> Report.Item.Result {
        let template = JobTemplate(type: type, queue: "mail", options: options)
        return .completed(
            Completion(
                result: result.map { Bytes(copying: $0.utf8) },
                followUps: payloads.map {
                    Completion.FollowUp(template: template, payload: Bytes(copying: $0.utf8), delay: delay)
                }))
    }

    private static func payloads(_ bench: Bench) -> [String] {
        let contents = bench.disk.contents
        return contents.ids(in: [.ready, .scheduled]).compactMap { id in
            contents.job(id).map { String(decoding: $0.payload.array, as: UTF8.self) }
        }
    }

    private static func unique(_ key: String, _ conflict: UniqueKey.Conflict) -> JobOptions {
        var options = JobOptions.standard
        options.unique = UniqueKey(key, conflict: conflict)
        return options
    }

    // MARK: Follow-ups

    @Test func followUpsComeWithTheCommitThatEndsTheirParent() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let parent = try await client.submit(["parent"], sequence: 1).first
            let held = try await node.fetchAll(1)
            let before = bench.faults.applied.count
            #expect(try await node.report([(held[0], Self.leaving("a", "b"))]) == [.accepted])
            #expect(bench.state(of: parent) == nil)
            #expect(bench.faults.applied.count == before + 1, "one commit")
            let children = try await node.fetchAll(2)
            #expect(children.map(\.payload) == ["a", "b"])
            #expect(try await node.succeed(children) == [.accepted, .accepted])
            #expect(bench.disk.contents.laneTotals.first?.submittedTotal == 3)
            await bench.checkInvariants()
        }
    }

    @Test func aFollowUpMayBeTheFirstOfItsLaneAndDueLater() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1", types: ["Send", "Later"])
            node.beat()
            _ = try await client.submit(["parent"], sequence: 1)
            let held = try await node.fetchAll(1)
            let begun = bench.outside.now
            _ = try await node.report([(held[0], Self.leaving("a", type: "Later", delay: .seconds(40)))])
            let child = try await node.fetch(4)
            #expect(child.map(\.payload) == ["a"] && child.map(\.type) == ["Later"])
            #expect(bench.outside.now - begun >= .seconds(40))
        }
    }

    @Test func aResultUnderAnEndedLeaseCreatesNothing() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let id = try await client.submit(["parent"], sequence: 1).first
            let held = try await node.fetchAll(1)
            let _: JobsChanged = try await client.ask(ChangeJobs(.cancel, ids: [id]))
            #expect(try await node.report([(held[0], Self.leaving("a"))]) == [.refused])
            #expect(Self.payloads(bench).isEmpty)
            #expect(bench.disk.contents.laneTotals.first?.submittedTotal == 1)
        }
    }

    /// The end is on its way to the disk when the job is cancelled.
    @Test func aCompletionThatComesSecondCreatesNothing() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let id = try await client.submit(["parent"], sequence: 1).first
            let held = try await node.fetchAll(1)
            bench.faults.current.latency = .milliseconds(50)
            async let cancelled: JobsChanged = client.ask(ChangeJobs(.cancel, ids: [id]))
            try await bench.sleep(.milliseconds(10))
            let verdicts = try await node.report([(held[0], Self.leaving("a"))])
            #expect(try await cancelled.count == 1)
            #expect(verdicts == [.refused])
            #expect(bench.state(of: id) == .cancelled)
            #expect(Self.payloads(bench).isEmpty)
        }
    }

    @Test func aReportThatComesAgainCreatesItsFollowUpsOnce() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            _ = try await client.submit(["parent"], sequence: 1)
            let held = try await node.fetchAll(1)
            async let first = node.report([(held[0], Self.leaving("a"))], number: 1)
            try await bench.sleep(.microseconds(300))
            let second = try await node.report([(held[0], Self.leaving("a"))], number: 1)
            let third = try await node.report([(held[0], Self.leaving("a"))], number: 1)
            #expect(second == [.accepted] && third == [.accepted])
            // The same report took the first one's place.
            do {
                _ = try await first
                Issue.record("the first request was answered as well")
            } catch let error as ErrorReply {
                #expect(error.code == .invalidRequest)
            }
            #expect(Self.payloads(bench) == ["a"])
        }
    }

    @Test func followUpsSurviveACrash() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            _ = try await client.submit(["parent"], sequence: 1)
            let held = try await node.fetchAll(1)
            _ = try await node.report([(held[0], Self.leaving("a"))])
            bench.crash()
            try await bench.start()
            let next = try await bench.node("n2")
            next.beat()
            #expect(try await next.fetch(4, timeout: .seconds(60)).map(\.payload) == ["a"])
        }
    }

    /// What cannot be created fails the attempt, with its reason.
    @Test func followUpsThatBreakARuleFailTheAttempt() throws {
        let settings = CoordinatorSettings(
            clientAddress: Bench.clients, nodeAddress: Bench.nodes, payloadMax: 100, lanesMax: 2)
        try Bench.run(settings) { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1", types: ["Send", "a", "b"])
            let retry = RetryPolicy(maxAttempts: 1)
            let ids = try await client.submit(["1", "2", "3"], sequence: 1, options: JobOptions(retry: retry)).first
            let held = try await node.fetchAll(3)
            let long = String(repeating: "x", count: 101)
            let verdicts = try await node.report([
                (held[0], Self.leaving(long)), (held[1], Self.leaving("1", type: "a")),
                (held[2], .completed(Completion(result: Bytes(copying: long.utf8)))),
            ])
            #expect(verdicts == [.accepted, .accepted, .accepted])
            #expect(bench.state(of: ids) == .dead)
            #expect(bench.state(of: ids.advanced(by: 1)) == nil, "a second lane there is")
            let failures = try await [client.show(ids), client.show(ids.advanced(by: 2))].map(\.lastFailure)
            #expect(failures.map(\.?.kind) == ["completion", "completion"])
            #expect(failures[0]?.message == "follow-up 0 has 101 bytes; the limit is 100")
            #expect(failures[1]?.message == "the result has 101 bytes; the limit is 100")
            let other = try await node.fetchAll(1)
            #expect(try await node.report([(other[0], Self.leaving("2", type: "b"))]) == [.accepted])
            let problem = try await client.show(other[0].id).lastFailure?.message
            #expect(problem == "follow-up 0 would need another lane; the limit is limits.lanesMax")
        }
    }

    @Test func aFollowUpMayHaveItsParentsKey() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            for (place, conflict) in UniqueKey.Conflict.allCases.enumerated() {
                let sequence = UInt64(place) + 1
                let options = Self.unique("k\(sequence)", conflict)
                _ = try await client.submit(["parent"], sequence: sequence, options: options)
                let held = try await node.fetchAll(1)
                #expect(try await node.report([(held[0], Self.leaving("child", options: options))]) == [.accepted])
                let child = try await node.fetchAll(1)
                #expect(child.map(\.payload) == ["child"] && child[0].id != held[0].id)
                #expect(try await node.succeed(child) == [.accepted])
            }
            #expect(Self.payloads(bench).isEmpty)
        }
    }

    @Test func aFollowUpWhoseKeyIsTakenIsNotCreated() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            _ = try await client.submit(["parent"], sequence: 1)
            let held = try await node.fetchAll(1)
            let due = bench.outside.wallTime + .seconds(60)
            let other = try await client.submit(["other"], sequence: 2, options: Self.unique("k", .existing), due: due)
            _ = try await node.report([(held[0], Self.leaving("a", options: Self.unique("k", .refuse)))])
            #expect(Self.payloads(bench) == ["other"])
            _ = try await client.submit(["parent"], sequence: 3)
            let again = try await node.fetchAll(1)
            _ = try await node.report([(again[0], Self.leaving("b", options: Self.unique("k", .replace)))])
            let next = try await node.fetchAll(1)
            #expect(next.map(\.id) == [other.first] && next.map(\.payload) == ["b"], "it took the payload over")
        }
    }

    /// A job with a result takes its place under a cap, and gives it up.
    @Test func whatLeavesSomethingFreesItsPlace() throws {
        let settings = CoordinatorSettings(
            clientAddress: Bench.clients, nodeAddress: Bench.nodes,
            queues: ["mail": .init(limits: .init(concurrency: 1))])
        try Bench.run(settings) { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            _ = try await client.submit(["1", "2"], sequence: 1)
            let held = try await node.fetchAll(1)
            _ = try await node.report([(held[0], Self.leaving(result: "1"))])
            #expect(try await node.fetchAll(1).map(\.payload) == ["2"])
        }
    }

    // MARK: Replaced while it runs

    @Test(arguments: [true, false])
    func aPayloadReplacedDuringARunIsRunWhateverBecameOfTheOldOne(succeeds: Bool) throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let options = Self.unique("k", .replace)
            let id = try await client.submit(["old"], sequence: 1, options: options).first
            let held = try await node.fetchAll(1)
            #expect(try await node.report([(held[0], .checkpoint(Bytes(copying: "of old".utf8)))]) == [.accepted])
            let again = try await client.submit(["new"], sequence: 2, options: options)
            #expect(again.exceptions.map(\.id) == [id] && again.exceptions.map(\.isReplaced) == [true])
            #expect(try await node.fetchIfAny(4).isEmpty, "not beside the old one")
            #expect(try await node.report([(held[0], .checkpoint(Bytes(copying: "late".utf8)))]) == [.refused])
            if succeeds {
                #expect(try await node.report([(held[0], Self.leaving("child"))]) == [.accepted])
            } else {
                _ = try await node.fail(held[0], isRetryable: false)
            }
            let next = try await node.fetchAll(succeeds ? 2 : 1)
            let renewed = try #require(next.first { $0.id == id })
            #expect(renewed.payload == "new" && renewed.attempt == 1 && renewed.checkpoint == nil)
            #expect(next.contains { $0.payload == "child" } == succeeds)
            #expect(try await node.succeed([renewed]) == [.accepted])
            #expect(bench.state(of: id) == nil)
            await bench.checkInvariants()
        }
    }

    /// The store says that it is due later, and a node has it until the old payload has ended.
    @Test(arguments: [nil, 2])
    func aPayloadReplacedDuringARunDoesNotRunBesideTheOldOneWhenItIsDue(concurrency: Int?) throws {
        let settings = CoordinatorSettings(
            clientAddress: Bench.clients, nodeAddress: Bench.nodes,
            queues: ["mail": .init(limits: .init(concurrency: concurrency))])
        try Bench.run(settings) { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let options = Self.unique("k", .replace)
            let id = try await client.submit(["old"], sequence: 1, options: options).first
            let held = try await node.fetchAll(1)
            node.beat(running: [id])
            // Beyond what has been read ahead.
            let due = bench.outside.wallTime + .seconds(180)
            _ = try await client.submit(["new"], sequence: 2, options: options, due: due)
            #expect(try await node.fetchIfAny(4, within: .seconds(400)).isEmpty, "not beside the old one")
            #expect(try await node.succeed(held) == [.accepted])
            #expect(try await node.fetchAll(1).map(\.payload) == ["new"])
            await bench.checkInvariants()
        }
    }

    // MARK: Checkpoints

    private static let checkpoint = Report.Item.Result.checkpoint(Bytes(copying: "half".utf8))

    enum Interruption: CaseIterable {
        case failure, givenBack, nodeLost, coordinatorCrash
    }

    @Test(arguments: Interruption.allCases)
    func aLaterAttemptHasTheLastCheckpoint(interruption: Interruption) throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            let retry = RetryPolicy(initialBackoff: .seconds(1), jitter: 0)
            _ = try await client.submit(["x"], sequence: 1, options: JobOptions(retry: retry))
            let held = try await node.fetchAll(1)
            #expect(held[0].checkpoint == nil)
            #expect(try await node.report([(held[0], .checkpoint(Bytes(copying: "begun".utf8)))]) == [.accepted])
            #expect(try await node.report([(held[0], Self.checkpoint)]) == [.accepted])
            switch interruption {
            case .failure: _ = try await node.fail(held[0])
            case .givenBack: _ = try await node.report([(held[0], .returned)])
            case .nodeLost: node.fallSilent()
            case .coordinatorCrash:
                node.fallSilent()
                bench.crash()
                try await bench.start()
            }
            let next = try await bench.node("n2")
            next.beat()
            let again = try await next.fetch(1, timeout: .seconds(60))
            #expect(again.map(\.id) == held.map(\.id) && again.map(\.checkpoint) == ["half"])
            #expect(try await next.succeed(again) == [.accepted])
            await bench.checkInvariants()
        }
    }

    @Test func aCheckpointUnderAnEndedLeaseIsRefused() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let id = try await client.submit(["x"], sequence: 1).first
            let held = try await node.fetchAll(1)
            let _: JobsChanged = try await client.ask(ChangeJobs(.cancel, ids: [id]))
            #expect(try await node.report([(held[0], Self.checkpoint)]) == [.refused])
        }
    }

    // MARK: Seen by people

    @Test func progressIsShownWhileTheJobRuns() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let id = try await client.submit(["x"], sequence: 1).first
            let held = try await node.fetchAll(1)
            #expect(try await client.show(id).progress == nil)
            let progress = [
                Report.Progress(id: id, fraction: 0.25, message: "page 3"),
                Report.Progress(id: id.advanced(by: 1), fraction: 1, message: "not its job"),
            ]
            try await node.report(running: [id], progress: progress)
            try await node.report(running: [id])
            #expect(try await client.show(id).progress == progress[0], "until it says more")
            #expect(try await node.fail(held[0]) == [.accepted])
            #expect(try await client.show(id).progress == nil)
        }
    }

    @Test func failedAttemptsAreRecordedWithTheirOutput() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let retry = RetryPolicy(maxAttempts: 2, initialBackoff: .seconds(1), jitter: 0)
            let id = try await client.submit(["x"], sequence: 1, options: JobOptions(retry: retry)).first
            for attempt in 1...2 {
                let held = try await node.fetchAll(1)
                let failure = JobFailure(kind: "exit \(attempt)", message: "no")
                let output = Bytes(copying: "line \(attempt)".utf8)
                _ = try await node.report([(held[0], .failed(failure, isRetryable: true, output: output))])
            }
            let detail: JobDetail = try await client.ask(ShowJob(id: id))
            #expect(detail.job.state == .dead)
            #expect(detail.attempts.map(\.number) == [1, 2] && detail.attempts.map(\.node) == ["n1", "n1"])
            #expect(detail.attempts.map(\.failure.kind) == ["exit 1", "exit 2"])
            #expect(detail.attempts.map { String(decoding: $0.output.array, as: UTF8.self) } == ["line 1", "line 2"])
        }
    }

    @Test func aResultIsKeptAsLongAsItsJob() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            var options = JobOptions.standard
            options.retention = .seconds(100)
            let id = try await client.submit(["x"], sequence: 1, options: options).first
            let held = try await node.fetchAll(1)
            _ = try await node.report([(held[0], Self.leaving(result: "42"))])
            let detail: JobDetail = try await client.ask(ShowJob(id: id))
            #expect(detail.job.state == .succeeded && detail.result == Bytes(copying: "42".utf8))
            try await bench.sleep(.seconds(200))
            #expect(bench.state(of: id) == nil)
        }
    }
}
