import MartletCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A mutex with one condition, for the threads that Martlet owns.
///
/// `Mutex` of the standard library cannot be waited on, and a thread that sleeps needs exactly that.
package final class ConditionLock: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    package init() {
        Self.check(pthread_mutex_init(self.mutex, nil))
        #if canImport(Darwin)
            Self.check(pthread_cond_init(self.condition, nil))
        #else
            // The default clock of a condition is civil time, which may be set back.
            var attributes = pthread_condattr_t()
            Self.check(pthread_condattr_init(&attributes))
            Self.check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC))
            Self.check(pthread_cond_init(self.condition, &attributes))
            pthread_condattr_destroy(&attributes)
        #endif
    }

    deinit {
        pthread_cond_destroy(self.condition)
        pthread_mutex_destroy(self.mutex)
        self.condition.deallocate()
        self.mutex.deallocate()
    }

    package func lock() { Self.check(pthread_mutex_lock(self.mutex)) }

    package func unlock() { Self.check(pthread_mutex_unlock(self.mutex)) }

    /// Wakes one waiter, if there is one. The lock need not be held.
    package func signal() { Self.check(pthread_cond_signal(self.condition)) }

    /// Releases the lock, sleeps until a signal or (rarely) for no reason, and takes the lock again.
    package func wait() { Self.check(pthread_cond_wait(self.condition, self.mutex)) }

    /// As ``wait()``, for at most `duration` of time during which the machine is awake.
    package func wait(atMost duration: Duration) {
        #if canImport(Darwin)
            var interval = Self.timespec(nanoseconds: duration.wholeNanoseconds)
            let result = pthread_cond_timedwait_relative_np(self.condition, self.mutex, &interval)
        #else
            var now = Self.timespec(nanoseconds: 0)
            clock_gettime(CLOCK_MONOTONIC, &now)
            let start = Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
            let (sum, overflow) = start.addingReportingOverflow(max(0, duration.wholeNanoseconds))
            var deadline = Self.timespec(nanoseconds: overflow ? .max : sum)
            let result = pthread_cond_timedwait(self.condition, self.mutex, &deadline)
        #endif
        precondition(result == 0 || result == ETIMEDOUT, "waiting on an initialised condition failed: \(result)")
    }

    private static func timespec(nanoseconds: Int64) -> timespec {
        .init(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    }

    private static func check(_ result: Int32) {
        precondition(result == 0, "a lock was used wrongly: error \(result)")
    }
}
