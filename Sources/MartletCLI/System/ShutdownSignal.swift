@preconcurrency import Dispatch
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// SIGINT and SIGTERM as a request to finish; the second one ends the process at once.
final class ShutdownSignal: Sendable {
    private struct State {
        var count = 0
        var waiter: CheckedContinuation<Int32?, Never>?
        var first: Int32?
        var isOver = false
    }

    private let state = Mutex(State())
    private let sources: [any DispatchSourceSignal]

    init() {
        let queue = DispatchQueue(label: "signals")
        self.sources = [SIGINT, SIGTERM].map { number in
            // The default action would end the process before the source hears of it.
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: queue)
        }
        for (source, number) in zip(self.sources, [SIGINT, SIGTERM]) {
            source.setEventHandler { [weak self] in self?.arrived(number) }
            source.resume()
        }
    }

    deinit {
        for source in self.sources { source.cancel() }
    }

    /// Runs `body`; a signal cancels it.
    ///
    /// - Returns: the signal that ended it, or nil if it ended by itself.
    func cancelling(_ body: @escaping @Sendable () async throws -> Void) async throws -> Int32? {
        try await withThrowingTaskGroup(of: Int32?.self) { group in
            group.addTask {
                try await body()
                return nil
            }
            group.addTask { await self.wait() }
            let first = try await group.next() ?? nil
            group.cancelAll()
            do {
                while try await group.next() != nil {}
            } catch is CancellationError {
                // What a cancelled body ends with.
            }
            return first
        }
    }

    private func wait() async -> Int32? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let signal: Int32?? = self.state.withLock { state in
                    if state.isOver { return .some(nil) }
                    if let first = state.first { return .some(first) }
                    state.waiter = continuation
                    return nil
                }
                if let signal { continuation.resume(returning: signal) }
            }
        } onCancel: {
            let waiter = self.state.withLock { state in
                state.isOver = true
                return state.waiter.take()
            }
            waiter?.resume(returning: nil)
        }
    }

    private func arrived(_ number: Int32) {
        let (count, waiter) = self.state.withLock { state in
            state.count += 1
            state.first = state.first ?? number
            return (state.count, state.waiter.take())
        }
        waiter?.resume(returning: number)
        // Somebody insists.
        if count > 1 { _exit(128 + number) }
    }
}
