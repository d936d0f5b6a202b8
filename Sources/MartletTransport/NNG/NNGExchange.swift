import CNNG
import MartletCore
import Synchronization

/// One request and its reply on a context of its own; used again for the next request.
final class NNGExchange: NNGContext, @unchecked Sendable {
    typealias Outcome = Result<Bytes, TransportError>

    private enum Phase { case idle, prepared, sending, receiving }

    private struct State {
        var phase = Phase.idle
        /// Grows with each request, so that a late cancellation does not hit the next one.
        var turn: UInt64 = 0
        var deadline = Instant.distantFuture
        /// Why the request is being ended early; set at most once.
        var abortCode: TransportError.Code?
        var continuation: UnsafeContinuation<Outcome, Never>?
    }

    private let connection: NNGConnectionCore
    private let state = Mutex(State())

    init(on socket: nng_socket, of connection: NNGConnectionCore) throws(TransportError) {
        self.connection = connection
        try super.init(on: socket)
    }

    /// Takes this exchange for a request that ends at `deadline`, and says which turn it is.
    func prepare(until deadline: Instant) -> UInt64 {
        self.state.withLock { state in
            precondition(state.phase == .idle, "one request at a time")
            state.turn += 1
            state.phase = .prepared
            state.deadline = deadline
            state.abortCode = nil
            return state.turn
        }
    }

    /// Sends the request that was prepared. `continuation` is resumed once, whatever happens.
    func start(_ frame: Bytes, _ continuation: UnsafeContinuation<Outcome, Never>) {
        let failure: TransportError? = self.state.withLock { state in
            if let code = state.abortCode {
                state.phase = .idle
                return Self.error(for: code)
            }
            do throws(TransportError) {
                let message = try NNGMessage(copying: frame)
                state.continuation = continuation
                if let unsent = self.sendAtOnce(message) {
                    state.phase = .sending
                    self.send(unsent)
                } else {
                    state.phase = .receiving
                    self.receive()
                }
                return nil
            } catch {
                state.phase = .idle
                return error
            }
        }
        guard let failure else { return }
        self.connection.finished(self)
        continuation.resume(returning: .failure(failure))
    }

    /// Ends the request of `turn`, or the present one, early with `code`. No effect if it has ended.
    func end(_ turn: UInt64? = nil, with code: TransportError.Code) {
        self.state.withLock { state in
            guard turn == nil || turn == state.turn else { return }
            self.end(&state, with: code)
        }
    }

    /// Ends the present request if its time is up; otherwise returns when it will be.
    func expire(at now: Instant) -> Instant? {
        self.state.withLock { state in
            guard state.phase != .idle, state.abortCode == nil else { return nil }
            if state.deadline > now { return state.deadline }
            self.end(&state, with: .timedOut)
            return nil
        }
    }

    private func end(_ state: inout State, with code: TransportError.Code) {
        guard state.phase != .idle, state.abortCode == nil else { return }
        state.abortCode = code
        // Before start there is nothing to abort; start looks at the code.
        if state.phase != .prepared {
            self.connection.noteAbort()
            self.abort()
        }
    }

    override func completed() {
        let ended: (UnsafeContinuation<Outcome, Never>, Outcome)? = self.state.withLock { state in
            let outcome: Outcome
            switch (state.phase, self.result) {
            case (.sending, 0):
                state.phase = .receiving
                self.receive()
                // Receiving and aborting makes nng forget the request, so that a late reply is dropped.
                if state.abortCode != nil { self.abort() }
                return nil
            case (.receiving, 0):
                guard let message = self.takeMessage() else { preconditionFailure("a receive gives a message") }
                outcome = .success(message.intoBytes())
            case (_, let result):
                _ = self.takeMessage()
                outcome = .failure(
                    state.abortCode.map(Self.error) ?? TransportError(nng: result, "the request was not answered"))
            }
            state.phase = .idle
            defer { state.continuation = nil }
            return state.continuation.map { ($0, outcome) }
        }
        guard let (continuation, outcome) = ended else { return }
        self.connection.finished(self)
        continuation.resume(returning: outcome)
    }

    private static func error(for code: TransportError.Code) -> TransportError {
        switch code {
        case .timedOut: TransportError(code, "no reply came in time")
        case .cancelled: TransportError(code, "the request was cancelled")
        default: TransportError(code, "the connection is closed")
        }
    }
}
