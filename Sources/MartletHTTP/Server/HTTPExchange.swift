import CMicroHTTPD
package import MartletCore
import MartletRuntime
import Synchronization

/// One request on its way to its answer.
///
/// The server's thread puts the body in and takes the answer out; whoever serves it does the opposite, from wherever it
/// runs. While it is served its connection is suspended and costs nothing.
package final class HTTPExchange: Sendable {
    private struct State {
        var body: [UInt8] = []
        /// Of the budget for bodies.
        var counted = 0
        var isBodyWhole = false
        /// Too much was sent, or the answer is known before all of the body is there: the rest goes nowhere.
        var discarded = 0
        var isDiscarding = false
        var answer: HTTPResponse?
        /// Waits for the answer, or for room; valid until it is resumed.
        var suspended: OpaqueAddress?
        /// The connection ended.
        var isGone = false
    }

    package let head: HTTPRequestHead
    /// When the head was there.
    package let startedAt: Instant
    /// What the gate found out about it.
    package let ticket: HTTPTicket
    private let bodies: BodyBudget
    private let state = Mutex(State())
    private let bodyChanged = Signal()

    /// Bytes of a streamed body that wait to be worked on; more are not read from the connection.
    package static let windowMax = 256 * 1024
    /// Bytes that are thrown away before a connection is cut instead.
    static let discardMax = 4 << 20

    init(head: HTTPRequestHead, ticket: HTTPTicket, startedAt: Instant, bodies: BodyBudget) {
        self.bodies = bodies
        self.head = head
        self.ticket = ticket
        self.startedAt = startedAt
    }

    // MARK: Whoever serves it

    /// The whole body, of one that is not streamed.
    package func takeBody() -> [UInt8] {
        self.state.withLock { state in
            defer { state.body = [] }
            return state.body
        }
    }

    /// The next part of a streamed body; nil at its end.
    ///
    /// - Throws: `CancellationError` if the connection ended before, or the task is cancelled.
    package func nextPart() async throws -> [UInt8]? {
        while true {
            let (part, isOver, isGone) = self.state.withLock { state in
                defer {
                    state.body = []
                    if !state.isBodyWhole { Self.resume(&state) }
                }
                return (state.body, state.isBodyWhole, state.isGone)
            }
            if isGone { throw CancellationError() }
            if !part.isEmpty { return part }
            if isOver { return nil }
            await self.bodyChanged.wait()
            try Task.checkCancellation()
        }
    }

    /// Answers. The second and later calls do nothing.
    package func answer(_ response: HTTPResponse) {
        self.state.withLock { state in
            guard state.answer == nil, !state.isGone else { return }
            state.answer = response
            state.isDiscarding = true
            state.body = []
            Self.resume(&state)
        }
    }

    private static func resume(_ state: inout State) {
        guard let address = state.suspended else { return }
        state.suspended = nil
        MHD_resume_connection(address.pointer)
    }

    // MARK: The thread of the server

    /// What becomes of a part of a body.
    enum Intake {
        case taken
        /// More than anybody waits for: cut the connection.
        case excessive
    }

    func take(_ bytes: UnsafeRawBufferPointer, on connection: OpaquePointer) -> Intake {
        let bodyMax = self.ticket.bodyMax
        let isStreamed = self.ticket.isStreamed
        let intake = self.state.withLock { state -> Intake in
            if !state.isDiscarding, !isStreamed {
                var problem: Problem?
                if state.body.count + bytes.count > bodyMax {
                    problem = .bodyTooLarge(bodyMax)
                } else if self.bodies.take(bytes.count) {
                    state.counted += bytes.count
                } else {
                    problem = .bodiesTooMany
                }
                if let problem {
                    state.answer = state.answer ?? problem.response
                    state.isDiscarding = true
                    state.body = []
                }
            }
            if state.isDiscarding {
                state.discarded += bytes.count
                return state.discarded > Self.discardMax ? .excessive : .taken
            }
            state.body.append(contentsOf: bytes)
            if isStreamed, state.body.count >= Self.windowMax { Self.suspend(connection, &state) }
            return .taken
        }
        if isStreamed { self.bodyChanged.notify() }
        return intake
    }

    /// What is to be done when all of the request has come.
    enum Next {
        case send(HTTPResponse)
        /// Its connection is suspended until there is an answer.
        case wait
    }

    /// All of the request is there.
    ///
    /// - Parameter isFirst: set if it was not known before.
    func end(on connection: OpaquePointer, isFirst: inout Bool) -> Next {
        let next = self.state.withLock { state -> Next in
            isFirst = !state.isBodyWhole
            state.isBodyWhole = true
            if let answer = state.answer { return .send(answer) }
            Self.suspend(connection, &state)
            return .wait
        }
        if self.ticket.isStreamed { self.bodyChanged.notify() }
        return next
    }

    private static func suspend(_ connection: OpaquePointer, _ state: inout State) {
        guard state.suspended == nil else { return }
        state.suspended = OpaqueAddress(connection)
        MHD_suspend_connection(connection)
    }

    /// The connection has ended, or the answer has been sent.
    func leave() {
        let answer = self.state.withLock { state in
            state.isGone = true
            state.suspended = nil
            state.body = []
            self.bodies.giveBack(state.counted)
            state.counted = 0
            return state.answer
        }
        if case .stream(let stream)? = answer?.body { stream.leave() }
        self.bodyChanged.notify()
    }

    /// Whether nobody waits for the answer any more.
    package var isGone: Bool { self.state.withLock { $0.isGone } }
}

/// What is decided about a request before its body is read.
package struct HTTPTicket: Sendable {
    /// Whoever it is for; of the router.
    package let route: Int
    package let parameters: [String]
    package let bodyMax: Int
    /// Worked on while its body comes.
    package let isStreamed: Bool

    package init(route: Int, parameters: [String], bodyMax: Int, isStreamed: Bool) {
        self.route = route
        self.parameters = parameters
        self.bodyMax = bodyMax
        self.isStreamed = isStreamed
    }
}
