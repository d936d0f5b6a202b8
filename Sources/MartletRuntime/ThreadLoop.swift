package import MartletCore
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The loop of a production process: one thread of its own.
///
/// Jobs run in the order in which they came from each thread. A job from the loop's own thread costs no lock; a
/// burst from other threads costs one wake, and none while the loop is busy.
package final class ThreadLoop: EventLoop, @unchecked Sendable {
    /// What other threads reach; only under `lock`.
    private struct Shared {
        var inbox: ContiguousArray<UnownedJob> = []
        var timers = TimerQueue()
        /// The thread sleeps, or is about to, and nobody has woken it yet.
        var isAsleep = false
        var isStopping = false
        var isJoined = false
    }

    private static let batchCapacityKept = 65_536
    /// The sleep does not count the time that the machine is suspended, the timers do: look again after this.
    private let sleepMax: Duration

    private let lock = ConditionLock()
    private var shared = Shared()
    private let randomBlock = Mutex(RandomBlock())
    /// Written once under the lock that the thread takes first, so that it is there before anyone reads it.
    private var thread: pthread_t?
    /// Jobs that came from the loop's own thread, touched by that thread only.
    private var local: ContiguousArray<UnownedJob> = []

    /// Starts the thread.
    ///
    /// It holds on to the loop until ``shutdown()``.
    ///
    /// - Parameter name: shown by debuggers and `top`; Linux keeps the first 15 bytes.
    package convenience init(name: String) {
        self.init(name: name, sleepMax: .seconds(1))
    }

    init(name: String, sleepMax: Duration) {
        self.sleepMax = sleepMax
        super.init()
        self.lock.lock()
        defer { self.lock.unlock() }
        let start = ThreadStart(loop: self, name: String(decoding: name.utf8.prefix(15), as: UTF8.self))
        let argument = Unmanaged.passRetained(start).toOpaque()
        #if canImport(Darwin)
            var created: pthread_t?
        #else
            var created = pthread_t()
        #endif
        let result = pthread_create(
            &created, nil,
            { argument in
                #if canImport(Darwin)
                    ThreadStart.run(argument)
                #else
                    ThreadStart.run(argument!)
                #endif
                return nil
            }, argument)
        precondition(result == 0, "the system has no room for another thread: error \(result)")
        self.thread = created
    }

    public override var now: Instant {
        #if canImport(Darwin)
            Instant(nanoseconds: clock_gettime_nsec_np(CLOCK_MONOTONIC_RAW))
        #else
            Instant(nanoseconds: Self.read(CLOCK_BOOTTIME))
        #endif
    }

    public override var wallTime: WallTime {
        WallTime(microseconds: Int64(Self.read(CLOCK_REALTIME) / 1000))
    }

    /// From the operating system's generator, which is fit for secrets.
    public override func random() -> UInt64 { self.randomBlock.withLock { $0.next() } }

    @discardableResult
    public override func schedule(at deadline: Instant, _ action: @escaping @Sendable () -> Void) -> TimerID {
        self.lock.lock()
        let isEarliest = self.shared.timers.nextDeadline.map { deadline < $0 } ?? true
        let timer = self.shared.timers.insert(at: deadline, action)
        // The thread sleeps until the deadline that was earliest before.
        let mustWake = isEarliest && self.shared.isAsleep
        if mustWake { self.shared.isAsleep = false }
        self.lock.unlock()
        if mustWake { self.lock.signal() }
        return timer
    }

    public override func cancel(_ timer: TimerID) {
        self.lock.lock()
        let dropped = self.shared.timers.take(timer)
        self.lock.unlock()
        // What the action holds may end here, and come for the lock.
        withExtendedLifetime(dropped) {}
    }

    public override func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if self.isCurrent {
            self.local.append(job)
            return
        }
        self.lock.lock()
        self.shared.inbox.append(job)
        let mustWake = self.shared.isAsleep
        if mustWake { self.shared.isAsleep = false }
        self.lock.unlock()
        if mustWake { self.lock.signal() }
    }

    /// Never inlined: the compiler takes `pthread_self` for a constant and could keep one thread's answer in an
    /// async function that goes on on another.
    @inline(never)
    public override var isCurrent: Bool {
        pthread_equal(self.thread!, pthread_self()) != 0
    }

    /// Ends the thread once no job is left to run, and waits for that.
    ///
    /// Call it from another thread, when the tasks of this loop have ended: timers that are pending then are
    /// dropped, and a task that would go on later never does. A second call does nothing.
    package func shutdown() {
        precondition(!self.isCurrent, "a thread cannot wait for its own end")
        self.lock.lock()
        let isFirst = !self.shared.isJoined
        self.shared.isJoined = true
        self.shared.isStopping = true
        self.shared.isAsleep = false
        self.lock.unlock()
        guard isFirst else { return }
        self.lock.signal()
        let result = pthread_join(self.thread!, nil)
        precondition(result == 0, "the thread of a loop can be waited for once: error \(result)")
    }

    /// The thread's whole life.
    fileprivate func runUntilStopped() {
        self.lock.lock()
        self.lock.unlock()
        var batch: ContiguousArray<UnownedJob> = []
        while self.takeWork(into: &batch) {
            for job in batch {
                job.runSynchronously(
                    isolatedTo: self.asUnownedSerialExecutor(), taskExecutor: self.asUnownedTaskExecutor())
            }
            batch.removeAll(keepingCapacity: batch.count <= Self.batchCapacityKept)
        }
    }

    /// Waits for something to do, runs the timers that are due and hands out all the jobs there are.
    ///
    /// False when the loop is to end.
    private func takeWork(into batch: inout ContiguousArray<UnownedJob>) -> Bool {
        while true {
            self.lock.lock()
            self.runDueTimers()
            swap(&batch, &self.local)
            if batch.isEmpty {
                swap(&batch, &self.shared.inbox)
            } else if !self.shared.inbox.isEmpty {
                batch.append(contentsOf: self.shared.inbox)
                self.shared.inbox.removeAll(keepingCapacity: true)
            }
            if !batch.isEmpty {
                self.lock.unlock()
                return true
            }
            if self.shared.isStopping {
                let dropped = self.shared.timers
                self.shared.timers = TimerQueue()
                self.lock.unlock()
                // What the actions hold may end here, and come for the lock.
                withExtendedLifetime(dropped) {}
                return false
            }
            self.sleep()
            self.lock.unlock()
        }
    }

    /// Sleeps until somebody wakes the thread or a timer is due. The lock is held before and after.
    private func sleep() {
        self.shared.isAsleep = true
        if let deadline = self.shared.timers.nextDeadline {
            let remaining = deadline - self.now
            if remaining > .zero { self.lock.wait(atMost: min(remaining, self.sleepMax)) }
        } else {
            self.lock.wait()
        }
        self.shared.isAsleep = false
    }

    /// The lock is held before and after, but not while an action runs.
    private func runDueTimers() {
        guard self.shared.timers.nextDeadline != nil else { return }
        let now = self.now
        // One at a time: an action may cancel the next timer.
        while var action = self.shared.timers.popDue(at: now) {
            self.lock.unlock()
            action()
            // What the action holds may end with it, and come for the lock.
            action = {}
            self.lock.lock()
        }
    }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        let result = clock_gettime(clock, &time)
        precondition(result == 0, "every system that Martlet runs on has this clock")
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// What the new thread is told.
private final class ThreadStart {
    let loop: ThreadLoop
    let name: String

    init(loop: ThreadLoop, name: String) {
        self.loop = loop
        self.name = name
    }

    static func run(_ argument: UnsafeMutableRawPointer) {
        let start = Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
        #if canImport(Darwin)
            pthread_setname_np(start.name)
        #else
            // pthread_setname_np is hidden from Swift behind _GNU_SOURCE. A thread without a name is no failure.
            let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
            if file >= 0 {
                _ = write(file, start.name, start.name.utf8.count)
                close(file)
            }
        #endif
        start.loop.runUntilStopped()
    }
}

/// Random numbers drawn from the system sixty-four at a time: a system call costs more than a number is worth.
private struct RandomBlock {
    private var numbers: ContiguousArray<UInt64> = []

    mutating func next() -> UInt64 {
        if let number = self.numbers.popLast() { return number }
        self.numbers = ContiguousArray(repeating: 0, count: 64)
        self.numbers.withUnsafeMutableBytes { Self.fill($0) }
        return self.numbers.removeLast()
    }

    private static func fill(_ bytes: UnsafeMutableRawBufferPointer) {
        #if canImport(Darwin)
            arc4random_buf(bytes.baseAddress!, bytes.count)
        #else
            var filled = 0
            while filled < bytes.count {
                let count = min(256, bytes.count - filled)
                let result = getentropy(bytes.baseAddress! + filled, count)
                precondition(result == 0, "the system has no random numbers: error \(errno)")
                filled += count
            }
        #endif
    }
}
