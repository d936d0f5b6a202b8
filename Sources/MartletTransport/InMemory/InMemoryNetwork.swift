import MartletCore
package import MartletRuntime
import Synchronization

/// A network in memory whose connections behave as nng's cooked REQ/REP does.
///
/// A request is held by one of the listener's contexts until it is answered or dropped, and waits at the listener
/// while all are taken. A reply to a peer that is gone reports nothing. A connection that is lost ends the requests
/// that were sent over it, and is dialled again; requests not sent yet go on waiting. Nothing is resent. What
/// arrives, when and in which order is decided by a ``LinkBehaviour`` alone, never by the order of a table.
package final class InMemoryNetwork: Sendable {
    private struct Directory {
        var listeners: [String: InMemoryListener] = [:]
        var connections: [UInt64: InMemoryConnection] = [:]
        var lastConnection: UInt64 = 0
        var lastPeer: UInt64 = 0
        var lastPort: UInt16 = 49151
    }

    private let link: any LinkBehaviour
    private let directory = Mutex(Directory())

    package init(link: any LinkBehaviour = PerfectLink()) {
        self.link = link
    }

    /// The transport of one process on `host`: its timers and what arrives for it run on `loop`.
    package func transport(on loop: EventLoop, host: HostID = HostID(rawValue: 0)) -> InMemoryTransport {
        InMemoryTransport(network: self, loop: loop, host: host)
    }

    /// Ends every connection for whose client's and server's host `isCut` answers true, at both ends.
    package func cutConnections(where isCut: (_ client: HostID, _ server: HostID) -> Bool) {
        let connections = self.directory.withLock { directory in
            directory.connections.keys.sorted().map { directory.connections[$0]! }
        }
        for connection in connections {
            guard let pipe = connection.pipe, isCut(connection.host, pipe.listener.host) else { continue }
            pipe.cut()
        }
    }

    // MARK: For endpoints

    /// Sends something towards `loop`, where `deliver` runs when it arrives: at once, if the link has no delay.
    func send(
        _ message: LinkMessage, to loop: EventLoop, cut: () -> Void, deliver: @escaping @Sendable () -> Void
    ) {
        switch self.link.fate(of: message) {
        case .deliver(let delay):
            Self.run(after: delay, on: loop, deliver)
        case .deliverTwice(let first, let second):
            Self.run(after: first, on: loop, deliver)
            Self.run(after: second, on: loop, deliver)
        case .drop: break
        case .cut: cut()
        }
    }

    /// How long it takes to connect; nil if that fails.
    func dialDelay(from: HostID, to: HostID) -> Duration? {
        switch self.link.fate(of: LinkMessage(kind: .dial, from: from, to: to, count: 0)) {
        case .deliver(let delay), .deliverTwice(let delay, _): delay
        case .drop, .cut: nil
        }
    }

    /// Makes `listener` the one at `address`; returns the address with the port that was given out.
    func register(
        _ makeListener: (String) -> InMemoryListener, at address: TransportAddress
    ) throws(TransportError) -> InMemoryListener {
        try self.directory.withLock { directory throws(TransportError) in
            var address = address
            if case .tcp(_, 0) = address.endpoint {
                repeat {
                    directory.lastPort = directory.lastPort == .max ? 49152 : directory.lastPort + 1
                    address = address.withPort(directory.lastPort)
                } while directory.listeners[address.description] != nil
            }
            guard directory.listeners[address.description] == nil else {
                throw TransportError(.addressInUse, "cannot listen at \(address): a listener answers there")
            }
            let listener = makeListener(address.description)
            directory.listeners[address.description] = listener
            return listener
        }
    }

    func unregister(_ listener: InMemoryListener) {
        self.directory.withLock { directory in
            if directory.listeners[listener.address] === listener { directory.listeners[listener.address] = nil }
        }
    }

    func listener(at address: TransportAddress) -> InMemoryListener? {
        self.directory.withLock { directory in
            if let listener = directory.listeners[address.description] { return listener }
            guard case .tcp(_, let port) = address.endpoint else { return nil }
            return directory.listeners[TransportAddress(.tcp(host: "*", port: port)).description]
        }
    }

    func register(_ makeConnection: (UInt64) -> InMemoryConnection) -> InMemoryConnection {
        self.directory.withLock { directory in
            directory.lastConnection += 1
            let connection = makeConnection(directory.lastConnection)
            directory.connections[directory.lastConnection] = connection
            return connection
        }
    }

    func unregister(_ connection: InMemoryConnection) {
        self.directory.withLock { _ = $0.connections.removeValue(forKey: connection.number) }
    }

    func nextPeer() -> PeerID {
        self.directory.withLock { directory in
            directory.lastPeer += 1
            return PeerID(rawValue: directory.lastPeer)
        }
    }

    private static func run(after delay: Duration, on loop: EventLoop, _ action: @escaping @Sendable () -> Void) {
        if delay <= .zero { return action() }
        loop.schedule(at: loop.now + delay, action)
    }
}

/// One connection while it holds.
final class InMemoryPipe: Sendable {
    let peer: PeerID
    let connection: InMemoryConnection
    let listener: InMemoryListener
    private let network: InMemoryNetwork

    init(peer: PeerID, connection: InMemoryConnection, listener: InMemoryListener, network: InMemoryNetwork) {
        self.peer = peer
        self.connection = connection
        self.listener = listener
        self.network = network
    }

    func sendRequest(_ number: UInt64, _ frame: Bytes) {
        let message = LinkMessage(
            kind: .request, from: self.connection.host, to: self.listener.host, count: frame.count)
        self.network.send(message, to: self.listener.loop, cut: self.cut) {
            self.listener.arrived(frame, number: number, over: self)
        }
    }

    func sendReply(_ number: UInt64, _ frame: Bytes) {
        let message = LinkMessage(kind: .reply, from: self.listener.host, to: self.connection.host, count: frame.count)
        self.network.send(message, to: self.connection.loop, cut: self.cut) {
            self.connection.arrived(frame, number: number, over: self)
        }
    }

    /// Tells the listener that the other end is gone.
    func endServer() {
        let message = LinkMessage(kind: .end, from: self.connection.host, to: self.listener.host, count: 0)
        self.network.send(message, to: self.listener.loop, cut: self.cut) { self.listener.lost(self) }
    }

    /// Tells the connection that the other end is gone.
    func endClient() {
        let message = LinkMessage(kind: .end, from: self.listener.host, to: self.connection.host, count: 0)
        self.network.send(message, to: self.connection.loop, cut: self.cut) { self.connection.lost(self) }
    }

    func cut() {
        self.listener.lost(self)
        self.connection.lost(self)
    }
}
