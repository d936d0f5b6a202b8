package import MartletCore
import Synchronization

extension EventLoop {
    /// Runs `body` with this loop as preferred executor, so that all of it that is not on an actor runs here, and
    /// so do the child tasks it starts.
    package final func run<Value: Sendable>(
        _ body: @concurrent @Sendable () async throws -> Value
    ) async rethrows -> Value {
        try await withTaskExecutorPreference(self) { try await body() }
    }

    /// Waits until `deadline` has come.
    ///
    /// - Throws: at once, when the task is cancelled.
    package final func sleep(until deadline: Instant) async throws(CancellationError) {
        let sleeper = Sleeper(self)
        let isCancelled = await withTaskCancellationHandler {
            await withUnsafeContinuation { sleeper.start(until: deadline, $0) }
        } onCancel: {
            sleeper.end(isCancelled: true)
        }
        if isCancelled { throw CancellationError() }
    }

    /// Waits for `duration`; not at all if it is not positive.
    ///
    /// - Throws: at once, when the task is cancelled.
    package final func sleep(for duration: Duration) async throws(CancellationError) {
        try await self.sleep(until: self.now + duration)
    }

    /// Runs `body` on this loop and cancels it when `duration` has passed.
    ///
    /// Returns or throws once `body` has ended: a body that ignores its cancellation delays it.
    ///
    /// - Throws: ``TimeoutError`` if the time ran out first, else what `body` throws.
    package final func withTimeout<Value: Sendable>(
        _ duration: Duration, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let deadline = self.now + duration
        return try await withThrowingTaskGroup(of: Value.self) { group in
            group.addTask(executorPreference: self) { try await body() }
            group.addTask(executorPreference: self) {
                try await self.sleep(until: deadline)
                throw TimeoutError()
            }
            defer { group.cancelAll() }
            guard let value = try await group.next() else { preconditionFailure("the group has two tasks") }
            return value
        }
    }
}

/// The time given to ``EventLoop/withTimeout(_:_:)`` ran out.
package struct TimeoutError: Error {
    package init() {}
}

/// One sleeping task: woken by its timer or by its cancellation, whichever comes first.
private final class Sleeper: Sendable {
    private struct State {
        var continuation: UnsafeContinuation<Bool, Never>?
        var timer: TimerID?
        var isOver = false
    }

    private let loop: EventLoop
    private let state = Mutex(State())

    init(_ loop: EventLoop) {
        self.loop = loop
    }

    func start(until deadline: Instant, _ continuation: UnsafeContinuation<Bool, Never>) {
        // A cancellation from now on finds the continuation; one from before shows here.
        let isCancelled = self.state.withLock { state in
            if state.isOver || Task.isCancelled {
                state.isOver = true
                return true
            }
            state.continuation = continuation
            return false
        }
        if isCancelled { return continuation.resume(returning: true) }
        let timer = self.loop.schedule(at: deadline) { self.end(isCancelled: false) }
        let isOver = self.state.withLock { state in
            state.timer = timer
            return state.isOver
        }
        if isOver { self.loop.cancel(timer) }
    }

    func end(isCancelled: Bool) {
        let (continuation, timer) = self.state.withLock { state in
            state.isOver = true
            return (state.continuation.take(), state.timer.take())
        }
        if isCancelled, let timer { self.loop.cancel(timer) }
        continuation?.resume(returning: isCancelled)
    }
}
