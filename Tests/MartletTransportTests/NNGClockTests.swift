import MartletCore
import MartletRuntime
import MartletTransport
import Synchronization
import Testing

private let second = Duration.seconds(1)

/// Time-outs follow the loop's monotonic clock and nothing else.
@Suite(.timeLimit(.minutes(1))) struct NNGClockTests {
    @Test func requestTimesOutWhenTheMonotonicClockSaysSo() async throws {
        let clock = ManualTimers()
        let transport = NNGTransport(loop: clock)
        let listener = try await transport.listen(at: "tcp://127.0.0.1:0", contexts: 4)
        let connection = try transport.connect(to: listener.address)
        let ended = Mailbox<TransportError.Code?>()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                ended.post(await refusal { try await connection.request(Bytes("x"), timeout: second * 3600) })
            }
            let held = await listener.receive()
            clock.advance(by: second * 3599)
            // Civil time jumps years either way; it is nobody's deadline.
            clock.setWallTime(WallTime(microseconds: .max / 2))
            clock.setWallTime(WallTime(microseconds: 0))
            #expect(!ended.hasPosted)
            clock.advance(by: second)
            #expect(await ended.next() == .some(.timedOut))
            withExtendedLifetime(held) {}
        }
        await connection.close()
        await listener.close()
    }

    @Test func eachRequestHasItsOwnDeadline() async throws {
        let clock = ManualTimers()
        let transport = NNGTransport(loop: clock)
        let listener = try await transport.listen(at: "tcp://127.0.0.1:0", contexts: 8)
        let connection = try transport.connect(to: listener.address)
        let ended = Mailbox<Int>()
        await withTaskGroup(of: Void.self) { group in
            var held: [ListenerEvent] = []
            // Not in order of their deadlines.
            for hours in [3, 1, 2] {
                group.addTask {
                    let code = await refusal {
                        try await connection.request(Bytes("x"), timeout: second * 3600 * hours)
                    }
                    ended.post(code == .timedOut ? hours : -1)
                }
                held += await listener.receive()
            }
            for hours in 1...3 {
                clock.advance(by: second * 3600)
                #expect(await ended.next() == hours)
            }
            withExtendedLifetime(held) {}
        }
        await connection.close()
        await listener.close()
    }
}

/// Clocks that stand still until told otherwise. Nothing but timers runs on this loop.
private final class ManualTimers: EventLoop, @unchecked Sendable {
    private struct State {
        var now = Instant(nanoseconds: 1_000_000_000)
        var wallTime = WallTime(microseconds: 1_700_000_000_000_000)
        var timers = TimerQueue()
    }

    private let state = Mutex(State())

    override init() { super.init() }

    override var now: Instant { self.state.withLock { $0.now } }
    override var wallTime: WallTime { self.state.withLock { $0.wallTime } }
    override func random() -> UInt64 { 4 }

    override func schedule(at deadline: Instant, _ action: @escaping @Sendable () -> Void) -> TimerID {
        self.state.withLock { $0.timers.insert(at: deadline, action) }
    }

    override func cancel(_ timer: TimerID) {
        withExtendedLifetime(self.state.withLock { $0.timers.take(timer) }) {}
    }

    func setWallTime(_ time: WallTime) { self.state.withLock { $0.wallTime = time } }

    func advance(by duration: Duration) {
        self.state.withLock { $0.now = $0.now + duration }
        while let action = self.state.withLock({ $0.timers.popDue(at: $0.now) }) { action() }
    }
}
