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

    /// Closes connections, for the whole process.
    static let closer = SerialThread()

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
