import MartletCore
import MartletRuntime
import MartletTransport
import MartletWire
import Synchronization
import Testing

private let second = Duration.seconds(1)

@Suite(.timeLimit(.minutes(1))) struct AuthenticationTests {
    private static let token = ClusterToken(Array("the cluster's secret".utf8))

    /// Computed with another implementation (Python's hmac), so that other languages can follow.
    @Test func proofsAreWhatTheProtocolSays() {
        let token = ClusterToken(Array(0..<16))
        let challenge = Bytes(copying: Array(UInt8(0)..<32))
        let nonce = Bytes(copying: Array(UInt8(32)..<64))
        let client = hex(token.clientProof(challenge: challenge, nonce: nonce))
        #expect(client == "f1037b53f588943d537d55122aee89156e64a6750f6404f6757241779d626bf7")
        let coordinator = hex(token.coordinatorProof(nonce: nonce, challenge: challenge))
        #expect(coordinator == "a838d68063b537558fd084ff0e7cfc5f68b6ea86cea13961cbe5092d4e876300")
    }

    @Test func tokenDoesNotShow() {
        var text = ""
        dump(Self.token, to: &text)
        #expect(!text.contains("116") && !"\(Self.token)".contains("secret"))
    }

    @Test func nothingIsServedBeforeTheProof() {
        var server = Server()
        #expect(server.ask(peer: 1)?.code == .authenticationRequired)
        #expect(server.ask(peer: 1)?.challenge == server.ask(peer: 1)?.challenge)
        #expect(server.ask(peer: 1)?.challenge != server.ask(peer: 2)?.challenge)
        #expect(server.ask(peer: 1)?.challenge.count == 32)
        #expect(server.prove(peer: 1, Self.token) == nil)
        #expect(server.ask(peer: 1) == nil)
        #expect(server.ask(peer: 2)?.code == .authenticationRequired)
    }

    @Test func challengeServesOnce() {
        var server = Server()
        let challenge = server.ask(peer: 1)!.challenge
        #expect(server.prove(peer: 1, ClusterToken([1, 2, 3]))?.code == .authenticationFailed)
        // The right proof of the old challenge comes too late.
        let late = server.authenticate(peer: 1, challenge: challenge, Self.token)
        #expect(late?.code == .authenticationRequired && late?.challenge != challenge)
        #expect(server.prove(peer: 1, Self.token) == nil)
    }

    @Test func proofOfOnePeerDoesNotServeAnother() {
        var server = Server()
        let challenge = server.ask(peer: 1)!.challenge
        _ = server.ask(peer: 2)
        #expect(server.authenticate(peer: 2, challenge: challenge, Self.token)?.code == .authenticationFailed)
        #expect(!server.authenticator.isProved(PeerID(rawValue: 2)))
    }

    @Test func lostPeerMustProveAgain() {
        var server = Server()
        #expect(server.prove(peer: 1, Self.token) == nil)
        server.authenticator.forget(PeerID(rawValue: 1))
        #expect(server.ask(peer: 1)?.code == .authenticationRequired)
        #expect(server.authenticator.peersCount == 1)
    }

    @Test func challengesAndPeersAreBounded() {
        var server = Server(challengedMax: 10, provedMax: 3)
        for peer in 1...1000 { _ = server.ask(peer: UInt64(peer)) }
        #expect(server.authenticator.peersCount == 10)
        for peer in 1...3 { #expect(server.prove(peer: UInt64(peer), Self.token) == nil) }
        #expect(server.prove(peer: 4, Self.token)?.code == .overloaded)
        server.authenticator.forget(PeerID(rawValue: 1))
        #expect(server.prove(peer: 4, Self.token) == nil)
        // Peers that come, prove and go leave nothing behind.
        for peer in 100...1000 {
            server.authenticator.forget(PeerID(rawValue: 4))
            #expect(server.prove(peer: UInt64(peer), Self.token) == nil)
            server.authenticator.forget(PeerID(rawValue: UInt64(peer)))
        }
        #expect(server.authenticator.peersCount <= 13)
    }

    @Test func requestIsServedAfterOneHandshake() async throws {
        let coordinator = Coordinator(Self.token)
        try await withLoop { loop in
            let connection = AuthenticatingConnection(coordinator, token: Self.token, loop: loop)
            for _ in 0..<3 {
                let reply = try await connection.request(ping, timeout: second * 10)
                #expect(try Pong.decode(reply) == pong)
            }
        }
        #expect(coordinator.handshakes == 1)
        #expect(coordinator.requests == 5)
    }

    @Test func concurrentRequestsShareOneHandshake() async throws {
        let coordinator = Coordinator(Self.token)
        try await withLoop { loop in
            let connection = AuthenticatingConnection(coordinator, token: Self.token, loop: loop)
            try await withThrowingTaskGroup(of: Bytes.self) { group in
                for _ in 0..<50 { group.addTask { try await connection.request(ping, timeout: second * 10) } }
                for try await reply in group { #expect(try Pong.decode(reply) == pong) }
            }
        }
        #expect(coordinator.handshakes == 1)
    }

    @Test func newConnectionProvesAgain() async throws {
        let coordinator = Coordinator(Self.token)
        try await withLoop { loop in
            let connection = AuthenticatingConnection(coordinator, token: Self.token, loop: loop)
            _ = try await connection.request(ping, timeout: second * 10)
            coordinator.losePeer()
            let reply = try await connection.request(ping, timeout: second * 10)
            #expect(try Pong.decode(reply) == pong)
        }
        #expect(coordinator.handshakes == 2)
    }

    @Test func wrongTokenIsRefusedByTheCoordinator() async throws {
        let coordinator = Coordinator(Self.token)
        try await withLoop { loop in
            let connection = AuthenticatingConnection(coordinator, token: ClusterToken([1]), loop: loop)
            let reply = try ErrorReply.decode(try await connection.request(ping, timeout: second * 10))
            #expect(reply.code == .authenticationFailed)
        }
    }

    @Test func coordinatorWithoutTheTokenIsNotTrusted() async throws {
        let coordinator = Coordinator(Self.token, provesItself: false)
        await withLoop { loop in
            let connection = AuthenticatingConnection(coordinator, token: Self.token, loop: loop)
            #expect(await refusal { try await connection.request(ping, timeout: second * 10) } == .failed)
        }
    }

    @Test func coordinatorThatKeepsDemandingIsGivenUp() async throws {
        let coordinator = Coordinator(Self.token, forgetsEveryProof: true)
        try await withLoop { loop in
            let connection = AuthenticatingConnection(coordinator, token: Self.token, loop: loop)
            let reply = try ErrorReply.decode(try await connection.request(ping, timeout: second * 10))
            #expect(reply.code == .authenticationRequired)
        }
    }

    @Test func handshakeOverTheNetworkAndAgainAfterALoss() async throws {
        let harness = NNGHarness(NNGOptions(reconnectDelay: .milliseconds(20) ... .milliseconds(50)))
        let transport = AuthenticatingTransport(harness.transport, token: Self.token, loop: harness.loop)
        let address = NNGHarness.ipcAddress()
        let connection = try transport.connect(to: address)
        for _ in 0..<2 {
            let authenticator = Mutex(
                PeerAuthenticator(token: Self.token, random: { [loop = harness.loop] in loop.random() }))
            let serve: @Sendable (ListenerEvent) -> Void = { event in
                guard case .request(let request) = event, let message = try? Request.decode(request.frame) else {
                    return
                }
                let refusal = authenticator.withLock { $0.check(message, from: request.peer) }
                request.reply(refusal ?? pong.encoded())
            }
            let reply = try await harness.serving(at: address, serve) { _ in
                while true {
                    do { return try await connection.request(ping, timeout: second * 10) } catch {
                        guard (error as? TransportError)?.code == .connectionLost else { throw error }
                    }
                }
            }
            #expect(try Pong.decode(reply) == pong)
        }
        await connection.close()
    }

    /// An authenticator and how one talks to it.
    private struct Server {
        var authenticator: PeerAuthenticator

        init(challengedMax: Int = 100, provedMax: Int = 100) {
            self.authenticator = PeerAuthenticator(
                token: AuthenticationTests.token, random: { .random(in: 0 ... .max) }, challengedMax: challengedMax,
                provedMax: provedMax)
        }

        mutating func ask(peer: UInt64) -> ErrorReply? {
            self.authenticator.check(.ping(Ping()), from: PeerID(rawValue: peer)).map { try! ErrorReply.decode($0) }
        }

        /// Nil if the proof was taken.
        mutating func authenticate(peer: UInt64, challenge: Bytes, _ token: ClusterToken) -> ErrorReply? {
            let nonce = ClusterToken.nonce { .random(in: 0 ... .max) }
            let proof = token.clientProof(challenge: challenge, nonce: nonce)
            let request = Request.authenticate(Authenticate(nonce: nonce, proof: proof))
            let reply = self.authenticator.check(request, from: PeerID(rawValue: peer))!
            if let authenticated = try? Authenticated.decode(reply) {
                #expect(authenticated.proof == token.coordinatorProof(nonce: nonce, challenge: challenge))
                return nil
            }
            return try! ErrorReply.decode(reply)
        }

        mutating func prove(peer: UInt64, _ token: ClusterToken) -> ErrorReply? {
            self.authenticate(peer: peer, challenge: self.ask(peer: peer)?.challenge ?? .empty, token)
        }
    }
}

private let ping = Ping().encoded()
private let pong = Pong(
    version: "1.2.3", epoch: Epoch(rawValue: 1), wallTime: WallTime(microseconds: 5), uptime: .seconds(1),
    isRecovered: true, nodeCount: 0, pendingCount: 0)

private func hex(_ bytes: Bytes) -> String {
    bytes.array.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}

private func withLoop<Value>(_ body: (ThreadLoop) async throws -> Value) async rethrows -> Value {
    let loop = ThreadLoop(name: "test")
    defer { loop.shutdown() }
    return try await body(loop)
}

/// A coordinator at the other end of a connection that is never down.
private final class Coordinator: RequestConnection {
    private let authenticator: Mutex<PeerAuthenticator>
    private let provesItself: Bool
    private let forgetsEveryProof: Bool
    private let counts = Mutex((handshakes: 0, requests: 0, peer: UInt64(1)))

    init(_ token: ClusterToken, provesItself: Bool = true, forgetsEveryProof: Bool = false) {
        self.authenticator = Mutex(PeerAuthenticator(token: token, random: { .random(in: 0 ... .max) }))
        self.provesItself = provesItself
        self.forgetsEveryProof = forgetsEveryProof
    }

    var handshakes: Int { self.counts.withLock { $0.handshakes } }
    var requests: Int { self.counts.withLock { $0.requests } }

    func losePeer() { self.counts.withLock { $0.peer += 1 } }

    func request(_ frame: Bytes, timeout: Duration) async throws(TransportError) -> Bytes {
        // Lets others in between, as a network does.
        await Task.yield()
        guard let request = try? Request.decode(frame) else { throw TransportError(.failed, "no request") }
        var isHandshake = false
        if case .authenticate = request { isHandshake = true }
        let peer = self.counts.withLock { counts in
            counts.requests += 1
            if isHandshake { counts.handshakes += 1 }
            return PeerID(rawValue: counts.peer)
        }
        let reply = self.authenticator.withLock { $0.check(request, from: peer) }
        if isHandshake && !self.provesItself { return Authenticated(proof: ClusterToken.nonce { 7 }).encoded() }
        if isHandshake && self.forgetsEveryProof { self.losePeer() }
        return reply ?? pong.encoded()
    }

    func close() async {}
}
