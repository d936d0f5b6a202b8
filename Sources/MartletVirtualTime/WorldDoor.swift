import MartletCore
import MartletRuntime

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// How threads from outside reach a world that has a thread of its own.
///
/// What they ask for waits here until that thread takes it in, between two steps of the world. A burst costs one wake.
package final class WorldDoor: @unchecked Sendable {
    enum Request {
        case job(UnownedJob, SimulatedProcess)
        case timer(UInt64, at: Instant, SimulatedProcess, @Sendable () -> Void)
        case cancel(UInt64, SimulatedProcess)
        case call(@Sendable () -> Void)
    }

    /// Timers from outside are numbered from here on.
    private static let firstTimer: UInt64 = 1 << 62

    private let lock = ConditionLock()
    private var requests: [Request] = []
    private var lastTimer = WorldDoor.firstTimer
    private var isClosed = false
    private var owner: pthread_t?

    package init() {}

    /// Makes the calling thread the world's.
    package func own() {
        self.lock.lock()
        self.owner = pthread_self()
        self.lock.unlock()
    }

    /// Whether the caller is another thread than the world's.
    ///
    /// Never inlined: the compiler takes `pthread_self` for a constant and could keep one thread's answer in an
    /// async function that goes on on another.
    @inline(never)
    var isCalledFromOutside: Bool {
        self.lock.lock()
        defer { self.lock.unlock() }
        guard let owner = self.owner else { return false }
        return pthread_equal(owner, pthread_self()) == 0
    }

    /// Has `body` called on the world's thread. False if the world is over.
    @discardableResult
    package func call(_ body: @escaping @Sendable () -> Void) -> Bool { self.add(.call(body)) }

    func enqueue(_ job: UnownedJob, for process: SimulatedProcess) { self.add(.job(job, process)) }

    func addTimer(
        at deadline: Instant, for process: SimulatedProcess, _ action: @escaping @Sendable () -> Void
    ) -> UInt64 {
        self.lock.lock()
        self.lastTimer += 1
        let id = self.lastTimer
        self.lock.unlock()
        self.add(.timer(id, at: deadline, process, action))
        return id
    }

    func cancel(_ timer: UInt64, of process: SimulatedProcess) { self.add(.cancel(timer, process)) }

    @discardableResult
    private func add(_ request: Request) -> Bool {
        self.lock.lock()
        guard !self.isClosed else {
            self.lock.unlock()
            return false
        }
        let mustWake = self.requests.isEmpty
        self.requests.append(request)
        self.lock.unlock()
        if mustWake { self.lock.signal() }
        return true
    }

    /// What was asked for, in order.
    func take() -> [Request] {
        self.lock.lock()
        defer { self.lock.unlock() }
        guard !self.requests.isEmpty else { return [] }
        defer { self.requests = [] }
        return self.requests
    }

    /// Sleeps until something is asked for, at most for `duration` of real time.
    package func wait(atMost duration: Duration) {
        self.lock.lock()
        if self.requests.isEmpty { self.lock.wait(atMost: duration) }
        self.lock.unlock()
    }

    /// Whoever knocks from now on is not heard.
    func close() {
        self.lock.lock()
        self.isClosed = true
        self.requests = []
        self.lock.unlock()
    }
}
