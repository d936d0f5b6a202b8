package import MartletCore
package import MartletRuntime

/// One simulated process: a facade over the world's loop.
///
/// A crash drops its jobs and timers for ever; what its tasks held is never resumed and never freed.
package final class SimulatedProcess: EventLoop, @unchecked Sendable {
    package let name: String
    package let number: Int
    private unowned let world: SimulatedWorld
    private var jobs = Deque<UnownedJob>()
    private var isListed = false
    private var actions: [UInt64: @Sendable () -> Void] = [:]
    package private(set) var isAlive = true
    /// A frozen process (SIGSTOP) runs nothing until it is thawed; time goes on.
    private var isFrozen = false
    private var firedWhileFrozen: [UInt64] = []

    init(world: SimulatedWorld, name: String, number: Int) {
        self.world = world
        self.name = name
        self.number = number
        super.init()
    }

    public override var now: Instant { self.world.now }
    public override var wallTime: WallTime { self.world.wallTime }
    public override func random() -> UInt64 { self.world.random.next() }
    public override var isCurrent: Bool { self.world.current === self }

    public override func enqueue(_ job: consuming ExecutorJob) {
        guard self.isAlive else { return }
        self.jobs.append(UnownedJob(job))
        self.listIfRunnable()
    }

    @discardableResult
    public override func schedule(at deadline: Instant, _ action: @escaping @Sendable () -> Void) -> TimerID {
        guard self.isAlive else { return TimerID(rawValue: 0) }
        let id = self.world.addTimer(at: max(deadline, self.world.now), for: self)
        self.actions[id] = action
        return TimerID(rawValue: id)
    }

    public override func cancel(_ timer: TimerID) { self.actions[timer.rawValue] = nil }

    /// Starts a root task of this process.
    package func spawn(_ body: @escaping @Sendable () async -> Void) {
        Task(executorPreference: self) { await body() }
    }

    /// `kill -9`: nothing of it runs again.
    package func crash() {
        self.isAlive = false
        self.jobs.removeAll()
        // Kept, not freed: what they captured belongs to a process that does not exist any more.
        Graveyard.bury(Array(self.actions.values))
        self.actions = [:]
    }

    /// SIGSTOP.
    package func freeze() { self.isFrozen = true }

    /// SIGCONT: timers that came due in the meantime fire at once.
    package func thaw() {
        guard self.isFrozen else { return }
        self.isFrozen = false
        let fired = self.firedWhileFrozen
        self.firedWhileFrozen = []
        for id in fired { self.fire(id) }
        self.listIfRunnable()
    }

    private func listIfRunnable() {
        guard !self.isListed, !self.isFrozen, !self.jobs.isEmpty else { return }
        self.isListed = true
        self.world.becameRunnable(self)
    }

    /// Runs the oldest job. False when there is nothing (more) to run.
    func runOldest() -> Bool {
        if !self.isFrozen, let job = self.jobs.popFirst() {
            job.runSynchronously(
                isolatedTo: self.asUnownedSerialExecutor(), taskExecutor: self.asUnownedTaskExecutor())
        }
        let isRunnable = self.isAlive && !self.isFrozen && !self.jobs.isEmpty
        self.isListed = isRunnable
        return isRunnable
    }

    func fire(_ id: UInt64) {
        guard self.isAlive else { return }
        if self.isFrozen {
            self.firedWhileFrozen.append(id)
        } else if let action = self.actions.removeValue(forKey: id) {
            action()
        }
    }
}

/// Keeps what crashed processes left, so that no `deinit` runs on their behalf.
enum Graveyard {
    static func bury(_ remains: [@Sendable () -> Void]) {
        for remain in remains { _ = Unmanaged.passRetained(Box(remain)) }
    }

    private final class Box {
        let content: @Sendable () -> Void
        init(_ content: @escaping @Sendable () -> Void) { self.content = content }
    }
}
