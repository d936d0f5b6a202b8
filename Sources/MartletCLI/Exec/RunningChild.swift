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
    /// Where its standard output is read; nil once it is closed.
    private(set) var output: CInt?
    /// Where its standard error is read; nil once it is closed.
    private(set) var errors: CInt?

    private let payload: Bytes
    private let keepsOutput: Bool
    private var written = 0
    private var tail = TailBuffer(bytesMax: ChildOutcome.errorBytesMax)
    private var log = TailBuffer(bytesMax: ChildOutcome.logBytesMax)
    /// All of its standard output so far; nil if that is not wanted, or too long.
    private var kept: [UInt8]?
    private let continuation: CheckedContinuation<ChildOutcome, Never>
    private let reaper: ChildReaper
    private var killAt: ContinuousClock.Instant?

    private init(
        processID: pid_t, input: CInt, output: CInt, errors: CInt, request: ChildRequest, reaper: ChildReaper,
        _ continuation: CheckedContinuation<ChildOutcome, Never>
    ) {
        self.processID = processID
        self.input = input
        self.output = output
        self.errors = errors
        self.payload = request.input
        self.keepsOutput = request.keepsOutput
        self.kept = request.keepsOutput ? [] : nil
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
        var pipes: [(read: CInt, write: CInt)] = []
        while pipes.count < 3 {
            guard let pipe = Descriptors.makePipe() else {
                Descriptors.closeAll(pipes.flatMap { [$0.read, $0.write] })
                return fail("too many open files")
            }
            pipes.append(pipe)
        }
        let (input, output, errors) = (pipes[0], pipes[1], pipes[2])
        let result = reaper.watch(
            { Spawn.run(request, input: input.read, output: output.write, errors: errors.write) },
            childEnded: childEnded)
        Descriptors.closeAll([input.read, output.write, errors.write])
        let processID: pid_t
        switch result {
        case .success(let id): processID = id
        case .failure(let error):
            Descriptors.closeAll([input.write, output.read, errors.read])
            return fail("cannot start \(request.command[0]): \(error)")
        }
        Descriptors.setNonBlocking(input.write)
        Descriptors.setNonBlocking(output.read)
        Descriptors.setNonBlocking(errors.read)
        let child = RunningChild(
            processID: processID, input: input.write, output: output.read, errors: errors.read, request: request,
            reaper: reaper, continuation)
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
                self.log.append(bytes)
                _ = bytes.withUnsafeBytes { Descriptors.writeSome(STDERR_FILENO, $0) }
            case .notYet: return
            case .end:
                Descriptors.closeAll([descriptor])
                self.errors = nil
                return
            }
        }
    }

    /// Reads what there is; passes it on to the worker's own standard output unless it is to be the job's result.
    func readOutput() {
        guard let descriptor = self.output else { return }
        while true {
            switch Descriptors.readSome(descriptor) {
            case .bytes(let bytes): self.take(output: bytes)
            case .notYet: return
            case .end:
                Descriptors.closeAll([descriptor])
                self.output = nil
                return
            }
        }
    }

    private func take(output bytes: [UInt8]) {
        self.log.append(bytes)
        guard self.keepsOutput else {
            _ = bytes.withUnsafeBytes { Descriptors.writeSome(STDOUT_FILENO, $0) }
            return
        }
        guard let count = self.kept?.count else { return }
        if count + bytes.count <= ChildOutcome.outputBytesMax {
            self.kept!.append(contentsOf: bytes)
        } else {
            self.kept = nil
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
        self.readOutput()
        Descriptors.closeAll([self.input, self.output, self.errors].compactMap { $0 })
        self.input = nil
        self.output = nil
        self.errors = nil
        self.continuation.resume(
            returning: ChildOutcome(
                ending: ending, errorTail: self.tail.text, log: self.log.last, output: self.kept))
    }
}
