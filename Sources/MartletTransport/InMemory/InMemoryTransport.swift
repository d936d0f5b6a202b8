import MartletCore
import MartletRuntime
import Synchronization

/// One process's access to an ``InMemoryNetwork``.
package final class InMemoryTransport: Transport {
    private enum Endpoint {
        case listener(InMemoryListener)
        case connection(InMemoryConnection)
    }

    private struct Endpoints {
        var last: UInt64 = 0
        var all: [UInt64: Endpoint] = [:]
    }

    /// As over nng.
    static let frameBytesMax = 8 << 20
    static let outstandingMax = 4096
    static let reconnectDelay: ClosedRange<Duration> = .milliseconds(100) ... .seconds(5)

    package let host: HostID
    let network: InMemoryNetwork
    let loop: EventLoop
    private let endpoints = Mutex(Endpoints())

    init(network: InMemoryNetwork, loop: EventLoop, host: HostID) {
        self.network = network
        self.loop = loop
        self.host = host
    }

    package func listen(at address: String, contexts: Int) async throws(TransportError) -> any RequestListener {
        precondition(contexts > 0, "a listener needs a context to receive anything")
        let parsed = try TransportAddress(parsing: address)
        let number = self.nextEndpoint()
        let listener = try self.network.register(
            { InMemoryListener(address: $0, contexts: contexts, number: number, transport: self) }, at: parsed)
        self.endpoints.withLock { $0.all[number] = .listener(listener) }
        return listener
    }

    package func connect(to address: String) throws(TransportError) -> any RequestConnection {
        let parsed = try TransportAddress(parsing: address)
        if case .tcp(let host, let port) = parsed.endpoint, host == "*" || port == 0 {
            throw TransportError(.addressInvalid, "cannot connect to \(parsed): name a host and a port")
        }
        let connection = self.network.register { InMemoryConnection(to: parsed, number: $0, transport: self) }
        let endpoint = self.nextEndpoint()
        connection.endpoint.withLock { $0 = endpoint }
        self.endpoints.withLock { $0.all[endpoint] = .connection(connection) }
        connection.dial()
        return connection
    }

    /// Ends every endpoint as the death of the process does: peers are told, and nobody here goes on. Tasks that
    /// wait for a request or a listener are never resumed, so their memory is lost.
    package func vanish() {
        let endpoints = self.endpoints.withLock { endpoints in
            defer { endpoints.all = [:] }
            return endpoints.all.keys.sorted().map { endpoints.all[$0]! }
        }
        for endpoint in endpoints {
            switch endpoint {
            case .listener(let listener): listener.vanish()
            case .connection(let connection): connection.vanish()
            }
        }
    }

    func forget(endpoint: UInt64) {
        self.endpoints.withLock { _ = $0.all.removeValue(forKey: endpoint) }
    }

    private func nextEndpoint() -> UInt64 {
        self.endpoints.withLock { endpoints in
            endpoints.last += 1
            return endpoints.last
        }
    }
}
