import MartletCore
import MartletRuntime
import Synchronization

/// The asking side of an ``InMemoryNetwork``.
final class InMemoryConnection: RequestConnection {
    private typealias Answer = Result<Bytes, TransportError>

    private struct Outstanding {
        let frame: Bytes
        let continuation: UnsafeContinuation<Answer, Never>
        var timer: TimerID?
        var isSent = false
    }

    private enum Phase {
        case dialing
        case connected(InMemoryPipe)
        case closed
    }

    private struct State {
        var phase = Phase.dialing
        var requests: [UInt64: Outstanding] = [:]
        var lastRequest: UInt64 = 0
        /// Dials in a row that failed.
        var failures = 0
        var dialTimer: TimerID?

        var pipe: InMemoryPipe? {
            if case .connected(let pipe) = self.phase { pipe } else { nil }
        }

        /// In the order in which they were made.
        var numbers: [UInt64] { self.requests.keys.sorted() }
    }

    let number: UInt64
    /// Its place in the transport's list.
    let endpoint = Mutex<UInt64>(0)
    private let address: TransportAddress
    private let transport: InMemoryTransport
    private let state = Mutex(State())

    init(to address: TransportAddress, number: UInt64, transport: InMemoryTransport) {
        self.address = address
        self.number = number
        self.transport = transport
    }

    var host: HostID { self.transport.host }
    var loop: EventLoop { self.transport.loop }
    /// Nil while not connected.
    var pipe: InMemoryPipe? { self.state.withLock { $0.pipe } }

    func request(_ frame: Bytes, timeout: Duration) async throws(TransportError) -> Bytes {
        let bytesMax = InMemoryTransport.frameBytesMax
        guard frame.count <= bytesMax else {
            throw TransportError(.messageTooLarge, "a frame of \(frame.count) bytes is over \(bytesMax)")
        }
        let number = self.state.withLock { state in
            state.lastRequest += 1
            return state.lastRequest
        }
        let answer = await withTaskCancellationHandler {
            await withUnsafeContinuation { self.start(number, frame, timeout, $0) }
        } onCancel: {
            self.end(number, .failure(TransportError(.cancelled, "the task was cancelled")))
        }
        return try answer.get()
    }

    func close() async {
        for request in self.shut() {
            if let timer = request.timer { self.loop.cancel(timer) }
            request.continuation.resume(returning: .failure(Self.closed))
        }
        self.transport.forget(endpoint: self.endpoint.withLock { $0 })
    }

    func vanish() {
        _ = self.shut()
    }

    /// Tries to connect, and again later if that fails.
    func dial() {
        guard let listener = self.transport.network.listener(at: self.address),
            let delay = self.transport.network.dialDelay(from: self.host, to: listener.host)
        else { return self.dialLater() }
        if delay <= .zero { return self.establish(listener) }
        self.setDialTimer(at: self.loop.now + delay) { self.establish(listener) }
    }

    // MARK: For pipes

    func arrived(_ frame: Bytes, number: UInt64, over pipe: InMemoryPipe) {
        guard self.pipe === pipe else { return pipe.endServer() }
        self.end(number, .success(frame))
    }

    /// The connection's other end is gone: nobody knows whether what was sent over it was served.
    func lost(_ pipe: InMemoryPipe) {
        let ended = self.state.withLock { state -> [Outstanding]? in
            guard state.pipe === pipe else { return nil }
            state.phase = .dialing
            return state.numbers.compactMap { number in
                guard state.requests[number]!.isSent else { return nil }
                return state.requests.removeValue(forKey: number)
            }
        }
        guard let ended else { return }
        let error = TransportError(.connectionLost, "the connection to \(self.address) was lost")
        for request in ended {
            if let timer = request.timer { self.loop.cancel(timer) }
            request.continuation.resume(returning: .failure(error))
        }
        self.dialLater()
    }

    // MARK: Requests

    private func start(
        _ number: UInt64, _ frame: Bytes, _ timeout: Duration, _ continuation: UnsafeContinuation<Answer, Never>
    ) {
        let (refusal, pipe) = self.state.withLock { state -> (TransportError?, InMemoryPipe?) in
            // A cancellation from now on finds the request; one from before shows here.
            if Task.isCancelled { return (TransportError(.cancelled, "the task was cancelled"), nil) }
            if case .closed = state.phase { return (Self.closed, nil) }
            guard state.requests.count < InMemoryTransport.outstandingMax else {
                let text = "\(InMemoryTransport.outstandingMax) requests are outstanding, which is the most"
                return (TransportError(.failed, text), nil)
            }
            let pipe = state.pipe
            state.requests[number] = Outstanding(frame: frame, continuation: continuation, isSent: pipe != nil)
            return (nil, pipe)
        }
        if let refusal { return continuation.resume(returning: .failure(refusal)) }
        self.setTimeout(timeout, for: number)
        pipe?.sendRequest(number, frame)
    }

    private func setTimeout(_ timeout: Duration, for number: UInt64) {
        let timer = self.loop.schedule(at: self.loop.now + timeout) {
            self.end(number, .failure(TransportError(.timedOut, "no answer from \(self.address) in \(timeout)")))
        }
        let isOver = self.state.withLock { state in
            guard state.requests[number] != nil else { return true }
            state.requests[number]?.timer = timer
            return false
        }
        if isOver { self.loop.cancel(timer) }
    }

    /// Ends a request, if it has not ended before.
    private func end(_ number: UInt64, _ answer: Answer) {
        guard let request = self.state.withLock({ $0.requests.removeValue(forKey: number) }) else { return }
        if let timer = request.timer { self.loop.cancel(timer) }
        request.continuation.resume(returning: answer)
    }

    // MARK: Connecting

    private func establish(_ listener: InMemoryListener) {
        let network = self.transport.network
        let pipe = InMemoryPipe(peer: network.nextPeer(), connection: self, listener: listener, network: network)
        guard listener.accept(pipe) else { return self.dialLater() }
        let unsent = self.state.withLock { state -> [(number: UInt64, frame: Bytes)]? in
            guard case .dialing = state.phase else { return nil }
            state.phase = .connected(pipe)
            state.failures = 0
            state.dialTimer = nil
            let numbers = state.numbers
            for number in numbers { state.requests[number]?.isSent = true }
            return numbers.map { ($0, state.requests[$0]!.frame) }
        }
        guard let unsent else { return listener.lost(pipe) }
        for request in unsent { pipe.sendRequest(request.number, request.frame) }
    }

    /// Exponential back-off; the jitter keeps the peers of a listener that returns from coming all at once.
    private func dialLater() {
        let failures = self.state.withLock { state in
            state.failures += 1
            return state.failures
        }
        let range = InMemoryTransport.reconnectDelay
        let delay = min(range.upperBound, range.lowerBound * (1 << min(failures - 1, 16)))
        let jittered = Int64(Double(delay.wholeNanoseconds) * (0.5 + 0.5 * self.loop.randomUnit()))
        self.setDialTimer(at: self.loop.now + .nanoseconds(jittered)) { self.dial() }
    }

    private func setDialTimer(at deadline: Instant, _ action: @escaping @Sendable () -> Void) {
        let timer = self.loop.schedule(at: deadline, action)
        let isClosed = self.state.withLock { state in
            if case .dialing = state.phase {
                state.dialTimer = timer
                return false
            }
            return true
        }
        if isClosed { self.loop.cancel(timer) }
    }

    /// Returns the requests that were outstanding, in order. Empty the second time.
    private func shut() -> [Outstanding] {
        self.transport.network.unregister(self)
        let (requests, pipe, timer) = self.state.withLock { state in
            let pipe = state.pipe
            state.phase = .closed
            let requests = state.numbers.map { state.requests[$0]! }
            state.requests = [:]
            return (requests, pipe, state.dialTimer.take())
        }
        if let timer { self.loop.cancel(timer) }
        pipe?.endServer()
        return requests
    }

    private static let closed = TransportError(.closed, "this connection was closed")
}
