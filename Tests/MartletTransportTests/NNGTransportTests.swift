import MartletCore
import MartletRuntime
import MartletTransport
import Synchronization
import Testing

private let second = Duration.seconds(1)

@Suite(.timeLimit(.minutes(1))) struct NNGTransportTests {
    @Test(arguments: ["tcp://127.0.0.1:0", "tcp://localhost:0", "tcp://[::1]:0", "ipc"])
    func requestIsAnswered(scheme: String) async throws {
        let harness = NNGHarness()
        let address = scheme == "ipc" ? NNGHarness.ipcAddress() : scheme
        let reply = try await harness.serving(at: address) { listener in
            try await harness.connected(to: listener.address) {
                try await $0.request(Bytes("hello"), timeout: second * 10)
            }
        }
        #expect(reply.text == "hello")
    }

    @Test func emptyFrameIsCarried() async throws {
        let harness = NNGHarness()
        let reply = try await harness.serving { listener in
            try await harness.connected(to: listener.address) { try await $0.request(.empty, timeout: second * 10) }
        }
        #expect(reply.isEmpty)
    }

    @Test func largestFrameIsCarriedAndOneByteMoreIsRefused() async throws {
        let harness = NNGHarness()
        try await harness.serving { listener in
            try await harness.connected(to: listener.address) { connection in
                let largest = Bytes(HeapBlock(count: 8 << 20) { $0.initializeMemory(as: UInt8.self, repeating: 7) })
                let reply = try await connection.request(largest, timeout: second * 20)
                #expect(reply == largest)
                let over = Bytes(HeapBlock(count: 8 << 20 + 1) { _ in })
                #expect(await refusal { try await connection.request(over, timeout: second) } == .messageTooLarge)
            }
        }
    }

    @Test func repliesMayComeInAnyOrder() async throws {
        let harness = NNGHarness()
        let held = Mutex<[any IncomingRequest]>([])
        let count = 50
        // Answers all of them, last first, when the last has come.
        let serve: @Sendable (ListenerEvent) -> Void = { event in
            guard case .request(let request) = event else { return }
            let all = held.withLock { held in
                held.append(request)
                return held.count == count ? held : []
            }
            for request in all.reversed() { request.reply(request.frame) }
        }
        let replies = try await harness.serving(serve) { listener in
            try await harness.connected(to: listener.address) { connection in
                try await withThrowingTaskGroup(of: (Int, String).self) { group in
                    for number in 0..<count {
                        group.addTask {
                            (number, try await connection.request(Bytes("\(number)"), timeout: second * 20).text)
                        }
                    }
                    return try await group.reduce(into: [Int: String]()) { $0[$1.0] = $1.1 }
                }
            }
        }
        #expect(replies.count == count)
        #expect(replies.allSatisfy { "\($0.key)" == $0.value })
    }

    @Test func requestsOverTheContextsWaitForOneToBeFree() async throws {
        let harness = NNGHarness()
        let replies = try await harness.serving(contexts: 2) { listener in
            try await harness.connected(to: listener.address) { connection in
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<200 {
                        group.addTask { try await connection.request(Bytes("x"), timeout: second * 20).count }
                    }
                    return try await group.reduce(0, +)
                }
            }
        }
        #expect(replies == 200)
    }

    @Test func droppedRequestFreesItsContext() async throws {
        let harness = NNGHarness()
        let dropped = Mailbox<Void>()
        let serve: @Sendable (ListenerEvent) -> Void = { event in
            guard case .request(let request) = event else { return }
            if request.frame.text == "drop" { dropped.post(()) } else { request.reply(request.frame) }
        }
        try await harness.serving(contexts: 1, serve) { listener in
            try await harness.connected(to: listener.address) { connection in
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { _ = try? await connection.request(Bytes("drop"), timeout: second * 60) }
                    _ = await dropped.next()
                    group.cancelAll()
                }
                let reply = try await connection.request(Bytes("served"), timeout: second * 20).text
                #expect(reply == "served")
            }
        }
    }

    @Test func secondReplyDoesNothing() async throws {
        let harness = NNGHarness()
        let serve: @Sendable (ListenerEvent) -> Void = { event in
            guard case .request(let request) = event else { return }
            request.reply(Bytes("first"))
            request.reply(Bytes("second"))
        }
        let replies = try await harness.serving(contexts: 1, serve) { listener in
            try await harness.connected(to: listener.address) { connection in
                var replies: [String] = []
                for _ in 0..<20 {
                    replies.append(try await connection.request(Bytes("x"), timeout: second * 20).text)
                }
                return replies
            }
        }
        #expect(replies.allSatisfy { $0 == "first" })
    }

    @Test func replyOverTheLimitIsCountedAndItsContextFreed() async throws {
        let harness = NNGHarness(NNGOptions(frameBytesMax: 1000))
        let serve: @Sendable (ListenerEvent) -> Void = { event in
            guard case .request(let request) = event else { return }
            request.reply(request.frame.count == 1 ? Bytes(HeapBlock(count: 1001) { _ in }) : request.frame)
        }
        try await harness.serving(contexts: 1, serve) { listener in
            try await harness.connected(to: listener.address) { connection in
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { _ = try? await connection.request(Bytes("x"), timeout: second * 60) }
                    #expect(await eventually { listener.statistics.repliesTooLarge == 1 })
                    group.cancelAll()
                }
                let reply = try await connection.request(Bytes("xy"), timeout: second * 20).text
                #expect(reply == "xy")
            }
        }
    }

    @Test func lossOfAPeerIsToldAfterItsRequests() async throws {
        let harness = NNGHarness()
        let events = Mailbox<ListenerEvent>()
        try await harness.serving(events.post) { listener in
            let connection = try harness.transport.connect(to: listener.address)
            async let code = refusal { try await connection.request(Bytes("x"), timeout: second * 60) }
            guard case .request(let request)? = await events.next() else {
                Issue.record("the request comes first")
                return
            }
            await connection.close()
            #expect(await code == .closed)
            guard case .peerLost(let peer)? = await events.next() else {
                Issue.record("then the loss")
                return
            }
            #expect(peer == request.peer)
            // Nobody hears it; nothing breaks.
            request.reply(Bytes("late"))
        }
    }

    @Test func peersAreToldApart() async throws {
        let harness = NNGHarness()
        let serve: @Sendable (ListenerEvent) -> Void = { event in
            if case .request(let request) = event { request.reply(Bytes("\(request.peer.rawValue)")) }
        }
        try await harness.serving(serve) { listener in
            var peers: Set<String> = []
            for _ in 0..<3 {
                try await harness.connected(to: listener.address) { connection in
                    let first = try await connection.request(Bytes("x"), timeout: second * 20).text
                    let reply = try await connection.request(Bytes("x"), timeout: second * 20).text
                    #expect(reply == first)
                    peers.insert(first)
                }
            }
            #expect(peers.count == 3)
        }
    }

    @Test func addressInUseIsSaid() async throws {
        let harness = NNGHarness()
        try await harness.serving { listener in
            #expect(
                await refusal { try await harness.transport.listen(at: listener.address, contexts: 1) } == .addressInUse
            )
        }
        let ipc = NNGHarness.ipcAddress()
        try await harness.serving(at: ipc) { _ in
            #expect(await refusal { try await harness.transport.listen(at: ipc, contexts: 1) } == .addressInUse)
            // The attempt did not take the address away from its holder.
            try await harness.connected(to: ipc) { _ = try await $0.request(.empty, timeout: second * 10) }
        }
    }

    @Test(arguments: [
        ("http://x:1", TransportError.Code.addressInvalid), ("tcp://127.0.0.1", .addressInvalid),
        ("tcp://192.0.2.1:0", .addressInvalid), ("ipc:///no/such/folder/socket", .addressInvalid),
        ("ipc:///etc/passwd", .addressInUse),
    ])
    func badAddressIsSaid(address: String, expected: TransportError.Code) async throws {
        let harness = NNGHarness()
        #expect(await refusal { try await harness.transport.listen(at: address, contexts: 1) } == expected)
    }

    @Test func connectionNeedsAPortAndAHost() {
        let harness = NNGHarness()
        #expect(throws: TransportError.self) { try harness.transport.connect(to: "tcp://127.0.0.1:0") }
        #expect(throws: TransportError.self) { try harness.transport.connect(to: "tcp://*:7400") }
    }

    @Test func cancelledTaskEndsItsRequest() async throws {
        let harness = NNGHarness()
        let arrived = Mailbox<ListenerEvent>()
        try await harness.serving(arrived.post) { listener in
            try await harness.connected(to: listener.address) { connection in
                let ended = Mailbox<TransportError.Code?>()
                await withTaskGroup(of: Void.self) { group in
                    group.addTask {
                        do throws(TransportError) {
                            _ = try await connection.request(Bytes("x"), timeout: second * 60)
                            ended.post(nil)
                        } catch { ended.post(error.code) }
                    }
                    _ = await arrived.next()
                    group.cancelAll()
                }
                #expect(await ended.next() == .some(.cancelled))
            }
        }
    }

    @Test func cancelledBeforeItStartsIsNotSent() async throws {
        let harness = NNGHarness()
        try await harness.serving { listener in
            try await harness.connected(to: listener.address) { connection in
                await withTaskGroup(of: Void.self) { group in
                    group.cancelAll()
                    group.addTask {
                        #expect(
                            await refusal { try await connection.request(Bytes("x"), timeout: second * 60) }
                                == .cancelled)
                    }
                }
                // The exchange is whole: it serves the next request.
                _ = try await connection.request(Bytes("x"), timeout: second * 10)
            }
        }
    }

    @Test func closeEndsOutstandingRequests() async throws {
        let harness = NNGHarness()
        let arrived = Mailbox<ListenerEvent>()
        try await harness.serving(arrived.post) { listener in
            let connection = try harness.transport.connect(to: listener.address)
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<10 {
                    group.addTask {
                        #expect(
                            await refusal { try await connection.request(Bytes("x"), timeout: second * 60) } == .closed)
                    }
                }
                for _ in 0..<10 { _ = await arrived.next() }
                await connection.close()
            }
            await connection.close()
            #expect(await refusal { try await connection.request(Bytes("x"), timeout: second) } == .closed)
        }
    }

    @Test func listenerClosesWithRequestsUnanswered() async throws {
        let harness = NNGHarness()
        let events = Mailbox<ListenerEvent>()
        let listener = try await harness.transport.listenOverNNG(at: "tcp://127.0.0.1:0", contexts: 8)
        let connection = try harness.transport.connect(to: listener.address)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                #expect(
                    await refusal { try await connection.request(Bytes("x"), timeout: second * 60) } == .connectionLost)
            }
            for event in await listener.receive() { events.post(event) }
            await listener.close()
        }
        await listener.close()
        #expect(await listener.receive().isEmpty)
        // Held across the close: answering does nothing, dropping frees it.
        guard case .request(let request)? = await events.next() else { return }
        request.reply(Bytes("late"))
        await connection.close()
    }

    @Test func closeLetsAWaitingReceiveGo() async throws {
        let harness = NNGHarness()
        let listener = try await harness.transport.listen(at: "tcp://127.0.0.1:0", contexts: 1)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { #expect(await listener.receive().isEmpty) }
            await listener.close()
        }
    }

    @Test func cancellationLetsAWaitingReceiveGo() async throws {
        let harness = NNGHarness()
        let listener = try await harness.transport.listen(at: "tcp://127.0.0.1:0", contexts: 1)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { #expect(await listener.receive().isEmpty) }
            group.cancelAll()
        }
        await listener.close()
    }

    @Test func lostListenerEndsRequestsAndItsReturnServesNewOnes() async throws {
        let harness = NNGHarness(NNGOptions(reconnectDelay: .milliseconds(20) ... .milliseconds(50)))
        let first = try await harness.transport.listenOverNNG(at: "tcp://127.0.0.1:0", contexts: 8)
        let address = first.address
        let connection = try harness.transport.connect(to: address)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                #expect(
                    await refusal { try await connection.request(Bytes("x"), timeout: second * 60) } == .connectionLost)
            }
            _ = await first.receive()
            await first.close()
        }
        let reply = try await harness.serving(at: address) { _ in
            try await connection.request(Bytes("again"), timeout: second * 20)
        }
        #expect(reply.text == "again")
        await connection.close()
    }

    @Test func requestWaitsForAListenerThatComesLater() async throws {
        let harness = NNGHarness(NNGOptions(reconnectDelay: .milliseconds(20) ... .milliseconds(50)))
        let address = NNGHarness.ipcAddress()
        let connection = try harness.transport.connect(to: address)
        try await withThrowingTaskGroup(of: String.self) { group in
            group.addTask { try await connection.request(Bytes("early"), timeout: second * 20).text }
            let served = Mailbox<Void>()
            try await harness.serving(at: address) { event in
                NNGHarness.echo(event)
                served.post(())
            } _: { _ in
                _ = await served.next()
                // Closing would cut the reply off.
                _ = try await harness.connected(to: address) { try await $0.request(.empty, timeout: second * 20) }
            }
            let early = try await group.next()
            #expect(early == "early")
        }
        await connection.close()
    }

    @Test func outstandingRequestsAreBounded() async throws {
        let harness = NNGHarness(NNGOptions(outstandingMax: 2))
        let arrived = Mailbox<ListenerEvent>()
        try await harness.serving(arrived.post) { listener in
            let connection = try harness.transport.connect(to: listener.address)
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<2 {
                    group.addTask { _ = try? await connection.request(Bytes("x"), timeout: second * 60) }
                }
                for _ in 0..<2 { _ = await arrived.next() }
                #expect(await refusal { try await connection.request(Bytes("x"), timeout: second) } == .failed)
                await connection.close()
            }
        }
    }

    @Test func receivedMessagesAreFreed() async throws {
        let harness = NNGHarness()
        try await harness.serving { listener in
            try await harness.connected(to: listener.address) { connection in
                for _ in 0..<100 { _ = try await connection.request(Bytes("x"), timeout: second * 20) }
            }
        }
        // Other tests run beside this one and hold a few of their own.
        #expect(NNGMessageBlock.liveCount < 100)
    }
}

/// The code of the error that `body` throws.
func refusal<Value>(_ body: () async throws -> Value) async -> TransportError.Code? {
    do {
        _ = try await body()
        return nil
    } catch {
        return (error as? TransportError)?.code
    }
}
