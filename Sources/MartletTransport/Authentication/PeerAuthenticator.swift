package import MartletCore
package import MartletWire

/// The coordinator's side of the proof: which peers have shown that they hold the cluster token.
///
/// A value without clock or I/O. A peer that has not proved the token gets a challenge of its own for whatever it
/// asks; its next *authenticate* must answer that challenge, which serves once.
package struct PeerAuthenticator: Sendable {
    private enum Standing {
        case challenged(Bytes)
        case proved
    }

    private let token: ClusterToken
    private let random: @Sendable () -> UInt64
    private let challengedMax: Int
    private let provedMax: Int
    private var standings: [PeerID: Standing] = [:]
    private var provedCount = 0
    /// Challenged peers, oldest first, with some that no longer are.
    private var challenged = Deque<PeerID>()

    /// - Parameters:
    ///   - random: makes the challenges; fit for secrets outside of tests.
    ///   - challengedMax: how many challenges are remembered. Over it, the oldest is forgotten; its peer gets
    ///     another when it asks again.
    ///   - provedMax: how many proved peers are remembered. Over it, further ones are refused as `overloaded`.
    package init(
        token: ClusterToken, random: @escaping @Sendable () -> UInt64, challengedMax: Int = 4096,
        provedMax: Int = 16384
    ) {
        precondition(challengedMax > 0 && provedMax > 0, "a bound is positive")
        self.token = token
        self.random = random
        self.challengedMax = challengedMax
        self.provedMax = provedMax
    }

    /// Nil if `request` may be served; otherwise the reply, which is then the whole answer.
    package mutating func check(_ request: Request, from peer: PeerID) -> Bytes? {
        if case .authenticate(let message) = request { return self.authenticate(message, from: peer) }
        switch self.standings[peer] {
        case .proved: return nil
        case .challenged(let challenge): return Self.demand(challenge)
        case nil: return self.challenge(peer)
        }
    }

    /// A peer's connection ended.
    package mutating func forget(_ peer: PeerID) {
        if case .proved? = self.standings.removeValue(forKey: peer) { self.provedCount -= 1 }
    }

    package func isProved(_ peer: PeerID) -> Bool {
        if case .proved? = self.standings[peer] { true } else { false }
    }

    /// How many peers are remembered, proved or not.
    package var peersCount: Int { self.standings.count }

    private mutating func authenticate(_ message: Authenticate, from peer: PeerID) -> Bytes {
        guard case .challenged(let challenge)? = self.standings[peer] else {
            self.forget(peer)
            return self.challenge(peer)
        }
        self.forget(peer)
        let expected = self.token.clientProof(challenge: challenge, nonce: message.nonce)
        guard ClusterToken.isEqual(message.proof, expected) else {
            return ErrorReply(.authenticationFailed, "the cluster token is not this cluster's").encoded()
        }
        guard self.provedCount < self.provedMax else {
            return ErrorReply(.overloaded, "\(self.provedMax) peers are connected, which is the most").encoded()
        }
        self.standings[peer] = .proved
        self.provedCount += 1
        return Authenticated(proof: self.token.coordinatorProof(nonce: message.nonce, challenge: challenge)).encoded()
    }

    private mutating func challenge(_ peer: PeerID) -> Bytes {
        let challenge = ClusterToken.nonce(self.random)
        self.standings[peer] = .challenged(challenge)
        self.challenged.append(peer)
        // Forgotten and proved peers stay in the line until they come to its front, so its length bounds both.
        while self.challenged.count > self.challengedMax, let oldest = self.challenged.popFirst() {
            if case .challenged? = self.standings[oldest] { self.standings[oldest] = nil }
        }
        return Self.demand(challenge)
    }

    private static func demand(_ challenge: Bytes) -> Bytes {
        ErrorReply(.authenticationRequired, "prove the cluster token first", challenge: challenge).encoded()
    }
}
