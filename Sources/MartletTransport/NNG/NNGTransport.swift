package import MartletObservability
package import MartletRuntime

/// Listeners and connections over nng: TCP and Unix sockets.
///
/// Cooked REQ/REP with one context a request. Deadlines, jitter and watchdog times come from `loop`; nng's own
/// timers run on the wall clock and are used for nothing but dialling again.
package final class NNGTransport: Transport {
    private let loop: EventLoop
    private let options: NNGOptions
    private let log: Log

    /// - Parameter log: told of listeners that were replaced, connections turned away and replies not sent.
    package init(loop: EventLoop, options: NNGOptions = NNGOptions(), log: Log = .none) {
        self.loop = loop
        self.log = log
        self.options = options
    }

    package func listen(at address: String, contexts: Int) async throws(TransportError) -> any RequestListener {
        try await self.listenOverNNG(at: address, contexts: contexts)
    }

    /// As ``listen(at:contexts:)``, with the type that also tells its statistics.
    package func listenOverNNG(at address: String, contexts: Int) async throws(TransportError) -> NNGListener {
        let address = try TransportAddress(parsing: address)
        return try await NNGListener.open(
            at: address, contexts: contexts, options: self.options, loop: self.loop, log: self.log)
    }

    package func connect(to address: String) throws(TransportError) -> any RequestConnection {
        let address = try TransportAddress(parsing: address)
        if case .tcp(let host, let port) = address.endpoint {
            guard port != 0 else { throw TransportError(.addressInvalid, "\(address) names no port to connect to") }
            guard host != "*" else { throw TransportError(.addressInvalid, "\(address) names no host to connect to") }
        }
        return try NNGConnection(to: address, options: self.options, loop: self.loop, log: self.log)
    }
}
