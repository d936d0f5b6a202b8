import MartletCore
import MartletRuntime
import MartletTransport
import Testing

/// What coordinator, client and worker count on, whatever the transport: one suite for all.
@Suite(.timeLimit(.minutes(1))) struct TransportBehaviour {
    enum Kind: CaseIterable {
        case nng
        case inMemory
    }

    /// A transport on a loop of its own, and an address that nobody else uses.
    private func with(
        _ kind: Kind, _ body: @Sendable (any Transport, String) async throws -> Void
    ) async throws {
        let loop = ThreadLoop(name: "behaviour")
        defer { loop.shutdown() }
        let transport: any Transport =
            switch kind {
            case .nng: NNGTransport(loop: loop, options: NNGOptions(reconnectDelay: .milliseconds(20) ... .seconds(1)))
            case .inMemory: InMemoryNetwork().transport(on: loop)
            }
        try await body(transport, NNGHarness.ipcAddress())
    }

    @Test(arguments: Kind.allCases)
    func answersComeInAnyOrderToTheRequestTheyAnswer(kind: Kind) async throws {
        try await self.with(kind) { transport, address in
            let listener = try await transport.listen(at: address, contexts: 8)
            let connection = try transport.connect(to: address)
            await withTaskGroup { group in
                for number in 0..<8 {
                    group.addTask {
                        let reply = try? await connection.request(Bytes("\(number)"), timeout: .seconds(30))
                        #expect(reply?.text == "re \(number)")
                    }
                }
                for request in await requests(8, at: listener).reversed() {
                    request.reply(Bytes("re \(request.frame.text)"))
                    request.reply(Bytes("a second answer is ignored"))
                }
            }
            await connection.close()
            await listener.close()
        }
    }

    @Test(arguments: Kind.allCases)
    func requestsOverTheContextsWaitForOne(kind: Kind) async throws {
        try await self.with(kind) { transport, address in
            let listener = try await transport.listen(at: address, contexts: 2)
            let connection = try transport.connect(to: address)
            await withTaskGroup { group in
                for _ in 0..<3 {
                    group.addTask { _ = try? await connection.request(Bytes("x"), timeout: .seconds(30)) }
                }
                var held = await requests(2, at: listener)
                // The third is received only if an answer frees a context, and one does.
                let next = await withTaskGroup(of: [any IncomingRequest].self) { inner in
                    inner.addTask { await requests(1, at: listener) }
                    held.removeFirst().reply(.empty)
                    return await inner.next()!
                }
                #expect(next.count == 1)
                for request in held + next { request.reply(.empty) }
            }
            await connection.close()
            await listener.close()
        }
    }

    @Test(arguments: Kind.allCases)
    func aRequestThatIsDroppedFreesItsContextWithoutAnAnswer(kind: Kind) async throws {
        try await self.with(kind) { transport, address in
            let listener = try await transport.listen(at: address, contexts: 1)
            let connection = try transport.connect(to: address)
            for _ in 0..<3 {
                async let code = refusal { try await connection.request(Bytes("x"), timeout: .milliseconds(200)) }
                #expect(await requests(1, at: listener).count == 1)
                #expect(await code == .timedOut)
            }
            await connection.close()
            await listener.close()
        }
    }

    @Test(arguments: Kind.allCases)
    func aRequestWithoutAListenerWaitsUntilItsTimeout(kind: Kind) async throws {
        try await self.with(kind) { transport, address in
            let connection = try transport.connect(to: address)
            let code = await refusal { try await connection.request(Bytes("x"), timeout: .milliseconds(50)) }
            #expect(code == .timedOut)
            await connection.close()
        }
    }

    @Test(arguments: Kind.allCases)
    func aRequestThatWaitsIsServedByAListenerThatComesLater(kind: Kind) async throws {
        try await self.with(kind) { transport, address in
            let connection = try transport.connect(to: address)
            async let reply = connection.request(Bytes("early"), timeout: .seconds(30))
            let listener = try await transport.listen(at: address, contexts: 1)
            let request = await requests(1, at: listener)[0]
            #expect(request.frame.text == "early")
            request.reply(Bytes("late"))
            #expect(try await reply.text == "late")
            await connection.close()
            await listener.close()
        }
    }

    @Test(arguments: Kind.allCases)
    func aLostConnectionEndsWhatWasSentAndIsDialledAgain(kind: Kind) async throws {
        try await self.with(kind) { transport, address in
            let first = try await transport.listen(at: address, contexts: 1)
            let connection = try transport.connect(to: address)
            async let lost = refusal { try await connection.request(Bytes("x"), timeout: .seconds(30)) }
            let held = await requests(1, at: first)
            await first.close()
            #expect(await lost == .connectionLost)
            #expect(await first.receive().isEmpty)
            held[0].reply(Bytes("nobody hears it"))

            let second = try await transport.listen(at: address, contexts: 1)
            async let reply = connection.request(Bytes("again"), timeout: .seconds(30))
            let request = await requests(1, at: second)[0]
            #expect(request.frame.text == "again")
            request.reply(Bytes("served"))
            #expect(try await reply.text == "served")
            await connection.close()
            await second.close()
        }
    }

    @Test(arguments: Kind.allCases)
    func thePeerOfAClosedConnectionIsReportedLostAndAReplyToItIsHarmless(kind: Kind) async throws {
        try await self.with(kind) { transport, address in
            let listener = try await transport.listen(at: address, contexts: 1)
            let connection = try transport.connect(to: address)
            async let code = refusal { try await connection.request(Bytes("x"), timeout: .seconds(30)) }
            let held = await requests(1, at: listener)[0]
            await connection.close()
            #expect(await code == .closed)
            #expect(await lostPeer(at: listener) == held.peer)
            held.reply(Bytes("nobody hears it"))

            // Its context serves the next peer, which has another number.
            let other = try transport.connect(to: address)
            async let reply = other.request(Bytes("x"), timeout: .seconds(30))
            let request = await requests(1, at: listener)[0]
            #expect(request.peer != held.peer)
            request.reply(.empty)
            #expect(try await reply.isEmpty)
            await other.close()
            await listener.close()
        }
    }

    @Test(arguments: Kind.allCases)
    func theAnswerToACancelledRequestGoesToNoOtherRequest(kind: Kind) async throws {
        try await self.with(kind) { transport, address in
            let listener = try await transport.listen(at: address, contexts: 2)
            let connection = try transport.connect(to: address)
            let abandoned = Task {
                await refusal { try await connection.request(Bytes("first"), timeout: .seconds(30)) }
            }
            let first = await requests(1, at: listener)[0]
            abandoned.cancel()
            #expect(await abandoned.value == .cancelled)
            async let reply = connection.request(Bytes("second"), timeout: .seconds(30))
            let second = await requests(1, at: listener)[0]
            first.reply(Bytes("to the first"))
            second.reply(Bytes("to the second"))
            #expect(try await reply.text == "to the second")
            await connection.close()
            await listener.close()
        }
    }

    @Test(arguments: Kind.allCases)
    func misuseIsSaid(kind: Kind) async throws {
        try await self.with(kind) { transport, address in
            let listener = try await transport.listen(at: address, contexts: 1)
            #expect(await refusal { try await transport.listen(at: address, contexts: 1) } == .addressInUse)
            #expect(await refusal { try await transport.listen(at: "nowhere", contexts: 1) } == .addressInvalid)
            #expect(await refusal { try transport.connect(to: "tcp://127.0.0.1:0") } == .addressInvalid)
            let connection = try transport.connect(to: address)
            let tooLarge = Bytes(HeapBlock(count: (8 << 20) + 1) { _ in })
            #expect(await refusal { try await connection.request(tooLarge, timeout: .seconds(30)) } == .messageTooLarge)
            await connection.close()
            await connection.close()
            #expect(await refusal { try await connection.request(.empty, timeout: .seconds(30)) } == .closed)
            await listener.close()
        }
    }

    @Test(arguments: Kind.allCases)
    func portZeroIsGivenOut(kind: Kind) async throws {
        try await self.with(kind) { transport, _ in
            let listener = try await transport.listen(at: "tcp://127.0.0.1:0", contexts: 1)
            let other = try await transport.listen(at: "tcp://127.0.0.1:0", contexts: 1)
            #expect(listener.address != other.address)
            let connection = try transport.connect(to: listener.address)
            async let reply = connection.request(Bytes("x"), timeout: .seconds(30))
            await requests(1, at: listener)[0].reply(.empty)
            #expect(try await reply.isEmpty)
            await connection.close()
            await listener.close()
            await other.close()
        }
    }
}

/// Receives until `count` requests are there. What was lost meanwhile is left out.
func requests(_ count: Int, at listener: any RequestListener) async -> [any IncomingRequest] {
    var received: [any IncomingRequest] = []
    while received.count < count {
        let events = await listener.receive()
        if events.isEmpty { break }
        for case .request(let request) in events { received.append(request) }
    }
    return received
}

/// Receives until a peer is lost.
func lostPeer(at listener: any RequestListener) async -> PeerID? {
    while true {
        let events = await listener.receive()
        if events.isEmpty { return nil }
        for case .peerLost(let peer) in events { return peer }
    }
}
