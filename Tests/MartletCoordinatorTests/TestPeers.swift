import MartletCore
import MartletRuntime
import MartletTransport
import MartletWire

/// A client that is no more than its requests.
struct TestClient: Sendable {
    let connection: any RequestConnection
    let session: SessionID

    func ask<Answer: Message>(_ message: some Message) async throws -> Answer {
        try await self.connection.ask(message)
    }

    func submit(
        _ payloads: [String], sequence: UInt64, type: String = "Send", queue: String = "mail",
        options: JobOptions = .standard, due: WallTime? = nil, session: SessionID? = nil
    ) async throws -> Submitted {
        let jobs = payloads.map { Submit.Job(template: 0, due: due, payload: Bytes(copying: Array($0.utf8))) }
        return try await self.ask(
            Submit(
                session: session ?? self.session, sequence: sequence,
                templates: [JobTemplate(type: type, queue: queue, options: options)], jobs: jobs))
    }

    func list(_ state: JobState) async throws -> [JobView] {
        let list: JobList = try await self.ask(ListJobs(state: state))
        return list.jobs
    }

    func show(_ id: JobID) async throws -> JobView {
        let detail: JobDetail = try await self.ask(ShowJob(id: id))
        return detail.job
    }
}

/// A node that does only what the test tells it.
final class TestNode: @unchecked Sendable {
    /// A job as the node got it.
    struct Held: Sendable {
        let id: JobID
        let token: LeaseToken
        let attempt: UInt16
        let type: String
        let timeout: Duration
        let payload: String
        var checkpoint: String?
        var startBy: Instant?

        func item(_ phase: Register.Item.Phase = .running) -> Register.Item {
            Register.Item(id: self.id, token: self.token, phase: phase)
        }
    }

    let connection: any RequestConnection
    let registration: Register
    let registered: Registered
    private let loop: any TestClock
    private(set) var received: UInt64
    private(set) var receivedCount: UInt64 = 0
    private var credit: UInt64 = 0
    private var lastReport: UInt64 = 0
    private var lastOrder: UInt64 = 0
    private var beating: Task<Void, Never>?

    init(connection: any RequestConnection, registration: Register, registered: Registered, loop: any TestClock) {
        self.connection = connection
        self.registration = registration
        self.registered = registered
        self.loop = loop
        self.received = registration.lastDelivery
    }

    /// Asks for up to `credit` jobs beyond those received, and waits for some.
    func fetch(_ credit: UInt64, timeout: Duration = .seconds(600)) async throws -> [Held] {
        self.credit = self.receivedCount + credit
        let fetch = Fetch(key: self.registered.key, lastDelivery: self.received, creditTotal: self.credit)
        let delivery: Delivery = try await self.connection.ask(fetch, timeout: timeout)
        guard delivery.number > self.received else { return [] }
        self.received = delivery.number
        self.receivedCount += UInt64(delivery.jobs.count)
        return delivery.jobs.map { job in
            let template = delivery.templates[Int(job.template)]
            return Held(
                id: job.id, token: LeaseToken(epoch: delivery.epoch, sequence: job.leaseSequence),
                attempt: job.attempt, type: template.type, timeout: template.timeout,
                payload: String(decoding: job.payload.array, as: UTF8.self),
                checkpoint: job.extras?.checkpoint.map { String(decoding: $0.array, as: UTF8.self) },
                startBy: job.extras?.startBy)
        }
    }

    /// Fetches until `count` jobs are here.
    func fetchAll(_ count: Int) async throws -> [Held] {
        var held: [Held] = []
        while held.count < count { held += try await self.fetch(UInt64(count - held.count)) }
        return held
    }

    /// What comes within `duration`, one delivery at most.
    func fetchIfAny(_ credit: UInt64, within duration: Duration = .seconds(2)) async throws -> [Held] {
        do {
            return try await self.fetch(credit, timeout: duration)
        } catch let error as TransportError where error.code == .timedOut {
            return []
        }
    }

    @discardableResult
    func report(
        _ items: [(Held, Report.Item.Result)] = [], running: [JobID] = [], number: UInt64? = nil,
        isDraining: Bool = false, isLast: Bool = false, progress: [Report.Progress] = [], stuck: UInt32 = 0,
        standing: Report.Standing? = nil
    ) async throws -> [ReportReply.Verdict] {
        if number == nil { self.lastReport += 1 }
        let report = Report(
            key: self.registered.key, number: number ?? self.lastReport, lastDelivery: self.received,
            creditTotal: self.credit, isDraining: isDraining, isLast: isLast, running: running,
            items: items.map { Report.Item(id: $0.0.id, token: $0.0.token, result: $0.1) }, progress: progress,
            stuck: stuck, standing: standing)
        let reply: ReportReply = try await self.connection.ask(report)
        return reply.verdicts
    }

    func succeed(_ jobs: [Held]) async throws -> [ReportReply.Verdict] {
        try await self.report(jobs.map { ($0, .succeeded) })
    }

    func fail(_ job: Held, isRetryable: Bool = true) async throws -> [ReportReply.Verdict] {
        try await self.report(
            [(job, .failed(JobFailure(kind: "Test", message: "as told"), isRetryable: isRetryable))])
    }

    func order() async throws -> Order {
        let order: Order = try await self.connection.ask(Control(key: self.registered.key, lastOrder: self.lastOrder))
        self.lastOrder = order.number
        return order
    }

    /// Heartbeats each second from now on, until ``fallSilent()``.
    func beat(running: [JobID] = []) {
        self.beating = Task(executorPreference: self.loop.executor) {
            while !Task.isCancelled {
                _ = try? await self.report(running: running)
                guard (try? await self.loop.sleep(for: .seconds(1))) != nil else { return }
            }
        }
    }

    func fallSilent() {
        self.beating?.cancel()
        self.beating = nil
    }
}

/// What a node needs of its process.
protocol TestClock: Sendable {
    var executor: any TaskExecutor { get }
    func sleep(for duration: Duration) async throws(CancellationError)
}

extension EventLoop: TestClock {
    var executor: any TaskExecutor { self }
}
