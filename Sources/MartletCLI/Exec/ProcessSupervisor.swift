import MartletCore
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Runs child processes from a thread of its own, so that no executor ever waits for one.
///
/// One thread starts children, feeds them, reads their errors and ends them. Each child leads a process group: what it leaves behind ends with it.
final class ProcessSupervisor: Sendable {
    private enum Order {
        case start(UInt64, ChildRequest, CheckedContinuation<ChildOutcome, Never>)
        case end(UInt64)
        case stop(CheckedContinuation<Void, Never>)
    }

    private struct Shared {
        var orders: [Order] = []
        var nextID: UInt64 = 1
        var isAwake = false
        /// Runs that were cancelled and have not returned: the order to end may overtake the one to start.
        var cancelled: Set<UInt64> = []
    }

    private let shared = Mutex(Shared())
    private let wakeRead: CInt
    private let wakeWrite: CInt
    private let reaper = ChildReaper()
    /// How long a child may live on after SIGTERM.
    private let grace: Duration

    /// Starts the thread. Ignores SIGPIPE for the whole process: a child need not read its input.
    ///
    /// - Parameter grace: time between SIGTERM and SIGKILL when a job is cancelled.
    init(grace: Duration = .seconds(5)) {
        self.grace = grace
        signal(SIGPIPE, SIG_IGN)
        guard let pipe = Descriptors.makePipe() else { preconditionFailure("no file descriptors left") }
        (self.wakeRead, self.wakeWrite) = pipe
        Descriptors.setNonBlocking(self.wakeRead)
        Descriptors.setNonBlocking(self.wakeWrite)
        let hasThread = OwnThread.start { [self] in self.runChildren() }
        precondition(hasThread, "the system has no room for another thread")
    }

    /// Runs a program to its end. Cancelling the task ends it, by SIGTERM first.
    func run(_ request: ChildRequest) async -> ChildOutcome {
        let id = self.shared.withLock { shared in
            defer { shared.nextID += 1 }
            return shared.nextID
        }
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { self.send(.start(id, request, $0)) }
        } onCancel: {
            self.shared.withLock { _ = $0.cancelled.insert(id) }
            self.send(.end(id))
        }
        self.shared.withLock { _ = $0.cancelled.remove(id) }
        return outcome
    }

    /// Ends the children that still run, by SIGTERM first, and then the thread. No child is started after it.
    func stop() async { await withCheckedContinuation { self.send(.stop($0)) } }

    private func send(_ order: Order) {
        let mustWake = self.shared.withLock { shared in
            shared.orders.append(order)
            defer { shared.isAwake = true }
            return !shared.isAwake
        }
        if mustWake { self.wake() }
    }

    /// A full pipe means that a wake is on its way already.
    private func wake() {
        let byte: UInt8 = 0
        withUnsafeBytes(of: byte) { _ = Descriptors.writeSome(self.wakeWrite, $0) }
    }

    // MARK: On the thread

    private func runChildren() {
        var children: [UInt64: RunningChild] = [:]
        var stopping: CheckedContinuation<Void, Never>?
        while stopping == nil || !children.isEmpty {
            for order in self.takeOrders() {
                switch order {
                case .start(let id, let request, let continuation):
                    if stopping != nil || self.shared.withLock({ $0.cancelled.contains(id) }) {
                        continuation.resume(
                            returning: ChildOutcome(ending: .notStarted("cancelled before its start"), errorTail: ""))
                    } else {
                        children[id] = RunningChild.start(request, reaper: self.reaper, continuation) { self.wake() }
                    }
                case .end(let id): children[id]?.terminate(grace: self.grace)
                case .stop(let continuation):
                    stopping = continuation
                    for child in children.values { child.terminate(grace: self.grace) }
                }
            }
            guard stopping == nil || !children.isEmpty else { break }
            self.poll(children)
            let ended = self.reaper.takeEnded()
            for (id, child) in children {
                if let ending = ended[child.processID] {
                    child.finish(ending)
                    children[id] = nil
                } else {
                    child.killIfOverdue()
                }
            }
        }
        stopping?.resume()
    }

    private func takeOrders() -> [Order] {
        self.shared.withLock { shared in
            defer {
                shared.orders = []
                shared.isAwake = false
            }
            return shared.orders
        }
    }

    /// Waits for a wake, for input to be taken, for errors to read, or for a deadline.
    private func poll(_ children: [UInt64: RunningChild]) {
        var entries = [pollfd(fd: self.wakeRead, events: Int16(POLLIN), revents: 0)]
        var owners: [RunningChild?] = [nil]
        var timeout: CInt = -1
        for child in children.values {
            if let descriptor = child.input {
                entries.append(pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0))
                owners.append(child)
            }
            if let descriptor = child.output {
                entries.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
                owners.append(child)
            }
            if let descriptor = child.errors {
                entries.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
                owners.append(child)
            }
            if let left = child.millisecondsToKill { timeout = timeout < 0 ? left : min(timeout, left) }
        }
        guard systemPoll(&entries, timeout) > 0 else { return }
        if entries[0].revents != 0 { while case .bytes = Descriptors.readSome(self.wakeRead, bytesMax: 256) {} }
        for (entry, owner) in zip(entries, owners).dropFirst() where entry.revents != 0 {
            switch entry.fd {
            case owner?.input: owner?.feed()
            case owner?.output: owner?.readOutput()
            default: owner?.readErrors()
            }
        }
    }
}

private func systemPoll(_ entries: inout [pollfd], _ timeout: CInt) -> CInt {
    poll(&entries, nfds_t(entries.count), timeout)
}
