import CNNG
import MartletCore
import MartletObservability
import MartletRuntime
import Synchronization

/// The serving side over nng: a REP socket whose contexts are all opened up front, with a watchdog.
///
/// While every context holds a request, nng reads no further from a peer whose next one waits, so that the loss of
/// such a peer is told only once a context is free: open more contexts than requests are parked.
package final class NNGListener: RequestListener {
    private let core: NNGListenerCore
    package let address: String

    private init(core: NNGListenerCore, address: TransportAddress) {
        self.core = core
        self.address = address.description
    }

    deinit {
        self.core.close(then: nil)
    }

    static func open(
        at address: TransportAddress, contexts: Int, options: NNGOptions, loop: EventLoop, log: Log
    ) async throws(TransportError) -> NNGListener {
        precondition(contexts > 0, "a listener needs a context to receive anything")
        let core = NNGListenerCore(options: options, loop: loop, log: log)
        let outcome: Result<TransportAddress, TransportError> = await withUnsafeContinuation { continuation in
            core.open(at: address, contexts: contexts) { continuation.resume(returning: $0) }
        }
        return NNGListener(core: core, address: try outcome.get())
    }

    /// Also returns empty when the task is cancelled.
    package func receive() async -> [ListenerEvent] {
        await self.core.inbox.receive()
    }

    package var statistics: ListenerStatistics { self.core.inbox.statistics }

    /// Drops what was not fetched and what was not answered, and waits until nng has let go of the address.
    package func close() async {
        await withUnsafeContinuation { continuation in
            self.core.close { continuation.resume() }
        }
    }

    /// Closes nng's listener and leaves everything else alone: what nng 1.5.2 does to itself at times.
    func breakForTest() async {
        await withUnsafeContinuation { continuation in
            self.core.breakForTest { continuation.resume() }
        }
    }
}

/// What a ``NNGListener`` owns. Everything that can wait runs on its thread, one thing after the other.
final class NNGListenerCore: @unchecked Sendable {
    let inbox: NNGInbox
    private let options: NNGOptions
    private let loop: EventLoop
    private let log: Log
    private let thread = SerialThread()
    private let isClosing = Atomic<Bool>(false)
    private let closing = Mutex<(isClosed: Bool, actions: [@Sendable () -> Void])>((false, []))

    // Only on `thread`, until the end of the file.
    private var socket: nng_socket?
    private var listener = nng_listener()
    private var contexts: [NNGServerContext] = []
    private var address = TransportAddress(.ipc(path: ""))
    private var isPipeCallbackSet = false
    private var acceptedBefore = 0
    private var failures = 0
    private var logged = ListenerStatistics()
    private var lastRestart: Instant?
    private var watchdogPause: Duration
    private var listenDelay = Duration.milliseconds(20)

    init(options: NNGOptions, loop: EventLoop, log: Log) {
        self.log = log
        self.options = options
        self.loop = loop
        self.watchdogPause = options.watchdogInterval
        self.inbox = NNGInbox(connectionsMax: options.connectionsMax)
    }

    func open(
        at address: TransportAddress, contexts: Int,
        then: @escaping @Sendable (Result<TransportAddress, TransportError>) -> Void
    ) {
        self.thread.run {
            do throws(TransportError) {
                try self.openSocket(contexts: contexts)
                self.address = try self.listen(at: address)
                self.watch(after: self.options.watchdogInterval)
                then(.success(self.address))
            } catch {
                self.isClosing.store(true, ordering: .releasing)
                self.tearDown()
                then(.failure(error))
            }
        }
    }

    /// Stops everything, then runs `action` on another thread.
    func close(then action: (@Sendable () -> Void)?) {
        let isClosed = self.closing.withLock { closing in
            if !closing.isClosed, let action { closing.actions.append(action) }
            return closing.isClosed
        }
        if isClosed { action?() }
        guard !self.isClosing.exchange(true, ordering: .acquiringAndReleasing) else { return }
        self.inbox.close()
        self.thread.run { self.tearDown() }
        self.loop.schedule(at: self.loop.now + nngCloseTimeout) { [weak self] in self?.finishClosing(isTimeout: true) }
    }

    func breakForTest(then action: @escaping @Sendable () -> Void) {
        self.thread.run {
            nng_listener_close(self.listener)
            action()
        }
    }

    private func openSocket(contexts: Int) throws(TransportError) {
        var socket = nng_socket()
        try nngCheck(nng_rep0_open(&socket), "no socket")
        self.socket = socket
        try nngCheck(nng_socket_set_int(socket, NNG_OPT_MAXTTL, 1), "no socket")
        let inbox = Unmanaged.passRetained(self.inbox).toOpaque()
        self.isPipeCallbackSet = true
        for event in [NNG_PIPE_EV_ADD_PRE, NNG_PIPE_EV_REM_POST] {
            try nngCheck(nng_pipe_notify(socket, event, pipeChanged, inbox), "no socket")
        }
        for _ in 0..<contexts {
            let context = try NNGServerContext(
                on: socket, inbox: self.inbox, frameBytesMax: self.options.frameBytesMax)
            self.contexts.append(context)
            context.start()
        }
    }

    /// Listens and returns the address with the port that was given out.
    private func listen(at address: TransportAddress) throws(TransportError) -> TransportAddress {
        guard let socket else { preconditionFailure("the socket is open") }
        let text = "cannot listen at \(address)"
        if case .ipc(let path) = address.endpoint { try self.checkPath(path, text) }
        var listener = nng_listener()
        try nngCheck(nng_listener_create(&listener, socket, address.description), text)
        do throws(TransportError) {
            try nngCheck(nng_listener_set_size(listener, NNG_OPT_RECVMAXSZ, self.options.messageBytesMax), text)
            var port: Int32 = 0
            switch address.endpoint {
            case .tcp:
                try nngCheck(nng_listener_set_bool(listener, NNG_OPT_TCP_NODELAY, true), text)
                try nngCheck(nng_listener_set_bool(listener, NNG_OPT_TCP_KEEPALIVE, true), text)
                try nngCheck(nng_listener_start(listener, 0), text)
                try nngCheck(nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port), text)
            case .ipc:
                let permissions = Int32(self.options.ipcPermissions)
                try nngCheck(nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, permissions), text)
                try nngCheck(nng_listener_start(listener, 0), text)
            }
            self.listener = listener
            return address.withPort(UInt16(truncatingIfNeeded: port))
        } catch {
            nng_listener_close(listener)
            throw error
        }
    }

    /// nng would remove any file at `path` that does not answer, and by asking can break a listener that does.
    private func checkPath(_ path: String, _ text: String) throws(TransportError) {
        switch FileKind(at: path) {
        case .none: return
        case .other: throw TransportError(.addressInUse, "\(text): the file there is not a socket")
        case .socket:
            let probe = ListenerProbe(address: TransportAddress(.ipc(path: path)), timeout: .seconds(2))
            let answer = probe.run { self.isClosing.load(ordering: .acquiring) }
            if answer == .alive { throw TransportError(.addressInUse, "\(text): a listener answers there") }
        }
    }

    private func tearDown() {
        self.inbox.close()
        for context in self.contexts { context.stop() }
        if let socket {
            // With no context left nng takes one more message of each connection, then reads no further.
            for context in self.contexts { context.shutDown() }
            if self.inbox.statistics.connectionsSeen > 0 { SerialThread.waitForQuiet() }
            nng_listener_close(self.listener)
            nng_close(socket)
        }
        self.contexts = []
        self.socket = nil
        // After nng_close no connection is left to call back for.
        if self.isPipeCallbackSet { Unmanaged.passUnretained(self.inbox).release() }
        self.isPipeCallbackSet = false
        self.finishClosing(isTimeout: false)
        self.thread.stop()
    }

    private func finishClosing(isTimeout: Bool) {
        let actions: [@Sendable () -> Void]? = self.closing.withLock { closing in
            if closing.isClosed { return nil }
            closing.isClosed = true
            defer { closing.actions = [] }
            return closing.actions
        }
        guard let actions else { return }
        if isTimeout { self.log(.error, "nng does not end a listener; restart this process") }
        for action in actions { action() }
    }
}

// MARK: - Watchdog

extension NNGListenerCore {
    private func watch(after delay: Duration) {
        self.loop.schedule(at: self.loop.now + delay) { [weak self] in
            guard let self else { return }
            self.thread.run { self.check() }
        }
    }

    /// Looks whether the listener still accepts: a new connection since the last look says so; else it is dialled.
    private func check() {
        guard !self.isClosing.load(ordering: .acquiring) else { return }
        self.logLosses()
        let accepted = self.inbox.statistics.connectionsAccepted
        if accepted != self.acceptedBefore && self.failures == 0 {
            self.acceptedBefore = accepted
            return self.watch(after: self.watchdogPause)
        }
        let probe = ListenerProbe(address: self.address, timeout: self.options.watchdogTimeout)
        let seen = self.inbox.statistics.connectionsSeen
        let answer = probe.run {
            self.inbox.statistics.connectionsSeen != seen
        } isStopped: {
            self.isClosing.load(ordering: .acquiring)
        }
        self.inbox.count { $0.probes += 1 }
        self.acceptedBefore = self.inbox.statistics.connectionsAccepted
        switch answer {
        case .alive, .unknown:
            self.failures = 0
            self.watch(after: self.watchdogPause)
        case .dead:
            self.failures += 1
            self.inbox.count { $0.probesFailed += 1 }
            if self.failures < self.options.watchdogFailuresMax {
                self.watch(after: self.options.watchdogInterval / 5)
            } else {
                self.restart()
            }
        }
    }

    /// What nng's threads and the callers of `reply` only count: one line for whatever came since the last look.
    private func logLosses() {
        let now = self.inbox.statistics
        let before = self.logged
        self.logged = now
        if now.connectionsRefused > before.connectionsRefused {
            self.log(
                .warning, "connections were turned away: too many",
                [.count: now.connectionsRefused - before.connectionsRefused, .address: self.address])
        }
        let unsent = now.repliesTooLarge + now.repliesFailed - before.repliesTooLarge - before.repliesFailed
        if unsent > 0 {
            self.log(
                .error, "replies were not sent: too large, or no memory", [.count: unsent, .address: self.address])
        }
    }

    /// Replaces nng's listener. The one close allowed while running: the old one is dead.
    private func restart() {
        guard !self.isClosing.load(ordering: .acquiring) else { return }
        for context in self.contexts { context.pause() }
        SerialThread.waitForQuiet()
        nng_listener_close(self.listener)
        for context in self.contexts { context.resume() }
        do throws(TransportError) {
            _ = try self.listen(at: self.address)
            self.failures = 0
            self.listenDelay = .milliseconds(20)
            self.inbox.count { $0.restarts += 1 }
            self.log(.warning, "a listener had stopped accepting and was replaced", [.address: self.address])
            let now = self.loop.now
            let isRecent = self.lastRestart.map { now - $0 < .seconds(60) } ?? false
            self.watchdogPause =
                isRecent ? min(self.watchdogPause * 2, .seconds(30)) : self.options.watchdogInterval
            self.lastRestart = now
            self.watch(after: self.watchdogPause)
        } catch {
            self.inbox.count { $0.restartsFailed += 1 }
            self.log(.error, "a listener that stopped accepting cannot listen again", [.cause: error])
            let delay = self.listenDelay
            self.listenDelay = min(delay * 2, .seconds(5))
            self.loop.schedule(at: self.loop.now + delay) { [weak self] in
                guard let self else { return }
                self.thread.run { self.restart() }
            }
        }
    }
}

/// A connection came or went. On threads of nng's: notes it, and turns it away if there is no room.
private let pipeChanged: @convention(c) (nng_pipe, nng_pipe_ev, UnsafeMutableRawPointer?) -> Void = {
    pipe, event, argument in
    let inbox = Unmanaged<NNGInbox>.fromOpaque(argument!).takeUnretainedValue()
    if event == NNG_PIPE_EV_REM_POST {
        inbox.disconnect(pipe: pipe.id)
    } else if !inbox.connect(pipe: pipe.id) {
        nng_pipe_close(pipe)
    }
}
