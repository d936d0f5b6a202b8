import CNNG
package import MartletCore
import MartletObservability
import MartletRuntime
import Synchronization

/// A connection to one coordinator: an nng REQ socket with one dialer and a pool of contexts.
///
/// While the peer is away, requests wait unsent until it is back or their time is up.
package final class NNGConnection: RequestConnection {
    private let core: NNGConnectionCore

    init(to address: TransportAddress, options: NNGOptions, loop: EventLoop, log: Log) throws(TransportError) {
        self.core = try NNGConnectionCore(to: address, options: options, loop: loop, log: log)
    }

    deinit {
        self.core.close(then: nil)
    }

    package func request(_ frame: Bytes, timeout: Duration) async throws(TransportError) -> Bytes {
        guard frame.count <= self.core.frameBytesMax else {
            throw TransportError(
                .messageTooLarge, "a frame of \(frame.count) bytes is over \(self.core.frameBytesMax)")
        }
        let (exchange, turn) = try self.core.take(until: self.core.loop.now + timeout)
        let outcome = await withTaskCancellationHandler {
            await withUnsafeContinuation { exchange.start(frame, $0) }
        } onCancel: {
            exchange.end(turn, with: .cancelled)
        }
        return try outcome.get()
    }

    /// Ends outstanding requests with `.closed` and waits until nng has let go of the connection.
    package func close() async {
        await withUnsafeContinuation { continuation in
            self.core.close { continuation.resume() }
        }
    }
}

/// What a ``NNGConnection`` owns. Its exchanges and it refer to each other until it is closed.
final class NNGConnectionCore: Sendable {
    private struct State {
        var all: [NNGExchange] = []
        var idle: [NNGExchange] = []
        /// The timer that looks for requests whose time is up, set for the earliest of them.
        var sweep: (at: Instant, timer: TimerID)?
        var isClosing = false
        var isClosed = false
        var whenClosed: [@Sendable () -> Void] = []
    }

    let loop: EventLoop
    let frameBytesMax: Int
    private let outstandingMax: Int
    private let log: Log
    private let address: TransportAddress
    private let hasAborted = Atomic<Bool>(false)
    private let socket: nng_socket
    private let state = Mutex(State())

    init(to address: TransportAddress, options: NNGOptions, loop: EventLoop, log: Log) throws(TransportError) {
        self.loop = loop
        self.log = log
        self.address = address
        self.frameBytesMax = options.frameBytesMax
        self.outstandingMax = options.outstandingMax
        var socket = nng_socket()
        try nngCheck(nng_req0_open(&socket), "no socket")
        self.socket = socket
        do throws(TransportError) {
            try Self.dial(address, from: socket, options: options, jitter: loop.randomUnit())
        } catch {
            SerialThread.once { [socket] in nng_close(socket) }
            throw error
        }
    }

    private static func dial(
        _ address: TransportAddress, from socket: nng_socket, options: NNGOptions, jitter: Double
    ) throws(TransportError) {
        let text = "cannot connect to \(address)"
        // Otherwise nng sends a request again by itself, after a minute and whenever a connection is lost.
        try nngCheck(nng_socket_set_ms(socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE), text)
        try nngCheck(nng_socket_set_int(socket, NNG_OPT_MAXTTL, 1), text)
        var dialer = nng_dialer()
        try nngCheck(nng_dialer_create(&dialer, socket, address.description), text)
        try nngCheck(nng_dialer_set_size(dialer, NNG_OPT_RECVMAXSZ, options.messageBytesMax), text)
        // nng 1.5.2 redials at once after half of all losses; each process having its own minimum spreads the rest.
        let shortest = Double(options.reconnectDelay.lowerBound.wholeMilliseconds) * (1 + 4 * jitter)
        let longest = Int32(clamping: options.reconnectDelay.upperBound.wholeMilliseconds)
        try nngCheck(
            nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, min(Int32(clamping: Int64(shortest)), longest)), text)
        try nngCheck(nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, longest), text)
        if case .tcp = address.endpoint {
            try nngCheck(nng_dialer_set_bool(dialer, NNG_OPT_TCP_NODELAY, true), text)
            try nngCheck(nng_dialer_set_bool(dialer, NNG_OPT_TCP_KEEPALIVE, true), text)
        }
        try nngCheck(nng_dialer_start(dialer, Int32(NNG_FLAG_NONBLOCK)), text)
    }

    /// Takes an exchange for a request that ends at `deadline`.
    func take(until deadline: Instant) throws(TransportError) -> (NNGExchange, turn: UInt64) {
        try self.state.withLock { state throws(TransportError) in
            guard !state.isClosing else { throw TransportError(.closed, "the connection is closed") }
            let exchange =
                if let idle = state.idle.popLast() { idle } else { try self.addExchange(&state) }
            let turn = exchange.prepare(until: deadline)
            self.sweep(&state, at: deadline)
            return (exchange, turn)
        }
    }

    private func addExchange(_ state: inout State) throws(TransportError) -> NNGExchange {
        guard state.all.count < self.outstandingMax else {
            throw TransportError(.failed, "\(self.outstandingMax) requests are outstanding, which is the most")
        }
        let exchange = try NNGExchange(on: self.socket, of: self)
        state.all.append(exchange)
        return exchange
    }

    /// Takes an exchange back. Its request has ended.
    func finished(_ exchange: NNGExchange) {
        self.state.withLock { state in
            state.idle.append(exchange)
            self.tearDownIfIdle(&state)
        }
    }

    private func sweep(_ state: inout State, at deadline: Instant) {
        guard deadline < state.sweep?.at ?? .distantFuture else { return }
        if let sweep = state.sweep { self.loop.cancel(sweep.timer) }
        let timer = self.loop.schedule(at: deadline) { [weak self] in self?.expireRequests() }
        state.sweep = (deadline, timer)
    }

    private func expireRequests() {
        let exchanges = self.state.withLock { state in
            state.sweep = nil
            return state.all
        }
        let now = self.loop.now
        var next = Instant.distantFuture
        for exchange in exchanges {
            if let deadline = exchange.expire(at: now) { next = min(next, deadline) }
        }
        self.state.withLock { state in
            if !state.isClosing { self.sweep(&state, at: next) }
        }
    }

    /// Ends all requests, lets go of the socket on another thread, then runs `action` there.
    func close(then action: (@Sendable () -> Void)?) {
        let (alreadyClosed, exchanges) = self.state.withLock { state in
            if state.isClosed { return (true, [NNGExchange]()) }
            if let action { state.whenClosed.append(action) }
            if state.isClosing { return (false, []) }
            state.isClosing = true
            if let sweep = state.sweep { self.loop.cancel(sweep.timer) }
            state.sweep = nil
            self.tearDownIfIdle(&state)
            return (false, state.all)
        }
        if alreadyClosed { action?() }
        for exchange in exchanges { exchange.end(with: .closed) }
    }

    /// nng's calls that wait go to a thread of ours: the last request may end on one of nng's.
    private func tearDownIfIdle(_ state: inout State) {
        guard state.isClosing, state.idle.count == state.all.count else { return }
        SerialThread.once { self.tearDown() }
        self.loop.schedule(at: self.loop.now + nngCloseTimeout) { [weak self] in self?.finishClosing(isTimeout: true) }
    }

    private func tearDown() {
        let exchanges = self.state.withLock { state in
            defer { (state.all, state.idle) = ([], []) }
            return state.all
        }
        for exchange in exchanges { exchange.shutDown() }
        // Replies to requests that were given up may be on their way.
        if self.hasAborted.load(ordering: .relaxed) { SerialThread.waitForQuiet() }
        nng_close(self.socket)
        self.finishClosing(isTimeout: false)
    }

    /// A request was given up before its reply was there.
    func noteAbort() {
        self.hasAborted.store(true, ordering: .relaxed)
    }

    private func finishClosing(isTimeout: Bool) {
        let actions: [@Sendable () -> Void]? = self.state.withLock { state in
            if state.isClosed { return nil }
            state.isClosed = true
            defer { state.whenClosed = [] }
            return state.whenClosed
        }
        guard let actions else { return }
        if isTimeout {
            self.log(.error, "nng does not end a connection; restart this process", [.address: self.address])
        }
        for action in actions { action() }
    }
}

/// How long a close may take before its callers are let go: see ``SerialThread/waitForQuiet()``.
let nngCloseTimeout = Duration.seconds(5)
