package import MartletCore

/// What the coordinator finds in a request.
package enum Request: Sendable {
    case authenticate(Authenticate)
    case ping(Ping)
    case openSession(OpenSession)
    case submit(Submit)
    case listJobs(ListJobs)
    case showJob(ShowJob)
    case listQueues(ListQueues)
    case listNodes(ListNodes)
    case changeDead(ChangeDead)
    case awaitJob(AwaitJob)
    case admin(AdminRequest)
    case group(GroupRequest)
    case register(Register)
    case fetch(Fetch)
    case report(Report)
    case control(Control)
    case acquire(Acquire)

    /// Whether it belongs on the *nodes* channel. ``authenticate(_:)`` is served on both and answers false.
    package var isForNodes: Bool {
        switch self {
        case .register, .fetch, .report, .control, .acquire: true
        case .authenticate, .ping, .openSession, .submit, .listJobs, .showJob, .listQueues, .listNodes, .changeDead,
            .awaitJob, .admin, .group:
            false
        }
    }

    /// Reads a request. Payloads share the frame's memory.
    ///
    /// - Throws: any ``WireError/Code-swift.enum``; `.unexpectedKind` if the frame is a reply.
    package static func decode(_ frame: Bytes) throws(WireError) -> Request {
        try FrameReader.reading(frame) { reader throws(WireError) in try Self(from: &reader) }
    }

    private init(from reader: inout FrameReader) throws(WireError) {
        if let admin = try AdminRequest(from: &reader) {
            self = .admin(admin)
            return
        }
        if let group = try GroupRequest(from: &reader) {
            self = .group(group)
            return
        }
        self =
            switch reader.kind {
            case .authenticate: .authenticate(try Authenticate(from: &reader))
            case .ping: .ping(try Ping(from: &reader))
            case .openSession: .openSession(try OpenSession(from: &reader))
            case .submit: .submit(try Submit(from: &reader))
            case .listJobs: .listJobs(try ListJobs(from: &reader))
            case .showJob: .showJob(try ShowJob(from: &reader))
            case .listQueues: .listQueues(try ListQueues(from: &reader))
            case .listNodes: .listNodes(try ListNodes(from: &reader))
            case .changeDead: .changeDead(try ChangeDead(from: &reader))
            case .awaitJob: .awaitJob(try AwaitJob(from: &reader))
            case .register: .register(try Register(from: &reader))
            case .fetch: .fetch(try Fetch(from: &reader))
            case .report: .report(try Report(from: &reader))
            case .control: .control(try Control(from: &reader))
            case .acquire: .acquire(try Acquire(from: &reader))
            default: throw WireError(.unexpectedKind, "a reply of kind \(reader.kind), not a request")
            }
    }
}

/// What a requester finds in the answer.
package enum Reply<M: Message>: Sendable {
    case message(M)
    case refused(ErrorReply)

    /// Reads an answer. Payloads share the frame's memory.
    ///
    /// - Throws: any ``WireError/Code-swift.enum``; `.unexpectedKind` if it is neither an `M` nor an error.
    package static func decode(_ frame: Bytes) throws(WireError) -> Reply {
        try FrameReader.reading(frame) { reader throws(WireError) in
            switch reader.kind {
            case M.kind: return .message(try M(from: &reader))
            case .error: return .refused(try ErrorReply(from: &reader))
            default: throw WireError(.unexpectedKind, "a frame of kind \(reader.kind), not \(M.kind)")
            }
        }
    }
}
