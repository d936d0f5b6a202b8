import Synchronization

/// Wakes one waiting task. Notifications that come before it waits count as one.
///
/// What the notification is about lies elsewhere, behind its own lock: the waiter takes all of it each time it
/// wakes, so that a burst costs one wake.
package final class Signal: Sendable {
    private enum State {
        case idle
        case notified
        case waiting(UnsafeContinuation<Void, Never>)
    }

    private let state = Mutex(State.idle)

    package init() {}

    /// Wakes the waiter, or lets the next ``wait()`` return at once. Callable from any thread.
    package func notify() {
        let waiter = self.state.withLock { state -> UnsafeContinuation<Void, Never>? in
            if case .waiting(let continuation) = state {
                state = .idle
                return continuation
            }
            state = .notified
            return nil
        }
        waiter?.resume()
    }

    /// Returns once ``notify()`` was called since the last return, or when the task is cancelled.
    ///
    /// - Precondition: no other task waits.
    package func wait() async {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let resumesAtOnce = self.state.withLock { state in
                    switch state {
                    case .notified:
                        state = .idle
                        return true
                    case .idle:
                        // A cancellation from now on finds the waiter; one from before shows here.
                        guard !Task.isCancelled else { return true }
                        state = .waiting(continuation)
                        return false
                    case .waiting:
                        preconditionFailure("a signal has one waiter")
                    }
                }
                if resumesAtOnce { continuation.resume() }
            }
        } onCancel: {
            let waiter = self.state.withLock { state -> UnsafeContinuation<Void, Never>? in
                guard case .waiting(let continuation) = state else { return nil }
                state = .idle
                return continuation
            }
            waiter?.resume()
        }
    }
}
