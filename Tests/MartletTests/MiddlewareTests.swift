import Martlet
import MartletCore
import MartletRuntime
import MartletSimulation
import MartletTransport
import MartletWire
import Synchronization
import Testing

private enum Place {
    @TaskLocal static var name = "outside"
}

private struct Declined: Error {}

private struct Sum: Job {
    static let type = "add"

    var a: Int
    var b: Int

    func run(_ context: JobContext) async throws { #expect(self.a + self.b == 3) }
}

/// What happened, in order.
private final class Diary: Sendable {
    private let lines = Mutex<[String]>([])
    func note(_ line: String) { self.lines.withLock { $0.append(line) } }
    var all: [String] { self.lines.withLock { $0 } }
}

private struct Noting: HandlerMiddleware, SubmitMiddleware {
    let name: String
    let diary: Diary

    func handle(_ context: JobContext, next: Next) async throws {
        self.diary.note("\(self.name) begins \(context.type) \(context.id)")
        defer { self.diary.note("\(self.name) ends \(context.type) \(context.id)") }
        try await next()
    }

    func submit(_ request: SubmitRequest, next: SubmitRequest.Next) async throws -> [JobID] {
        self.diary.note("\(self.name) submits \(request.jobCount) jobs, \(request.payloadBytes) bytes")
        let ids = try await next(request)
        self.diary.note("\(self.name) has \(ids)")
        return ids
    }
}

@Suite struct HandlerMiddlewareTests {
    private func run(
        _ cluster: Cluster, _ jobs: [String], logHandler: @escaping LogHandler = { _ in },
        register: (Worker, SimulatedProcess) -> Void
    ) -> [Report.Item.Result] {
        let configuration = WorkerConfiguration(
            name: "w1", address: Cluster.address, slots: 1, prefetchMax: 0, logHandler: logHandler)
        let (worker, process) = cluster.worker(configuration)
        register(worker, process)
        _ = cluster.start(worker, process)
        cluster.ask { for job in jobs { $0.add(job, Bytes(copying: #"{"a": 1, "b": 2}"#.utf8)) } }
        cluster.run(for: .seconds(20))
        return cluster.ask { $0.results.map(\.result) }
    }

    @Test func whatIsRegisteredFirstIsOutermostAroundTypedAndRawHandlers() {
        let diary = Diary()
        let results = self.run(Cluster(), ["raw", "add"]) { worker, _ in
            worker.use(Noting(name: "outer", diary: diary))
            worker.register(raw: "raw") { _, _ in diary.note("handler") }
            worker.register(Sum.self)
            worker.use { context, next in
                diary.note("inner begins")
                try await next()
                diary.note("inner ends")
            }
        }
        #expect(results == [.succeeded, .succeeded])
        #expect(
            diary.all == [
                "outer begins raw 1", "inner begins", "handler", "inner ends", "outer ends raw 1",
                "outer begins add 2", "inner begins", "inner ends", "outer ends add 2",
            ])
    }

    @Test func taskLocalValuesReachTheHandlerAndNobodyElse() {
        let diary = Diary()
        _ = self.run(Cluster(), ["raw"]) { worker, _ in
            worker.use { _, next in
                try await Place.$name.withValue("within") { try await next() }
                diary.note(Place.name)
            }
            worker.register(raw: "raw") { _, _ in diary.note(Place.name) }
        }
        #expect(diary.all == ["within", "outside"])
    }

    @Test func anErrorIsWhatTheOutermostMakesOfIt() {
        let results = self.run(Cluster(), ["raw"]) { worker, _ in
            worker.use { _, next in
                do { try await next() } catch is Declined { throw NonRetryable("declined") }
            }
            worker.register(raw: "raw") { _, _ in throw Declined() }
        }
        #expect(results == [.failed(JobFailure(kind: "NonRetryable", message: "declined"), isRetryable: false)])
    }

    @Test func withoutNextTheHandlerDoesNotRun() {
        let diary = Diary()
        let results = self.run(Cluster(), ["raw"]) { worker, _ in
            worker.use { _, _ in }
            worker.register(raw: "raw") { _, _ in diary.note("handler") }
        }
        #expect(results == [.succeeded])
        #expect(diary.all.isEmpty)
    }

    @Test func metricsTellDurationAndOutcomeOfEachAttempt() {
        let measured = Mutex<[JobMetrics.Measurement]>([])
        _ = self.run(Cluster(), ["good", "bad", "final"]) { worker, process in
            worker.use(JobMetrics { measurement in measured.withLock { $0.append(measurement) } })
            worker.register(raw: "good") { _, context in
                let before = context.now
                try await context.sleep(for: .milliseconds(30))
                #expect(context.now - before == .milliseconds(30))
            }
            worker.register(raw: "bad") { _, _ in
                try await process.sleep(for: .milliseconds(5))
                throw Declined()
            }
            worker.register(raw: "final") { _, _ in throw NonRetryable("no") }
        }
        let expected: [(String, Duration, JobMetrics.Measurement.Outcome)] = [
            ("good", .milliseconds(30), .succeeded), ("bad", .milliseconds(5), .failed),
            ("final", .zero, .failedForGood),
        ]
        #expect(
            measured.withLock { $0 }
                == expected.map { type, duration, outcome in
                    JobMetrics.Measurement(
                        event: .handled, type: type, queue: "default", jobCount: 1, duration: duration,
                        outcome: outcome)
                })
    }

    @Test func loggingWritesALineForTheBeginAndEndOfEachAttempt() {
        let lines = Mutex<[String]>([])
        _ = self.run(
            Cluster(), ["good", "bad"], logHandler: { record in lines.withLock { $0.append(record.description) } },
            register: { worker, process in
                worker.use(JobLogging())
                worker.register(raw: "good") { _, _ in try await process.sleep(for: .milliseconds(30)) }
                worker.register(raw: "bad") { _, _ in throw Declined() }
            })
        #expect(
            lines.withLock { $0.filter { $0.contains("queue=") } } == [
                "debug job begins job=1 type=good attempt=1 queue=default",
                "info job done job=1 type=good attempt=1 queue=default milliseconds=30",
                "debug job begins job=2 type=bad attempt=1 queue=default",
                "warning job failed job=2 type=bad attempt=1 queue=default milliseconds=0 error=Declined "
                    + "message=Declined()",
            ])
    }
}

@Suite struct SubmitMiddlewareTests {
    @Test func everyWayToSubmitPassesThroughAllInOrder() throws {
        let cluster = Cluster()
        let diary = Diary()
        let client = try cluster.client(
            ClientConfiguration(middleware: [
                Noting(name: "outer", diary: diary), Noting(name: "inner", diary: diary),
            ]))
        try cluster.wait {
            try await client.submit(Greet(name: "Ada"))
            try await client.submit([Greet(name: "Bob"), Greet(name: "Cy")])
            try await client.submit(raw: RawJob(type: "a", payload: Payload("xyz")))
            try await client.submit(raw: [
                RawJob(type: "a", payload: Payload("x")), RawJob(type: "b"), RawJob(type: "a", payload: Payload("yy")),
            ])
            #expect(try await client.submit(raw: []) == [], "nothing to submit is nothing to tell of")
        }
        func lines(_ jobs: Int, _ bytes: Int, _ ids: ClosedRange<UInt64>) -> [String] {
            let ids = ids.map { JobID(rawValue: $0) }
            return [
                "outer submits \(jobs) jobs, \(bytes) bytes", "inner submits \(jobs) jobs, \(bytes) bytes",
                "inner has \(ids)", "outer has \(ids)",
            ]
        }
        #expect(diary.all == lines(1, 14, 1...1) + lines(2, 27, 2...3) + lines(1, 3, 4...4) + lines(3, 3, 5...7))
    }

    private struct Rush: SubmitMiddleware {
        func submit(_ request: SubmitRequest, next: SubmitRequest.Next) async throws -> [JobID] {
            var request = request
            request.update { kind in
                if kind.type == "a" { kind.queue = "fast" }
                kind.options.timeout = .seconds(7)
            }
            return try await next(request)
        }
    }

    @Test func whatIsChangedIsWhatIsSubmitted() throws {
        let cluster = Cluster()
        let client = try cluster.client(ClientConfiguration(middleware: [Rush()]))
        try cluster.wait {
            try await client.submit(raw: [RawJob(type: "a"), RawJob(type: "b"), RawJob(type: "a")])
            try await client.submit(Greet(name: "Ada"))
        }
        let accepted = cluster.ask { $0.accepted.map(\.template) }
        let options = JobOptions(timeout: .seconds(7))
        #expect(
            accepted == [
                JobTemplate(type: "a", queue: "fast", options: options),
                JobTemplate(type: "b", queue: "default", options: options),
                JobTemplate(type: "a", queue: "fast", options: options),
                JobTemplate(type: "greet", queue: "mail", options: options),
            ])
    }

    /// One call whose jobs fill several frames is one request, and its ids come in order.
    @Test func aCallOfManyFramesIsOneRequest() throws {
        let cluster = Cluster()
        let diary = Diary()
        let client = try cluster.client(ClientConfiguration(middleware: [Noting(name: "m", diary: diary), Rush()]))
        let jobs = (0..<25_000).map { _ in RawJob(type: "a") }
        let ids = try cluster.wait { try await client.submit(raw: jobs) }
        #expect(Set(ids).count == 25_000)
        #expect(diary.all.first == "m submits 25000 jobs, 0 bytes" && diary.all.count == 2)
        #expect(cluster.ask { Set($0.accepted.map(\.template.queue)) } == ["fast"])
    }

    private struct Failing: SubmitMiddleware {
        let body: @Sendable (SubmitRequest, SubmitRequest.Next) async throws -> [JobID]
        func submit(_ request: SubmitRequest, next: SubmitRequest.Next) async throws -> [JobID] {
            try await self.body(request, next)
        }
    }

    @Test func whatAMiddlewareRefusesIsNotSubmitted() throws {
        let cases: [(MartletError.Code, Failing)] = [
            (.refusedByMiddleware, Failing { _, _ in throw Declined() }),
            (.refusedByMiddleware, Failing { _, _ in [] }),
            (.cancelled, Failing { _, _ in throw CancellationError() }),
            (
                .invalidRequest,
                Failing { request, next in
                    var request = request
                    request.update { $0.queue = "not a name" }
                    return try await next(request)
                }
            ),
        ]
        for (code, middleware) in cases {
            let cluster = Cluster()
            let client = try cluster.client(ClientConfiguration(middleware: [middleware]))
            let error = #expect(throws: MartletError.self) {
                try cluster.wait { try await client.submit(Greet(name: "Ada")) }
            }
            #expect(error?.code == code)
            #expect(cluster.ask { $0.accepted.isEmpty })
        }
    }

    @Test func metricsAndLogTellOfEverySubmit() throws {
        let cluster = Cluster()
        let measured = Mutex<[JobMetrics.Measurement]>([])
        let lines = Mutex<[String]>([])
        let metrics = JobMetrics { measurement in measured.withLock { $0.append(measurement) } }
        let logging = JobLogging(submitLog: { record in lines.withLock { $0.append(record.description) } })
        let client = try cluster.client(ClientConfiguration(middleware: [metrics, logging]))
        cluster.ask { $0.fates = [.answer, .refuse(.storeFull)] }
        _ = try cluster.wait { try await client.submit([Greet(name: "Ada"), Greet(name: "Bob")]) }
        #expect(throws: MartletError.self) { try cluster.wait { try await client.submit(Greet(name: "Cy")) } }
        #expect(
            measured.withLock { $0 }.map { "\($0.event) \($0.type) \($0.queue) \($0.jobCount) \($0.outcome)" } == [
                "submitted greet mail 2 succeeded", "submitted greet mail 1 failed",
            ])
        #expect(lines.withLock { $0[0] } == "debug jobs submitted type=greet jobs=2 bytes=28 milliseconds=0 first=1")
        #expect(lines.withLock { $0[1].hasPrefix("warning jobs not submitted type=greet jobs=1 bytes=13") })
    }
}
