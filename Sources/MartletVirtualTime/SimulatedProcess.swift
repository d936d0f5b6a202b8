package import MartletCore
package import MartletRuntime

/// One simulated process: a facade over the world's loop.
///
/// A crash drops its jobs and timers for ever; what its tasks held is never resumed and never freed.
package final class SimulatedProcess: EventLoop, @unchecked Sendable {
    package let name: String
    package let number: Int
    private unowned let world: SimulatedWorld
    /// The world, where others may hold on to this process for longer than to the world.
    private let keptWorld: SimulatedWorld?
    private var jobs = Deque<UnownedJob>()
    private var isListed = false
    private var actions: [UInt64: @Sendable () -> Void] = [:]
    package private(set) var isAlive = true
    /// A frozen process (SIGSTOP) runs nothing until it is thawed; time goes on.
    private var isFrozen = false
    private var firedWhileFrozen: [UInt64] = []

    /// Of a process in a world with a door: drawn from by nothing else.
    private var ownRandom: SeededRandom?

    init(world: SimulatedWorld, name: String, number: Int, keepsWorld: Bool) {
        self.world = world
        self.keptWorld = keepsWorld ? world : nil
        self.ownRandom = keepsWorld ? SeededRandom(seed: world.seed &* 1_000_003 &+ UInt64(number)) : nil
        self.name = name
        self.number = number
        super.init()
    }

    /// How far its monotonic clock is ahead of the world's: those of two machines have nothing in common. To be set
    /// before it runs.
    package var clockOffset = Duration.zero

    public override var now: Instant { self.world.now + self.clockOffset }
    public override var wallTime: WallTime { self.world.wallTime }
    public override var isCurrent: Bool { !self.world.isCalledFromOutside && self.world.current === self }
    /// Timers that are pending.
    package var timerCount: Int { self.actions.count }

    public override func random() -> UInt64 {
        guard self.ownRandom != nil else { return self.world.random.next() }
        // What other threads draw, or when they come, must not disturb the sequence of the seed.
        return self.world.isCalledFromOutside ? UInt64.random(in: .min ... .max) : self.ownRandom!.next()
    }

    public override func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if let door = self.world.door, door.isCalledFromOutside { return door.enqueue(job, for: self) }
        self.take(job)
    }

    func take(_ job: UnownedJob) {
        guard self.isAlive else { return }
        self.jobs.append(job)
        self.listIfRunnable()
    }

    @discardableResult
    public override func schedule(at deadline: Instant, _ action: @escaping @Sendable () -> Void) -> TimerID {
        let deadline = deadline + (.zero - self.clockOffset)
        if let door = self.world.door, door.isCalledFromOutside {
            return TimerID(rawValue: door.addTimer(at: deadline, for: self, action))
        }
        guard self.isAlive else { return TimerID(rawValue: 0) }
        let id = self.world.addTimer(at: max(deadline, self.world.now), for: self)
        self.actions[id] = action
        return TimerID(rawValue: id)
    }

    func take(_ timer: UInt64, at deadline: Instant, _ action: @escaping @Sendable () -> Void) {
        guard self.isAlive else { return }
        self.world.addTimer(timer, at: max(deadline, self.world.now), for: self)
        self.actions[timer] = action
    }

    public override func cancel(_ timer: TimerID) {
        if let door = self.world.door, door.isCalledFromOutside { return door.cancel(timer.rawValue, of: self) }
        self.actions[timer.rawValue] = nil
    }

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

    /// Its world is over, in good order.
    func end() {
        self.isAlive = false
        self.jobs.removeAll()
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
