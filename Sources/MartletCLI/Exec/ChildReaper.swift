import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Learns which children have ended, from a thread for each that sleeps until then.
///
/// All signals go through it: it knows which process groups are still this process's to end.
final class ChildReaper: Sendable {
    private struct State {
        /// Started and not reaped.
        var running: Set<pid_t> = []
        var ended: [pid_t: ChildOutcome.Ending] = [:]
    }

    private let state = Mutex(State())

    /// Starts a child and watches it.
    ///
    /// - Parameters:
    ///   - childEnded: called on the child's thread when ``takeEnded()`` has something to tell.
    ///   - start: starts the child.
    func watch(
        _ start: () -> Result<pid_t, SpawnError>, childEnded: @escaping @Sendable () -> Void
    ) -> Result<pid_t, SpawnError> {
        // The thread comes first: without one, nobody would learn of the child's end.
        let handover = Handover()
        let hasThread = OwnThread.start {
            guard let processID = handover.take() else { return }
            self.collect(processID)
            childEnded()
        }
        guard hasThread else { return .failure(SpawnError(number: EAGAIN)) }
        let result = self.state.withLock { state in
            let result = start()
            if case .success(let processID) = result { state.running.insert(processID) }
            return result
        }
        handover.give(try? result.get())
        return result
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

    private func collect(_ processID: pid_t) {
        var info = siginfo_t()
        // The child stays a zombie for now, so that its group's number cannot be given to others.
        while waitid(P_PID, id_t(processID), &info, WEXITED | WNOWAIT) != 0 {
            precondition(errno == EINTR, "a child that was started can be waited for: error \(errno)")
        }
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
}

/// Tells a thread which child it is for.
private final class Handover: Sendable {
    private let processID = Mutex<pid_t?>(nil)
    private let isGiven = CountingSemaphore()

    func give(_ processID: pid_t?) {
        self.processID.withLock { $0 = processID }
        self.isGiven.signal()
    }

    func take() -> pid_t? {
        self.isGiven.wait()
        return self.processID.withLock { $0 }
    }
}
