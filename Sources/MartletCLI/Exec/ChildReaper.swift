import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Learns which children have ended, by waiting for them on a thread of its own.
///
/// All signals go through it: it knows which process groups are still this process's to end. Nobody else in the
/// process may start children while it lives.
final class ChildReaper: Sendable {
    private struct State {
        /// Started and not reaped.
        var running: Set<pid_t> = []
        var ended: [pid_t: ChildOutcome.Ending] = [:]
        var isStopping = false
    }

    private let state = Mutex(State())
    /// Counts the children that were started and not yet waited for.
    private let started = CountingSemaphore()

    /// Starts a child while nobody looks at who has ended.
    ///
    /// - Parameter start: returns nil if no child was started.
    func register(_ start: () -> pid_t?) -> pid_t? {
        let processID = self.state.withLock { state in
            let processID = start()
            if let processID { state.running.insert(processID) }
            return processID
        }
        if processID != nil { self.started.signal() }
        return processID
    }

    /// Sends a signal to the child and all of its process group, unless the child has ended.
    func signal(_ number: CInt, to processID: pid_t) {
        self.state.withLock { state in
            if state.running.contains(processID) { kill(-processID, number) }
        }
    }

    /// Who has ended since the last call.
    func takeEnded() -> [pid_t: ChildOutcome.Ending] {
        self.state.withLock { state in
            defer { state.ended = [:] }
            return state.ended
        }
    }

    /// Ends ``run(_:)``. Only when no child runs any more.
    func stop() {
        self.state.withLock { $0.isStopping = true }
        self.started.signal()
    }

    /// Waits for children until it is stopped; calls back after each end.
    func run(_ childEnded: () -> Void) {
        while true {
            self.started.wait()
            if self.state.withLock({ $0.isStopping }) { return }
            self.collectOne()
            childEnded()
        }
    }

    private func collectOne() {
        var info = siginfo_t()
        // The child stays a zombie for now, so that its group's number cannot be given to others.
        while waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) != 0 {
            precondition(errno == EINTR, "a child that was started can be waited for: error \(errno)")
        }
        let processID = Self.processID(info)
        self.state.withLock { state in
            // What the child left behind ends with it: nobody else would.
            kill(-processID, SIGKILL)
            var status: CInt = 0
            while waitpid(processID, &status, 0) < 0, errno == EINTR {}
            state.running.remove(processID)
            // The low seven bits hold the signal, the next byte the exit code.
            let number = status & 0x7F
            state.ended[processID] = number == 0 ? .exited(status >> 8 & 0xFF) : .signalled(number)
        }
    }

    private static func processID(_ info: siginfo_t) -> pid_t {
        #if canImport(Glibc)
            info._sifields._sigchld.si_pid
        #elseif canImport(Musl)
            info.__si_fields.__si_common.__first.__piduid.si_pid
        #else
            info.si_pid
        #endif
    }
}
