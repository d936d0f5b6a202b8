import MartletRuntime

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A thread that runs what it is handed, in order: for calls into nng that wait, which neither nng's own
/// threads nor the shared pool may make. It starts with the first call.
final class SerialThread: @unchecked Sendable {
    private let lock = ConditionLock()
    // Only under `lock`.
    private var work: [@Sendable () -> Void] = []
    private var isStopped = false
    private var isStarted = false

    /// Runs `action` on a thread of its own, which then ends.
    static func once(_ action: @escaping @Sendable () -> Void) {
        let thread = SerialThread()
        thread.run(action)
        thread.stop()
    }

    /// Runs `action` after everything handed over before. False, and it never runs, after ``stop()``.
    @discardableResult
    func run(_ action: @escaping @Sendable () -> Void) -> Bool {
        self.lock.lock()
        defer { self.lock.unlock() }
        if self.isStopped { return false }
        self.work.append(action)
        if self.isStarted {
            self.lock.signal()
        } else {
            self.isStarted = true
            self.start()
        }
        return true
    }

    /// Ends the thread once what was handed over has run.
    func stop() {
        self.lock.lock()
        self.isStopped = true
        self.lock.unlock()
        self.lock.signal()
    }

    /// Waits on the calling thread, which must be one of these, for bytes that are under way to arrive.
    ///
    /// nng 1.5.2 never ends closing a connection, and no other connection of the process after it, if the close comes
    /// between the two reads of a message: so whoever closes first sees to it that no more is sent, then waits this.
    static func waitForQuiet() {
        poll(nil, 0, 100)
    }

    private func start() {
        // The thread's reference; it keeps this object until the thread ends.
        let reference = Unmanaged.passRetained(self).toOpaque()
        #if canImport(Darwin)
            var thread: pthread_t?
        #else
            var thread = pthread_t()
        #endif
        let result = pthread_create(
            &thread, nil,
            { reference in
                #if canImport(Darwin)
                    Unmanaged<SerialThread>.fromOpaque(reference).takeRetainedValue().loop()
                #else
                    Unmanaged<SerialThread>.fromOpaque(reference!).takeRetainedValue().loop()
                #endif
                return nil
            }, reference)
        precondition(result == 0, "the system has no room for another thread: error \(result)")
        #if canImport(Darwin)
            pthread_detach(thread!)
        #else
            pthread_detach(thread)
        #endif
    }

    private func loop() {
        while true {
            self.lock.lock()
            while self.work.isEmpty && !self.isStopped { self.lock.wait() }
            let batch = self.work
            self.work = []
            self.lock.unlock()
            if batch.isEmpty { return }
            for action in batch { action() }
        }
    }
}
