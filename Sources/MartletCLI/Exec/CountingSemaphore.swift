import MartletRuntime

/// Lets one waiter through for each signal. For threads that may block, never for tasks.
final class CountingSemaphore: @unchecked Sendable {
    private let lock = ConditionLock()
    /// Only under `lock`.
    private var count = 0

    func signal() {
        self.lock.lock()
        self.count += 1
        self.lock.unlock()
        self.lock.signal()
    }

    func wait() {
        self.lock.lock()
        while self.count == 0 { self.lock.wait() }
        self.count -= 1
        self.lock.unlock()
    }
}
