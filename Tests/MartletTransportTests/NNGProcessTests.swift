import MartletCore
import MartletRuntime
import MartletTransport
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

private let second = Duration.seconds(1)

/// What must hold for a whole process, each in one of its own.
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
            try await harness.serving(contexts: 32, serve) { listener in
                let connection = try harness.transport.connect(to: listener.address)
                await withTaskGroup(of: Void.self) { group in
                    for number in 0..<300 {
                        group.addTask {
                            let text = number < 10 ? "keep" : number.isMultiple(of: 3) ? "drop" : "answer"
                            _ = try? await connection.request(Bytes(text), timeout: .milliseconds(300))
                        }
                    }
                }
                await connection.close()
            }
            for _ in 0..<10 { _ = await kept.next() }
            if NNGMessageBlock.liveCount != 0 { fatalError("\(NNGMessageBlock.liveCount) messages are left") }
            exit(0)
        }
    }

    /// Parts that are let go of without a close give everything back, too.
    @Test func forgottenPartsAreClosed() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let harness = NNGHarness()
            let before = openDescriptors()
            for _ in 0..<20 {
                let listener = try await harness.transport.listen(at: "tcp://127.0.0.1:0", contexts: 4)
                let connection = try harness.transport.connect(to: listener.address)
                _ = try? await connection.request(Bytes("x"), timeout: .milliseconds(5))
            }
            // Closing runs on threads of its own: ask until it is done, or the time limit says it never is.
            while openDescriptors() > before + 16 { await Task.yield() }
            exit(0)
        }
    }
}

/// How many files and sockets this process has open.
private func openDescriptors() -> Int {
    (0..<1024).count { fcntl(Int32($0), F_GETFD) >= 0 }
}
