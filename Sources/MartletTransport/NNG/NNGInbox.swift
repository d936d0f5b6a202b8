import MartletCore
import Synchronization

/// What has arrived at a listener and was not fetched yet, and which peers are connected.
///
/// Bounded: at most one request for each context and one loss for each peer that was heard.
final class NNGInbox: Sendable {
    private struct Peer {
        let id: PeerID
        /// Whether a request of it was delivered: only then is its loss told.
        var isHeard = false
    }

    private struct State {
        var events: [ListenerEvent] = []
        var waiter: UnsafeContinuation<[ListenerEvent], Never>?
        var isClosed = false
        /// By nng's number, which may come round again after 2^31 connections.
        var peers: [UInt32: Peer] = [:]
        var lastPeer: UInt64 = 0
        var statistics = ListenerStatistics()
    }

    private let connectionsMax: Int
    private let state = Mutex(State())

    init(connectionsMax: Int) {
        self.connectionsMax = connectionsMax
    }

    var statistics: ListenerStatistics {
        self.state.withLock {
            var statistics = $0.statistics
            statistics.connections = $0.peers.count
            return statistics
        }
    }

    /// Whether a caller waits for the next event.
    var hasWaiter: Bool { self.state.withLock { $0.waiter != nil } }

    func count(_ change: (inout ListenerStatistics) -> Void) {
        self.state.withLock { change(&$0.statistics) }
    }

    /// A connection came up. False if there is no room for it.
    func connect(pipe: UInt32) -> Bool {
        self.state.withLock { state in
            guard state.peers.count < self.connectionsMax else {
                state.statistics.connectionsRefused += 1
                return false
            }
            state.lastPeer += 1
            state.peers[pipe] = Peer(id: PeerID(rawValue: state.lastPeer))
            state.statistics.connectionsAccepted += 1
            return true
        }
    }

    /// A connection ended.
    func disconnect(pipe: UInt32) {
        let wake = self.state.withLock { state -> Wake? in
            guard let peer = state.peers.removeValue(forKey: pipe) else { return nil }
            guard peer.isHeard, !state.isClosed else { return nil }
            return Self.append(.peerLost(peer.id), to: &state)
        }
        wake?.perform()
    }

    /// Delivers a request that came over `pipe`. False if that connection has ended: nobody waits for the answer.
    func deliver(from pipe: UInt32, _ makeRequest: (PeerID) -> any IncomingRequest) -> Bool {
        let (isDelivered, wake) = self.state.withLock { state -> (Bool, Wake?) in
            guard !state.isClosed, let index = state.peers.index(forKey: pipe) else {
                state.statistics.requestsDropped += 1
                return (false, nil)
            }
            state.peers.values[index].isHeard = true
            let request = makeRequest(state.peers.values[index].id)
            return (true, Self.append(.request(request), to: &state))
        }
        wake?.perform()
        return isDelivered
    }

    /// Everything that has arrived; waits for the first. Empty once closed, and when the task is cancelled.
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

    /// Lets a waiting caller go. What was not fetched is dropped.
    func close() {
        let (waiter, dropped) = self.state.withLock { state in
            state.isClosed = true
            defer { state.events = [] }
            return (state.waiter.take(), state.events)
        }
        waiter?.resume(returning: [])
        // Outside the lock: requests that go away free their contexts.
        _ = consume dropped
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
