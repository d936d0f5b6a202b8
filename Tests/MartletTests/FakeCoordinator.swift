import Martlet
import MartletCore
import MartletRuntime
import MartletTransport
import MartletWire

/// Stands in for a coordinator: says what a test wants it to say and remembers what it heard.
actor FakeCoordinator {
    /// What becomes of one submit.
    enum Fate: Equatable {
        case answer
        /// It is carried out, and the answer is lost.
        case loseAnswer
        /// It is lost before it is carried out.
        case loseRequest
        case refuse(ErrorReply.Code)
        /// Carried out, and refused although.
        case acceptThenRefuse(ErrorReply.Code)
    }

    struct Node {
        var register: Register
        var key: UInt64
        var parkedFetch: (any IncomingRequest)?
        var parkedControl: (any IncomingRequest)?
        var lastDelivery: Delivery?
        var creditTotal: UInt64 = 0
        var receivedTotal: UInt64 = 0
        var leases: [UInt64: JobID] = [:]
        var lastReport: (number: UInt64, reply: Bytes)?
        var lastHeard: Instant
        var isGone = false
    }

    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    // Clients.
    var fates: [Fate] = []
    private(set) var submits: [Submit] = []
    private(set) var frames: [Bytes] = []
    private(set) var sessions: [SessionID] = []
    private(set) var accepted: [(id: JobID, job: Submit.Job, template: JobTemplate)] = []
    private var answers: [SessionID: [UInt64: Submitted]] = [:]
    var payloadMax: UInt32 = 1 << 20
    var submitsInFlightMax: UInt32 = 256

    // Nodes.
    var heartbeatInterval = Duration.seconds(1)
    var leaseDuration = Duration.seconds(15)
    var epoch = Epoch(rawValue: 1)
    var isSilent = false
    /// As of version 0.1.0, unless a test wants more.
    var features: PeerFeatures = []
    private(set) var registers: [Register] = []
    private(set) var reports: [Report] = []
    private(set) var longestSilence = Duration.zero
    private(set) var isNodeGone = false
    var registerRefusal: ErrorReply.Code?
    var nextVerdict: [ReportReply.Verdict] = []
    var loseReports = 0
    var loseDeliveries = 0
    private(set) var results: [(id: JobID, result: Report.Item.Result)] = []
    private(set) var checkpoints: [(id: JobID, value: Bytes)] = []
    private(set) var node: Node?
    private var work: Deque<(id: JobID, type: String, payload: Bytes, timeout: Duration, attempt: UInt16)> = Deque()
    private(set) var acquires: [Acquire] = []
    /// Tokens that are there, by service and key.
    private(set) var tokens: [String: Int] = [:]
    /// Why a service will never be served.
    var problems: [String: String] = [:]
    var loseTokens = 0
    private var parkedAcquire: (acquire: Acquire, request: any IncomingRequest, at: Instant)?
    private var lastSequence: UInt64 = 0
    private var lastKey: UInt64 = 0
    private var lastOrder: UInt64 = 0
    private var lastID: UInt64 = 0

    init(on loop: EventLoop) {
        self.loop = loop
    }

    func serve(_ listener: any RequestListener) async {
        while true {
            let events = await listener.receive()
            guard !events.isEmpty else { return }
            for case .request(let request) in events { self.handle(request) }
        }
    }

    private func handle(_ request: any IncomingRequest) {
        guard !self.isSilent else { return self.parked.append(request) }
        guard let message = try? Request.decode(request.frame) else { return }
        switch message {
        case .ping:
            request.reply(
                Pong(
                    version: "0", epoch: self.epoch, wallTime: self.loop.wallTime, uptime: .zero, isRecovered: true,
                    nodeCount: 0, pendingCount: 0
                ).encoded())
        case .openSession(let open):
            self.sessions.append(open.session)
            request.reply(
                SessionOpened(
                    payloadMax: self.payloadMax, submitsInFlightMax: self.submitsInFlightMax, features: self.features
                ).encoded())
        case .submit(let submit): self.handle(submit, request)
        case .showJob(let show): self.handle(show, request)
        case .register(let register): self.handle(register, request)
        case .fetch(let fetch): self.handle(fetch, request)
        case .report(let report): self.handle(report, request)
        case .control(let control): self.handle(control, request)
        case .acquire(let acquire): self.handle(acquire, request)
        default: request.reply(ErrorReply(.unknownKind, "not faked").encoded())
        }
    }

    /// Held so that they are never answered.
    private var parked: [any IncomingRequest] = []

    // MARK: Clients

    private func handle(_ submit: Submit, _ request: any IncomingRequest) {
        self.submits.append(submit)
        self.frames.append(Bytes(copying: request.frame.array))
        let fate = self.fates.isEmpty ? .answer : self.fates.removeFirst()
        switch fate {
        case .answer: request.reply(self.accept(submit).encoded())
        case .loseAnswer:
            _ = self.accept(submit)
            self.parked.append(request)
        case .loseRequest: self.parked.append(request)
        case .refuse(let code): request.reply(ErrorReply(code, "as the test wants").encoded())
        case .acceptThenRefuse(let code):
            _ = self.accept(submit)
            request.reply(ErrorReply(code, "as the test wants").encoded())
        }
    }

    private func accept(_ submit: Submit) -> Submitted {
        if var known = self.answers[submit.session]?[submit.sequence] {
            known.isRepeat = true
            return known
        }
        let first = JobID(rawValue: self.lastID + 1)
        let templates = Array(submit.templates)
        for job in submit.jobs {
            self.lastID += 1
            self.accepted.append((JobID(rawValue: self.lastID), job, templates[Int(job.template)]))
        }
        let answer = Submitted(first: first, count: UInt32(submit.jobs.count), isRepeat: false)
        self.answers[submit.session, default: [:]][submit.sequence] = answer
        return answer
    }

    private func handle(_ show: ShowJob, _ request: any IncomingRequest) {
        guard let found = self.accepted.first(where: { $0.id == show.id }) else {
            return request.reply(ErrorReply(.notFound, "no such job").encoded())
        }
        let view = JobView(
            id: found.id, template: found.template, state: .ready, failures: 0, nodeDeaths: 0,
            createdAt: self.loop.wallTime, due: found.job.due, finishedAt: nil, lastFailure: nil,
            payloadCount: UInt32(found.job.payload.count), node: nil)
        request.reply(JobDetail(job: view, payload: found.job.payload).encoded())
    }

    // MARK: Nodes

    func add(_ type: String, _ payload: Bytes = .empty, timeout: Duration = .seconds(1800), attempt: UInt16 = 1) {
        self.lastID += 1
        self.work.append((JobID(rawValue: self.lastID), type, payload, timeout, attempt))
        self.deliver()
    }

    func add(_ count: Int, of type: String, _ payload: Bytes) {
        for _ in 0..<count {
            self.lastID += 1
            self.work.append((JobID(rawValue: self.lastID), type, payload, .seconds(1800), 1))
        }
        self.deliver()
    }

    /// As a coordinator that was started anew: it knows no node and no lease of this epoch.
    func restart() {
        self.epoch = Epoch(rawValue: self.epoch.rawValue + 1)
        self.node?.isGone = true
        self.node?.parkedFetch?.reply(ErrorReply(.unknownNode, "register").encoded())
        self.node?.parkedFetch = nil
        self.node?.parkedControl = nil
    }

    func order(drain: Bool = false, ended: [LeaseToken] = []) {
        self.lastOrder += 1
        self.node?.parkedControl?.reply(Order(number: self.lastOrder, drain: drain, ended: ended).encoded())
        self.node?.parkedControl = nil
    }

    func token(of id: JobID) -> LeaseToken? {
        self.node?.leases.first { $0.value == id }.map { LeaseToken(epoch: self.epoch, sequence: $0.key) }
    }

    private func handle(_ register: Register, _ request: any IncomingRequest) {
        self.registers.append(register)
        if let code = self.registerRefusal {
            return request.reply(ErrorReply(code, "as the test wants").encoded())
        }
        self.lastKey += 1
        self.lastOrder = 0
        var node = Node(register: register, key: self.lastKey, lastHeard: self.loop.now)
        let verdicts: [Registered.Verdict] = register.inventory.map { item in
            self.lastSequence += 1
            node.leases[self.lastSequence] = item.id
            return .leased(LeaseToken(epoch: self.epoch, sequence: self.lastSequence))
        }
        self.node = node
        request.reply(
            Registered(
                key: self.lastKey, epoch: self.epoch, heartbeatInterval: self.heartbeatInterval,
                leaseDuration: self.leaseDuration, verdicts: verdicts, features: self.features
            ).encoded())
    }

    /// Whether the request names the registration that holds; if not, it is refused.
    private func isKnown(_ key: UInt64, _ request: any IncomingRequest) -> Bool {
        guard let node, node.key == key, !node.isGone else {
            request.reply(ErrorReply(.unknownNode, "register").encoded())
            return false
        }
        self.longestSilence = max(self.longestSilence, self.loop.now - node.lastHeard)
        self.node?.lastHeard = self.loop.now
        return true
    }

    private func handle(_ fetch: Fetch, _ request: any IncomingRequest) {
        guard self.isKnown(fetch.key, request) else { return }
        self.node?.parkedFetch?.reply(Delivery(number: 0, epoch: self.epoch, templates: [], jobs: []).encoded())
        self.node?.creditTotal = fetch.creditTotal
        if let last = self.node?.lastDelivery, fetch.lastDelivery < last.number {
            return request.reply(last.encoded())
        }
        self.node?.parkedFetch = request
        self.deliver()
    }

    private func deliver() {
        guard var node, let request = node.parkedFetch, !self.work.isEmpty else { return }
        let room = Int(node.creditTotal) - Int(node.receivedTotal)
        guard room > 0 else { return }
        var templates: [Delivery.Template] = []
        var jobs: [Delivery.Job] = []
        var bytes = 0
        while jobs.count < room, bytes < Delivery.bytesTarget, let next = self.work.popFirst() {
            let template = Delivery.Template(type: next.type, queue: "default", timeout: next.timeout)
            if templates.last != template { templates.append(template) }
            self.lastSequence += 1
            node.leases[self.lastSequence] = next.id
            bytes += next.payload.count + 28
            jobs.append(
                .init(
                    id: next.id, leaseSequence: self.lastSequence, attempt: next.attempt,
                    template: UInt16(templates.count - 1), payload: next.payload))
        }
        node.receivedTotal += UInt64(jobs.count)
        let number = (node.lastDelivery?.number ?? node.register.lastDelivery) + 1
        let delivery = Delivery(number: number, epoch: self.epoch, templates: templates, jobs: jobs)
        node.lastDelivery = delivery
        node.parkedFetch = nil
        self.node = node
        if self.loseDeliveries > 0 {
            self.loseDeliveries -= 1
            self.parked.append(request)
        } else {
            request.reply(delivery.encoded())
        }
    }

    private func handle(_ report: Report, _ request: any IncomingRequest) {
        guard self.isKnown(report.key, request) else { return }
        self.reports.append(report)
        if let last = self.node?.lastReport, last.number == report.number { return request.reply(last.reply) }
        let verdicts: [ReportReply.Verdict] = report.items.map { item in
            if !self.nextVerdict.isEmpty { return self.nextVerdict.removeFirst() }
            guard item.token.epoch == self.epoch else { return .unknown }
            if case .checkpoint(let value) = item.result {
                guard self.node?.leases[item.token.sequence] == item.id else { return .refused }
                self.checkpoints.append((item.id, value))
                return .accepted
            }
            guard self.node?.leases.removeValue(forKey: item.token.sequence) == item.id else { return .refused }
            self.results.append((item.id, item.result))
            return .accepted
        }
        let reply = ReportReply(number: report.number, verdicts: verdicts).encoded()
        self.node?.lastReport = (report.number, reply)
        self.node?.creditTotal = report.creditTotal
        if report.isLast {
            self.isNodeGone = true
            self.node?.isGone = true
        }
        if self.loseReports > 0 {
            self.loseReports -= 1
            self.parked.append(request)
        } else {
            request.reply(reply)
        }
        self.deliver()
    }

    private func handle(_ control: Control, _ request: any IncomingRequest) {
        guard self.isKnown(control.key, request) else { return }
        self.node?.parkedControl?.reply(Order(number: 0).encoded())
        self.node?.parkedControl = request
    }

    // MARK: Services

    func give(_ tokens: Int, of name: String) {
        self.tokens[name, default: 0] += tokens
        self.grant()
    }

    private func handle(_ acquire: Acquire, _ request: any IncomingRequest) {
        guard self.isKnown(acquire.key, request) else { return }
        self.acquires.append(acquire)
        if let (superseded, parked, _) = self.parkedAcquire {
            parked.reply(Acquired(number: superseded.number, heldFor: .zero, validFor: .zero, chunks: []).encoded())
        }
        self.parkedAcquire = nil
        guard acquire.wants.count > 0 else {
            return request.reply(
                Acquired(number: acquire.number, heldFor: .zero, validFor: .zero, chunks: []).encoded())
        }
        self.parkedAcquire = (acquire, request, self.loop.now)
        self.grant()
    }

    private func grant() {
        guard let (acquire, request, at) = self.parkedAcquire else { return }
        var chunks: [Acquired.Chunk] = []
        for (place, want) in acquire.wants.enumerated() {
            let name = want.service + (want.key.map { "/\($0)" } ?? "")
            if let problem = self.problems[name] {
                chunks.append(.init(place: UInt32(place), tokens: 0, problem: problem))
            }
            let there = self.tokens[name, default: 0]
            guard there >= want.least else { continue }
            let taken = min(there, Int(want.most))
            self.tokens[name] = there - taken
            chunks.append(.init(place: UInt32(place), tokens: UInt32(taken)))
        }
        guard !chunks.isEmpty else { return }
        self.parkedAcquire = nil
        guard self.loseTokens == 0 else {
            self.loseTokens -= 1
            return self.parked.append(request)
        }
        request.reply(
            Acquired(
                number: acquire.number, heldFor: self.loop.now - at, validFor: .milliseconds(100), chunks: chunks
            ).encoded())
    }
}
