package import MartletRuntime

/// A transport whose connections prove the cluster token when they are asked to.
package struct AuthenticatingTransport<Base: Transport>: Transport {
    private let base: Base
    private let token: ClusterToken
    private let loop: EventLoop

    package init(_ base: Base, token: ClusterToken, loop: EventLoop) {
        self.base = base
        self.token = token
        self.loop = loop
    }

    /// Listens without asking for proof: that is for a ``PeerAuthenticator`` behind the listener.
    package func listen(at address: String, contexts: Int) async throws(TransportError) -> any RequestListener {
        try await self.base.listen(at: address, contexts: contexts)
    }

    package func connect(to address: String) throws(TransportError) -> any RequestConnection {
        AuthenticatingConnection(try self.base.connect(to: address), token: self.token, loop: self.loop)
    }
}
