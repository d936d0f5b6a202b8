import MartletCore
import MartletRuntime
import Synchronization
import Testing

@testable import MartletTransport

/// Does what a test says to the next message of a kind; delivers everything else at once.
private final class ScriptedLink: LinkBehaviour {
    private let script = Mutex<[LinkMessage.Kind: [LinkFate]]>([:])

    func next(_ kind: LinkMessage.Kind, _ fates: LinkFate...) {
        self.script.withLock { $0[kind, default: []] += fates }
    }

    func fate(of message: LinkMessage) -> LinkFate {
        self.script.withLock { script in
            guard let fates = script[message.kind], !fates.isEmpty else { return .deliver(after: .zero) }
            return script[message.kind]!.removeFirst()
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct InMemoryNetworkTests {
    private let link = ScriptedLink()
    private let network: InMemoryNetwork
    private let address = "tcp://coordinator:7400"
    private let serverHost = HostID(rawValue: 1)
    private let clientHost = HostID(rawValue: 2)

    init() {
        self.network = InMemoryNetwork(link: self.link)
    }

    /// Runs `body` with a transport on the server's host and one on the client's.
    private func run(_ body: (InMemoryTransport, InMemoryTransport) async throws -> Void) async throws {
        let loop = ThreadLoop(name: "in-memory")
        defer { loop.shutdown() }
        try await body(
            self.network.transport(on: loop, host: self.serverHost),
            self.network.transport(on: loop, host: self.clientHost))
    }

    /// Without delay everything happens inside of the calls, so what has not come by now does not come.
    @Test func noMoreRequestsThanContextsAreHandedOut() async throws {
        try await self.run { server, client in
            let listener = try await server.listen(at: self.address, contexts: 2)
            let connection = try client.connect(to: self.address)
            let tasks = (0..<5).map { _ in
                Task { await refusal { try await connection.request(.empty, timeout: .seconds(30)) } }
            }
            var held: [any IncomingRequest] = []
            for _ in 0..<3 {
                while held.count < 2 { held += await requests(1, at: listener) }
                #expect(held.count == 2)
                let last = held.removeLast()
                last.reply(.empty)
            }
            while held.count < 2 { held += await requests(1, at: listener) }
            for request in held { request.reply(.empty) }
            for task in tasks { #expect(await task.value == nil) }
            await connection.close()
            await listener.close()
        }
    }

    @Test func aDroppedMessageLeavesTheRequestToItsTimeout() async throws {
        try await self.run { server, client in
            let listener = try await server.listen(at: self.address, contexts: 2)
            let connection = try client.connect(to: self.address)
            self.link.next(.request, .drop)
            #expect(await refusal { try await connection.request(.empty, timeout: .milliseconds(20)) } == .timedOut)
            self.link.next(.reply, .drop)
            async let code = refusal { try await connection.request(.empty, timeout: .milliseconds(200)) }
            await requests(1, at: listener)[0].reply(.empty)
            #expect(await code == .timedOut)
            await connection.close()
            await listener.close()
        }
    }

    @Test func aRequestDeliveredTwiceIsServedTwiceAndAnsweredOnce() async throws {
        try await self.run { server, client in
            let listener = try await server.listen(at: self.address, contexts: 2)
            let connection = try client.connect(to: self.address)
            self.link.next(.request, .deliverTwice(after: .zero, and: .milliseconds(1)))
            async let reply = connection.request(.empty, timeout: .seconds(30))
            let both = await requests(2, at: listener)
            both[1].reply(Bytes("second"))
            both[0].reply(Bytes("first"))
            #expect(try await reply.text == "second")
            await connection.close()
            await listener.close()
        }
    }

    @Test func aCutEndsTheConnectionAtBothEndsAndItComesBack() async throws {
        try await self.run { server, client in
            let listener = try await server.listen(at: self.address, contexts: 2)
            let connection = try client.connect(to: self.address)
            async let code = refusal { try await connection.request(.empty, timeout: .seconds(30)) }
            let request = await requests(1, at: listener)[0]
            self.network.cutConnections { client, server in client == self.clientHost && server == self.serverHost }
            #expect(await code == .connectionLost)
            #expect(await lostPeer(at: listener) == request.peer)

            async let reply = connection.request(.empty, timeout: .seconds(30))
            let again = await requests(1, at: listener)[0]
            #expect(again.peer != request.peer)
            again.reply(.empty)
            #expect(try await reply.isEmpty)

            self.link.next(.reply, .cut)
            async let unanswered = refusal { try await connection.request(.empty, timeout: .seconds(30)) }
            await requests(1, at: listener)[0].reply(.empty)
            #expect(await unanswered == .connectionLost)
            await connection.close()
            await listener.close()
        }
    }

    @Test func theEndpointsOfADeadProcessVanishAndItsPeersSeeIt() async throws {
        try await self.run { server, client in
            let other = self.network.transport(on: server.loop, host: self.clientHost)
            let listener = try await server.listen(at: self.address, contexts: 2)
            let doomed = try client.connect(to: self.address)
            let survivor = try other.connect(to: self.address)
            // Never resumed: its task is lost, as the process is.
            Task { _ = try await doomed.request(.empty, timeout: .seconds(30)) }
            let request = await requests(1, at: listener)[0]
            client.vanish()
            #expect(await lostPeer(at: listener) == request.peer)

            async let code = refusal { try await survivor.request(.empty, timeout: .seconds(30)) }
            _ = await requests(1, at: listener)
            server.vanish()
            #expect(await code == .connectionLost)
            // The address is free again.
            let successor = try await server.listen(at: self.address, contexts: 1)
            async let reply = survivor.request(.empty, timeout: .seconds(30))
            await requests(1, at: successor)[0].reply(.empty)
            #expect(try await reply.isEmpty)
            await survivor.close()
            await successor.close()
        }
    }

    /// Nobody told the client that its server is gone; the next message it gets through shows it.
    @Test func aHalfOpenConnectionEndsWithTheNextMessageOverIt() async throws {
        try await self.run { server, client in
            let listener = try await server.listen(at: self.address, contexts: 2)
            let connection = try client.connect(to: self.address)
            async let reply = connection.request(.empty, timeout: .seconds(30))
            await requests(1, at: listener)[0].reply(.empty)
            _ = try await reply
            self.link.next(.end, .drop)
            await listener.close()
            self.link.next(.request, .drop)
            #expect(await refusal { try await connection.request(.empty, timeout: .milliseconds(20)) } == .timedOut)
            #expect(await refusal { try await connection.request(.empty, timeout: .seconds(30)) } == .connectionLost)
            await connection.close()
        }
    }

    @Test func aDialThatFailsIsTriedAgain() async throws {
        try await self.run { server, client in
            let listener = try await server.listen(at: self.address, contexts: 2)
            self.link.next(.dial, .drop, .cut, .deliver(after: .milliseconds(1)))
            let connection = try client.connect(to: self.address)
            async let reply = connection.request(.empty, timeout: .seconds(30))
            await requests(1, at: listener)[0].reply(.empty)
            #expect(try await reply.isEmpty)
            await connection.close()
            await listener.close()
        }
    }
}
