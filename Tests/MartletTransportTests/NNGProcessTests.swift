import MartletCore
import MartletObservability
import MartletRuntime
import MartletTransport
import Synchronization
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

private let second = Duration.seconds(1)

/// What must hold for a whole process, or until nobody refers to a thing any more.
@Suite(.timeLimit(.minutes(1))) struct NNGProcessTests {
    /// A coordinator exits with hundreds of parked requests, live connections and a watchdog at work.
    @Test func exitWithParkedRequestsNeitherHangsNorCrashes() async {
        await #expect(processExitsWith: .exitCode(7)) {
            let harness = NNGHarness(NNGOptions(watchdogInterval: .milliseconds(1)))
            let listener = try await harness.transport.listen(at: "tcp://127.0.0.1:0", contexts: 500)
            let connection = try harness.transport.connect(to: listener.address)
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<300 {
                    group.addTask { _ = try? await connection.request(Bytes("x"), timeout: second * 3600) }
                }
                var parked: [ListenerEvent] = []
                while parked.count < 300 { parked += await listener.receive() }
                exit(7)
            }
        }
    }

    /// nng 1.5.2 hangs for good when a connection is closed between the two reads of a message: closing comes to rest
    /// first, whichever side begins.
    @Test func closeUnderTrafficEnds() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let log = Log { _, text, _ in fatalError("\(text)") }
            let harness = NNGHarness(log: log)
            for round in 0..<16 {
                try await harness.serving(contexts: 16) { listener in
                    let connection = try harness.transport.connect(to: listener.address)
                    let served = Counter()
                    await withTaskGroup(of: Void.self) { group in
                        for _ in 0..<32 {
                            group.addTask {
                                while (try? await connection.request(Bytes("x"), timeout: second * 60)) != nil {
                                    served.value.add(1, ordering: .relaxed)
                                }
                            }
                        }
                        _ = await eventually { served.value.load(ordering: .relaxed) > 200 }
                        if round.isMultiple(of: 2) { await listener.close() }
                        await connection.close()
                    }
                }
            }
            exit(0)
        }
    }

    /// Everything received is freed once nobody refers to it, whatever became of the request.
    @Test func noReceivedMessageIsLeaked() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let harness = NNGHarness()
            // Answers some, drops some, and keeps some until after the close.
            let kept = Mailbox<ListenerEvent>()
            let serve: @Sendable (ListenerEvent) -> Void = { event in
                guard case .request(let request) = event else { return }
                switch request.frame.text {
                case "answer": request.reply(request.frame)
                case "keep": kept.post(event)
                default: break
                }
            }
            var held: [ListenerEvent] = try await harness.serving(contexts: 32, serve) { listener in
                let connection = try harness.transport.connect(to: listener.address)
                return await withTaskGroup(of: Void.self) { group in
                    for number in 0..<300 {
                        let text = number < 10 ? "keep" : number.isMultiple(of: 3) ? "drop" : "answer"
                        group.addTask { _ = try? await connection.request(Bytes(text), timeout: second * 60) }
                    }
                    var held: [ListenerEvent] = []
                    while held.count < 10, let event = await kept.next() { held.append(event) }
                    for _ in 0..<150 { await group.next() }
                    await connection.close()
                    return held
                }
            }
            // The last references may end on other threads.
            let deadline = harness.loop.now + second * 30
            while NNGMessageBlock.liveCount != held.count && harness.loop.now < deadline { await Task.yield() }
            held.removeAll()
            while NNGMessageBlock.liveCount != 0 && harness.loop.now < deadline { await Task.yield() }
            if NNGMessageBlock.liveCount != 0 { fatalError("\(NNGMessageBlock.liveCount) messages are left") }
            exit(0)
        }
    }

    /// Parts that are let go of without a close are closed. That happens on threads of their own: the test asks
    /// until it is done, or the time limit says it never is.
    @Test func forgottenPartsAreClosed() async throws {
        let harness = NNGHarness()
        let address = NNGHarness.ipcAddress()
        try await self.useAndForget(address, harness)
        #expect(
            await eventually {
                await refusal { try await harness.transport.listen(at: address, contexts: 1).close() } == nil
            })
    }

    private func useAndForget(_ address: String, _ harness: NNGHarness) async throws {
        let listener = try await harness.transport.listenOverNNG(at: address, contexts: 32)
        for _ in 0..<10 {
            let connection = try harness.transport.connect(to: address)
            _ = try? await connection.request(Bytes("x"), timeout: .milliseconds(20))
        }
        #expect(await eventually { listener.statistics.connections == 0 })
    }
}

private final class Counter: Sendable {
    let value = Atomic<Int>(0)
}
