/// Something that is sent as one frame.
package protocol Message: Sendable, Hashable {
    static var kind: FrameKind { get }
}

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
    case register(Register)
    case fetch(Fetch)
    case report(Report)
    case control(Control)
}

/// Why a frame could not be read. Match on ``code``.
package struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: Hashable, Sendable {
        /// Not a Martlet frame, cut short, a length beyond the frame, a value out of its range.
        case malformed
        case unknownVersion
        case unknownKind
        /// A valid frame of another kind than asked for.
        case unexpectedKind
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { self.message }
}
