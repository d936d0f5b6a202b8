import MartletCore
import MartletRuntime
import Synchronization

/// The serving side of an ``InMemoryNetwork``.
final class InMemoryListener: RequestListener {
    private struct Peer {
        let pipe: InMemoryPipe
        /// Whether a request of it was delivered: only then is its loss told.
        var isHeard = false
    }

    private struct Arrival {
        let frame: Bytes
        let number: UInt64
        let pipe: InMemoryPipe
    }

    private struct State {
        var isClosed = false
        var peers: [PeerID: Peer] = [:]
        /// Contexts that hold a request.
        var contextsInUse = 0
        /// Requests that wait for a context.
        var backlog = Deque<Arrival>()
        var events: [ListenerEvent] = []
        var waiter: UnsafeContinuation<[ListenerEvent], Never>?
    }

    let address: String
    private let contexts: Int
    private let number: UInt64
    private let transport: InMemoryTransport
    private let state = Mutex(State())

    init(address: String, contexts: Int, number: UInt64, transport: InMemoryTransport) {
        self.address = address
        self.contexts = contexts
        self.number = number
        self.transport = transport
    }

    var host: HostID { self.transport.host }
    var loop: EventLoop { self.transport.loop }

    /// Also returns empty when the task is cancelled.
    func receive() async -> [ListenerEvent] {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let events: [ListenerEvent]? = self.state.withLock { state in
                    precondition(state.waiter == nil, "one caller at a time waits for a listener's events")
                    if state.events.isEmpty && !state.isClosed && !Task.isCancelled {
                        state.waiter = continuation
                        return nil
                    }
                    defer { state.events = [] }
                    return state.events
                }
                if let events { continuation.resume(returning: events) }
            }
        } onCancel: {
            self.state.withLock { $0.waiter.take() }?.resume(returning: [])
        }
    }

    func close() async {
        self.end()?.resume(returning: [])
        self.transport.forget(endpoint: self.number)
    }

    func vanish() {
        _ = self.end()
    }

    /// Returns who waits for an event.
    private func end() -> UnsafeContinuation<[ListenerEvent], Never>? {
        self.transport.network.unregister(self)
        let (waiter, pipes, dropped) = self.state.withLock { state in
            state.isClosed = true
            let pipes = state.peers.keys.sorted { $0.rawValue < $1.rawValue }.map { state.peers[$0]!.pipe }
            state.peers = [:]
            state.backlog.removeAll()
            defer { state.events = [] }
            return (state.waiter.take(), pipes, state.events)
        }
        for pipe in pipes { pipe.endClient() }
        // Outside of the lock: requests that go away free their contexts.
        _ = consume dropped
        return waiter
    }

    // MARK: For connections and requests

    /// A connection came up. False if the listener is closed.
    func accept(_ pipe: InMemoryPipe) -> Bool {
        self.state.withLock { state in
            guard !state.isClosed else { return false }
            state.peers[pipe.peer] = Peer(pipe: pipe)
            return true
        }
    }

    func arrived(_ frame: Bytes, number: UInt64, over pipe: InMemoryPipe) {
        let (isKnown, wake) = self.state.withLock { state -> (Bool, Wake?) in
            guard state.peers[pipe.peer] != nil else { return (false, nil) }
            let arrival = Arrival(frame: frame, number: number, pipe: pipe)
            guard state.contextsInUse < self.contexts else {
                state.backlog.append(arrival)
                return (true, nil)
            }
            return (true, self.deliver(arrival, &state))
        }
        wake?.perform()
        if !isKnown { pipe.endClient() }
    }

    /// The connection's other end is gone: what it sent and nobody received goes with it.
    func lost(_ pipe: InMemoryPipe) {
        let wake = self.state.withLock { state -> Wake? in
            guard let peer = state.peers.removeValue(forKey: pipe.peer) else { return nil }
            guard peer.isHeard else { return nil }
            return Self.append(.peerLost(pipe.peer), to: &state)
        }
        wake?.perform()
    }

    func isConnected(_ pipe: InMemoryPipe) -> Bool {
        self.state.withLock { $0.peers[pipe.peer] != nil }
    }

    /// A request was answered or dropped: its context takes the next one.
    func freeContext() {
        let wake = self.state.withLock { state -> Wake? in
            state.contextsInUse -= 1
            while let arrival = state.backlog.popFirst() {
                if state.peers[arrival.pipe.peer] != nil { return self.deliver(arrival, &state) }
            }
            return nil
        }
        wake?.perform()
    }

    private func deliver(_ arrival: Arrival, _ state: inout State) -> Wake? {
        state.contextsInUse += 1
        state.peers[arrival.pipe.peer]?.isHeard = true
        let request = InMemoryRequest(arrival.frame, number: arrival.number, pipe: arrival.pipe)
        return Self.append(.request(request), to: &state)
    }

    /// The one wake of a burst: whoever finds a waiter takes it; until it is back, events just gather.
    private struct Wake {
        let waiter: UnsafeContinuation<[ListenerEvent], Never>
        let events: [ListenerEvent]

        func perform() { self.waiter.resume(returning: self.events) }
    }

    private static func append(_ event: ListenerEvent, to state: inout State) -> Wake? {
        state.events.append(event)
        guard let waiter = state.waiter.take() else { return nil }
        defer { state.events = [] }
        return Wake(waiter: waiter, events: state.events)
    }
}

/// A request that holds one of the listener's contexts.
private final class InMemoryRequest: IncomingRequest {
    let frame: Bytes
    private let number: UInt64
    private let pipe: InMemoryPipe
    private let isOver = Mutex(false)

    init(_ frame: Bytes, number: UInt64, pipe: InMemoryPipe) {
        self.frame = frame
        self.number = number
        self.pipe = pipe
    }

    deinit {
        if self.end() { self.pipe.listener.freeContext() }
    }

    var peer: PeerID { self.pipe.peer }

    func reply(_ frame: Bytes) {
        guard self.end() else { return }
        if frame.count <= InMemoryTransport.frameBytesMax, self.pipe.listener.isConnected(self.pipe) {
            self.pipe.sendReply(self.number, frame)
        }
        self.pipe.listener.freeContext()
    }

    /// True the first time.
    private func end() -> Bool {
        self.isOver.withLock { isOver in
            defer { isOver = true }
            return !isOver
        }
    }
}
