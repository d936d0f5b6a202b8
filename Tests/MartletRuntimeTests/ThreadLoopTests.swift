import MartletCore
import Synchronization
import Testing

@testable import MartletRuntime

/// An actor on a loop, to see where its code runs.
private actor Counter {
    private let loop: EventLoop
    private(set) var count = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    init(on loop: EventLoop) {
        self.loop = loop
    }

    /// Returns whether it ran on the loop.
    func increment() -> Bool {
        self.count += 1
        return self.loop.isCurrent
    }

    nonisolated func incrementFromTheLoop() {
        self.assumeIsolated { $0.count += 1 }
    }
}

@Suite(.timeLimit(.minutes(1))) struct ThreadLoopTests {
    @Test func actorsAndTasksRunOnTheThread() async {
        let loop = ThreadLoop(name: "martlet-test")
        let counter = Counter(on: loop)
        #expect(!loop.isCurrent)
        await loop.run {
            #expect(loop.isCurrent)
            let isOnLoop = await counter.increment()
            #expect(isOnLoop)
            #expect(loop.isCurrent)
            await withTaskGroup { group in
                for _ in 0..<10 { group.addTask { #expect(loop.isCurrent) } }
            }
            counter.incrementFromTheLoop()
        }
        #expect(await counter.count == 2)
        loop.shutdown()
    }

    @Test func everyJobOfManyThreadsRunsOnce() async {
        let loop = ThreadLoop(name: "martlet-test")
        let counter = Counter(on: loop)
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<5000 { _ = await counter.increment() } }
            }
        }
        #expect(await counter.count == 40_000)
        loop.shutdown()
    }

    @Test func timersFireInOrderOnTheThreadAndNotBeforeTheirTime() async {
        let loop = ThreadLoop(name: "martlet-test")
        let done = Signal()
        let fired = Mutex<[Int]>([])
        let start = loop.now
        for number in [3, 1, 2] {
            loop.schedule(at: start + .milliseconds(5 * number)) {
                #expect(loop.isCurrent)
                #expect(loop.now >= start + .milliseconds(5 * number))
                fired.withLock { $0.append(number) }
                if number == 3 { done.notify() }
            }
        }
        await done.wait()
        #expect(fired.withLock { $0 } == [1, 2, 3])
        loop.shutdown()
    }

    /// Without the wake the loop would sleep for an hour.
    @Test func anEarlierTimerWakesASleepingLoop() async {
        let loop = ThreadLoop(name: "martlet-test", sleepMax: .seconds(3600))
        let done = Signal()
        loop.schedule(at: loop.now + .seconds(3600)) { Issue.record("this timer is not due") }
        // The round trip leaves the loop asleep, or about to be.
        await loop.run {}
        loop.schedule(at: loop.now + .milliseconds(1)) { done.notify() }
        await done.wait()
        loop.shutdown()
    }

    @Test func aTimerCancelledByTheOneBeforeItDoesNotFire() async {
        let loop = ThreadLoop(name: "martlet-test")
        await loop.run {
            let due = loop.now
            let second = Mutex<TimerID?>(nil)
            loop.schedule(at: due) { loop.cancel(second.withLock { $0! }) }
            let cancelled = loop.schedule(at: due) { Issue.record("a cancelled timer fired") }
            second.withLock { $0 = cancelled }
            try? await loop.sleep(until: due + .milliseconds(2))
        }
        loop.shutdown()
    }

    /// A timer's captures may end with it and touch the loop: that must find no lock held.
    @Test func whatATimerHoldsMayUseTheLoopAsItEnds() async {
        final class Holder: Sendable {
            let loop: ThreadLoop
            let ended: Signal
            init(_ loop: ThreadLoop, _ ended: Signal) {
                self.loop = loop
                self.ended = ended
            }
            deinit {
                self.loop.cancel(TimerID(rawValue: 0))
                self.ended.notify()
            }
        }
        let loop = ThreadLoop(name: "martlet-test")
        let ended = Signal()
        loop.schedule(at: loop.now) { [holder = Holder(loop, ended)] in _ = holder }
        await ended.wait()
        let timer = loop.schedule(at: .distantFuture) { [holder = Holder(loop, ended)] in _ = holder }
        loop.cancel(timer)
        await ended.wait()
        loop.shutdown()
    }

    /// A task that a timer resumes is enqueued while the thread is on its way to sleep.
    @Test func aTaskResumedByATimerRunsAtOnce() async throws {
        let loop = ThreadLoop(name: "martlet-test", sleepMax: .seconds(3600))
        try await loop.run {
            for _ in 0..<20 { try await loop.sleep(for: .milliseconds(1)) }
        }
        loop.shutdown()
    }

    @Test func shutdownRunsWhatIsQueuedAndLetsGoOfTheLoop() async {
        weak var leaked: ThreadLoop?
        do {
            let loop = ThreadLoop(name: "martlet-test")
            leaked = loop
            await loop.run {}
            loop.schedule(at: .distantFuture) { [loop] in _ = loop }
            loop.shutdown()
            loop.shutdown()
        }
        #expect(leaked == nil)
    }

    @Test func sleepEndsAtItsDeadlineOrWithItsTask() async throws {
        let loop = ThreadLoop(name: "martlet-test")
        let start = loop.now
        try await loop.sleep(for: .milliseconds(5))
        #expect(loop.now - start >= .milliseconds(5))

        let sleeper = Task { try await loop.sleep(for: .seconds(3600)) }
        sleeper.cancel()
        await #expect(throws: CancellationError.self) { try await sleeper.value }
        loop.shutdown()
    }

    @Test func timeoutCancelsTheBodyAndAQuickBodyLeavesNoTimer() async throws {
        let loop = ThreadLoop(name: "martlet-test")
        await #expect(throws: TimeoutError.self) {
            try await loop.withTimeout(.milliseconds(2)) { try await loop.sleep(for: .seconds(3600)) }
        }
        let answer = try await loop.withTimeout(.seconds(3600)) {
            #expect(loop.isCurrent)
            return 42
        }
        #expect(answer == 42)
        loop.shutdown()
    }

    @Test func randomNumbersDiffer() {
        let loop = ThreadLoop(name: "martlet-test")
        #expect(Set((0..<1000).map { _ in loop.random() }).count == 1000)
        #expect((0..<1000).allSatisfy { _ in (0..<1).contains(loop.randomUnit()) })
        loop.shutdown()
    }
}

@Suite(.timeLimit(.minutes(1))) struct SignalTests {
    @Test func notificationsBeforeTheWaitCountAsOne() async {
        let signal = Signal()
        signal.notify()
        signal.notify()
        await signal.wait()
        let second = Task { await signal.wait() }
        // If the second notification had counted too, the task would end without the cancellation.
        second.cancel()
        await second.value
        signal.notify()
        await signal.wait()
    }

    @Test func aCancelledWaitLeavesTheSignalUsable() async {
        let signal = Signal()
        let waiter = Task { await signal.wait() }
        waiter.cancel()
        await waiter.value
        signal.notify()
        await signal.wait()
    }

    /// Each item is announced once; a lost wake would leave the consumer waiting for ever.
    @Test func noWakeIsLostBetweenTwoThreads() async {
        let producer = ThreadLoop(name: "producer")
        let consumer = ThreadLoop(name: "consumer")
        let signal = Signal()
        let inbox = Mutex(0)
        async let consumed: Void = consumer.run {
            var count = 0
            while count < 20_000 {
                await signal.wait()
                count += inbox.withLock { box in
                    defer { box = 0 }
                    return box
                }
            }
        }
        await producer.run {
            for number in 0..<20_000 {
                inbox.withLock { $0 += 1 }
                signal.notify()
                if number % 64 == 0 { await Task.yield() }
            }
        }
        await consumed
        producer.shutdown()
        consumer.shutdown()
    }
}
