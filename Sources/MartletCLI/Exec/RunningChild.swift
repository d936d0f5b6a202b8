import MartletCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// One child that was started and not yet waited for. Belongs to the supervisor's thread.
final class RunningChild {
    let processID: pid_t
    /// Where its standard input is written; nil once all of it was taken.
    private(set) var input: CInt?
    /// Where its standard error is read; nil once it is closed.
    private(set) var errors: CInt?

    private let payload: Bytes
    private var written = 0
    private var tail = TailBuffer(bytesMax: ChildOutcome.errorBytesMax)
    private let continuation: CheckedContinuation<ChildOutcome, Never>
    private let reaper: ChildReaper
    private var killAt: ContinuousClock.Instant?

    private init(
        processID: pid_t, input: CInt, errors: CInt, payload: Bytes, reaper: ChildReaper,
        _ continuation: CheckedContinuation<ChildOutcome, Never>
    ) {
        self.processID = processID
        self.input = input
        self.errors = errors
        self.payload = payload
        self.reaper = reaper
        self.continuation = continuation
    }

    /// Starts a child, or answers the continuation at once and returns nil.
    static func start(
        _ request: ChildRequest, reaper: ChildReaper, _ continuation: CheckedContinuation<ChildOutcome, Never>,
        childEnded: @escaping @Sendable () -> Void
    ) -> RunningChild? {
        func fail(_ problem: String) -> RunningChild? {
            continuation.resume(returning: ChildOutcome(ending: .notStarted(problem), errorTail: ""))
            return nil
        }
        guard let input = Descriptors.makePipe() else { return fail("too many open files") }
        guard let errors = Descriptors.makePipe() else {
            Descriptors.closeAll([input.read, input.write])
            return fail("too many open files")
        }
        let result = reaper.watch(
            { Spawn.run(request, input: input.read, errors: errors.write) }, childEnded: childEnded)
        Descriptors.closeAll([input.read, errors.write])
        let processID: pid_t
        switch result {
        case .success(let id): processID = id
        case .failure(let error):
            Descriptors.closeAll([input.write, errors.read])
            return fail("cannot start \(request.command[0]): \(error)")
        }
        Descriptors.setNonBlocking(input.write)
        Descriptors.setNonBlocking(errors.read)
        let child = RunningChild(
            processID: processID, input: input.write, errors: errors.read, payload: request.input, reaper: reaper,
            continuation)
        child.feed()
        return child
    }

    /// Writes as much of the payload as the pipe takes. A child that closes its input early is no error.
    func feed() {
        guard let descriptor = self.input else { return }
        while self.written < self.payload.count {
            let rest = self.payload[self.written..<self.payload.count]
            guard let count = rest.withUnsafeBytes({ Descriptors.writeSome(descriptor, $0) }) else { return }
            if count == 0 { break }
            self.written += count
        }
        Descriptors.closeAll([descriptor])
        self.input = nil
    }

    /// Reads what there is and passes it on to the worker's own standard error.
    func readErrors() {
        guard let descriptor = self.errors else { return }
        while true {
            switch Descriptors.readSome(descriptor) {
            case .bytes(let bytes):
                self.tail.append(bytes)
                _ = bytes.withUnsafeBytes { Descriptors.writeSome(STDERR_FILENO, $0) }
            case .notYet: return
            case .end:
                Descriptors.closeAll([descriptor])
                self.errors = nil
                return
            }
        }
    }

    /// Asks the whole group to end, and sets the time at which it will be ended.
    func terminate(grace: Duration) {
        guard self.killAt == nil else { return }
        self.killAt = .now + grace
        self.reaper.signal(SIGTERM, to: self.processID)
    }

    func killIfOverdue() {
        guard let killAt, killAt <= .now else { return }
        self.killAt = .now + .seconds(1)
        self.reaper.signal(SIGKILL, to: self.processID)
    }

    /// Rounded up, so that the deadline has passed when the wait ends.
    var millisecondsToKill: CInt? {
        self.killAt.map { CInt(clamping: max(0, (ContinuousClock.now.duration(to: $0)).wholeMilliseconds + 1)) }
    }

    /// The child has ended, and its group with it.
    func finish(_ ending: ChildOutcome.Ending) {
        self.readErrors()
        Descriptors.closeAll([self.input, self.errors].compactMap { $0 })
        self.input = nil
        self.errors = nil
        self.continuation.resume(returning: ChildOutcome(ending: ending, errorTail: self.tail.text))
    }
}
