import CNNG
import MartletCore
import Synchronization

/// A context of a listener: receives a request, holds it until it is answered or dropped, receives again.
final class NNGServerContext: NNGContext, @unchecked Sendable {
    private enum Phase { case receiving, held, sending, pausing, paused, stopped }

    private struct State {
        var phase = Phase.stopped
        /// Grows with each request, so that only the request being held may answer.
        var turn: UInt64 = 0
        var isPaused = false
    }

    private let inbox: NNGInbox
    private let frameBytesMax: Int
    private let state = Mutex(State())

    init(on socket: nng_socket, inbox: NNGInbox, frameBytesMax: Int) throws(TransportError) {
        self.inbox = inbox
        self.frameBytesMax = frameBytesMax
        try super.init(on: socket)
    }

    func start() {
        self.state.withLock { self.receive(&$0) }
    }

    /// Receives nothing new until ``resume()``; a request that is held may be answered.
    func pause() {
        self.state.withLock { state in
            state.isPaused = true
            guard state.phase == .receiving else { return }
            state.phase = .pausing
            self.abort()
        }
    }

    func resume() {
        self.state.withLock { state in
            state.isPaused = false
            if state.phase == .paused { self.receive(&state) }
        }
    }

    /// No operation is started after this.
    func stop() {
        self.state.withLock { $0.phase = .stopped }
    }

    override func completed() {
        let arrived: Arrival? = self.state.withLock { state in
            switch (state.phase, self.result) {
            case (.stopped, _):
                return nil
            case (.receiving, 0), (.pausing, 0):
                guard let message = self.takeMessage() else { preconditionFailure("a receive gives a message") }
                state.phase = .held
                state.turn += 1
                let pipe = message.pipe
                return Arrival(pipe: pipe, frame: message.intoBytes(), turn: state.turn)
            case (.sending, let result):
                if result != 0 {
                    _ = self.takeMessage()
                    self.inbox.count { $0.repliesFailed += 1 }
                }
                self.receive(&state)
                return nil
            case (.pausing, _):
                // Or goes on at once, if resumed meanwhile.
                self.receive(&state)
                return nil
            default:
                // A receive only fails when the socket closes.
                state.phase = .stopped
                return nil
            }
        }
        guard let arrived else { return }
        let isDelivered = self.inbox.deliver(from: arrived.pipe) { peer in
            NNGRequest(peer: peer, frame: arrived.frame, context: self, turn: arrived.turn)
        }
        if !isDelivered { self.drop(arrived.turn) }
    }

    private struct Arrival {
        let pipe: UInt32
        let frame: Bytes
        let turn: UInt64
    }

    func reply(_ frame: Bytes, turn: UInt64) {
        self.state.withLock { state in
            guard state.phase == .held, state.turn == turn else { return }
            guard frame.count <= self.frameBytesMax else {
                self.inbox.count { $0.repliesTooLarge += 1 }
                return self.receive(&state)
            }
            do throws(TransportError) {
                let message = try NNGMessage(copying: frame)
                state.phase = .sending
                self.send(message)
            } catch {
                self.inbox.count { $0.repliesFailed += 1 }
                self.receive(&state)
            }
        }
    }

    /// Forgets the request of `turn` if it is still unanswered.
    func drop(_ turn: UInt64) {
        self.state.withLock { state in
            if state.phase == .held, state.turn == turn { self.receive(&state) }
        }
    }

    private func receive(_ state: inout State) {
        if state.isPaused {
            state.phase = .paused
            return
        }
        state.phase = .receiving
        self.receive()
    }
}

/// A request held by a context.
final class NNGRequest: IncomingRequest {
    let peer: PeerID
    let frame: Bytes
    private let context: NNGServerContext
    private let turn: UInt64

    init(peer: PeerID, frame: Bytes, context: NNGServerContext, turn: UInt64) {
        self.peer = peer
        self.frame = frame
        self.context = context
        self.turn = turn
    }

    deinit {
        self.context.drop(self.turn)
    }

    func reply(_ frame: Bytes) {
        self.context.reply(frame, turn: self.turn)
    }
}
