@preconcurrency import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Calls back when the process is told to end.
///
/// The signal's handler writes a byte into a pipe; a dispatch source on a queue of its own reads it, so that neither
/// blocked pool threads nor the limits of signal handlers matter. A handler rather than `SIG_IGN`, because programs
/// that this process starts would inherit the latter.
package final class ShutdownSignals: Sendable {
    private struct Listener {
        let watch: ShutdownSignals
        let onSignal: @Sendable () -> Void
    }

    /// Where the signals' handler writes; -1 before the first use. The pipe stays for the life of the process.
    private static let writeEnd = Atomic<Int32>(-1)
    private static let listeners = Mutex<[Listener]>([])
    private static let source: any DispatchSourceRead = {
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0, "the process has no file descriptor left")
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        let readEnd = ends[0]
        let source = DispatchSource.makeReadSource(
            fileDescriptor: readEnd, queue: DispatchQueue(label: "martlet.signals"))
        source.setEventHandler {
            var byte: UInt8 = 0
            while read(readEnd, &byte, 1) == 1 { ShutdownSignals.receive() }
        }
        source.resume()
        ShutdownSignals.writeEnd.store(ends[1], ordering: .sequentiallyConsistent)
        return source
    }()

    private let signals: [Int32]
    private let came = Atomic(false)

    /// - Parameter onSignal: called at the first of `signals`. The second then does what it does by default: ends the
    ///   process.
    package init(_ signals: [Int32], onSignal: @escaping @Sendable () -> Void) {
        self.signals = signals
        _ = Self.source
        Self.listeners.withLock { $0.append(Listener(watch: self, onSignal: onSignal)) }
        for each in signals {
            signal(each) { _ in
                var byte: UInt8 = 0
                _ = write(ShutdownSignals.writeEnd.load(ordering: .sequentiallyConsistent), &byte, 1)
            }
        }
    }

    /// Whether one of the signals has come.
    var hasCome: Bool { self.came.load(ordering: .sequentiallyConsistent) }

    /// Listens no more. The signals do what they do by default once nobody listens.
    package func end() {
        let isLast = Self.listeners.withLock { listeners in
            listeners.removeAll { $0.watch === self }
            return listeners.isEmpty
        }
        if isLast { for each in self.signals { signal(each, SIG_DFL) } }
    }

    private static func receive() {
        for listener in Self.listeners.withLock({ $0 }) {
            for each in listener.watch.signals { signal(each, SIG_DFL) }
            listener.watch.came.store(true, ordering: .sequentiallyConsistent)
            listener.onSignal()
        }
    }
}
