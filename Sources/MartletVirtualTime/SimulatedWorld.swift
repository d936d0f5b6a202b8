package import MartletCore
import MartletRuntime
import Synchronization

/// One seeded loop and one virtual clock for all simulated processes.
///
/// Each step runs one job: the seed picks a process among those with something to run, and that process's oldest job
/// runs, so that order within a process is as in production and order between processes is anybody's guess. When
/// nothing can run, time jumps to the next timer. Used from one thread; a world with a ``WorldDoor`` may be reached from
/// others too, because code that it does not run, a user's handlers say, has its processes' clocks and executors.
package final class SimulatedWorld: @unchecked Sendable {
    private struct Timer: Comparable {
        let deadline: UInt64
        let sequence: UInt64
        unowned(unsafe) let process: SimulatedProcess
        static func < (a: Self, b: Self) -> Bool { (a.deadline, a.sequence) < (b.deadline, b.sequence) }
        static func == (a: Self, b: Self) -> Bool { a.sequence == b.sequence }
    }

    let seed: UInt64
    package var random: SeededRandom
    /// Read from any thread.
    private let clock = Atomic<UInt64>(3_600_000_000_000)
    /// Nanoseconds since the world began; starts well after zero, as a machine's clock does.
    package private(set) var nanoseconds: UInt64 {
        get { self.clock.load(ordering: .relaxed) }
        set { self.clock.store(newValue, ordering: .relaxed) }
    }
    /// What the wall clock is ahead of the virtual one; a step changes it.
    package var wallOffsetMicroseconds: Int64 = 1_700_000_000_000_000
    package private(set) var steps: UInt64 = 0
    /// So many steps were taken at one instant that something must be spinning.
    package private(set) var hasStalled = false
    private var stepsAtInstant = 0
    private static let stepsAtInstantMax = 2_000_000
    /// Grows with every step; equal for equal seeds.
    package private(set) var traceHash: UInt64 = 0xcbf2_9ce4_8422_2325

    private var processes: [SimulatedProcess] = []
    /// Processes with something to run.
    private var runnable: [SimulatedProcess] = []
    private var timers = BinaryHeap<Timer>()
    private var lastTimer: UInt64 = 0
    var current: SimulatedProcess?
    /// Nil: no other thread reaches this world.
    let door: WorldDoor?

    package init(seed: UInt64, door: WorldDoor? = nil) {
        self.seed = seed
        self.random = SeededRandom(seed: seed)
        self.door = door
    }

    package var now: Instant { Instant(nanoseconds: self.nanoseconds) }
    package var wallTime: WallTime {
        WallTime(microseconds: self.wallOffsetMicroseconds + Int64(self.nanoseconds / 1000))
    }

    package func makeProcess(_ name: String) -> SimulatedProcess {
        let process = SimulatedProcess(
            world: self, name: name, number: self.processes.count, keepsWorld: self.door != nil)
        self.processes.append(process)
        return process
    }

    /// Adds to what the trace's hash is made of.
    package func trace(_ value: UInt64) { self.traceHash = (self.traceHash ^ value) &* 0x0000_0100_0000_01b3 }

    /// Runs until `deadline`, or until `isOver`, which is asked before each step.
    package func run(until deadline: Instant, isOver: () -> Bool = { false }) {
        while !isOver(), !self.hasStalled {
            guard self.runnable.isEmpty else {
                self.step()
                continue
            }
            guard let next = self.timers.first, next.deadline <= deadline.nanoseconds else {
                self.nanoseconds = max(self.nanoseconds, deadline.nanoseconds)
                return
            }
            self.nanoseconds = max(self.nanoseconds, next.deadline)
            self.stepsAtInstant = 0
            self.fireDueTimers()
        }
    }

    // MARK: With a door

    /// Takes in what other threads have asked for, and runs until nothing is left to run now. Time does not pass.
    package func settle() {
        repeat {
            self.takeIn()
            while !self.runnable.isEmpty, !self.hasStalled { self.step() }
        } while self.takeIn()
    }

    /// Lets time pass to the next timer, at most to `deadline`, and fires what is due then.
    ///
    /// - Returns: false, and no time passes, if there is no timer before the deadline.
    package func passToNextTimer(until deadline: Instant) -> Bool {
        guard let next = self.timers.first, next.deadline <= deadline.nanoseconds else { return false }
        self.nanoseconds = max(self.nanoseconds, next.deadline)
        self.stepsAtInstant = 0
        self.fireDueTimers()
        return true
    }

    /// Lets time pass to `instant`, where nothing is due before.
    package func pass(to instant: Instant) { self.nanoseconds = max(self.nanoseconds, instant.nanoseconds) }

    /// Ends a world with a door: its processes run nothing any more, and its memory goes with the last that holds it.
    package func end() {
        self.door?.close()
        for process in self.processes { process.end() }
        self.processes = []
        self.runnable = []
        self.timers = BinaryHeap()
    }

    /// False if nothing was asked for.
    @discardableResult
    private func takeIn() -> Bool {
        guard let door = self.door else { return false }
        let requests = door.take()
        for request in requests {
            switch request {
            case .job(let job, let process): process.take(job)
            case .timer(let id, let deadline, let process, let action): process.take(id, at: deadline, action)
            case .cancel(let id, let process): process.cancel(TimerID(rawValue: id))
            case .call(let body): body()
            }
        }
        return !requests.isEmpty
    }

    var isCalledFromOutside: Bool { self.door?.isCalledFromOutside ?? false }

    private func step() {
        let place = self.runnable.count == 1 ? 0 : self.random.below(self.runnable.count)
        let process = self.runnable[place]
        self.steps += 1
        self.stepsAtInstant += 1
        if self.stepsAtInstant > Self.stepsAtInstantMax { self.hasStalled = true }
        self.trace(UInt64(process.number) << 32 ^ self.nanoseconds)
        self.current = process
        if !process.runOldest() {
            self.runnable.swapAt(place, self.runnable.count - 1)
            self.runnable.removeLast()
        }
        self.current = nil
    }

    private func fireDueTimers() {
        while let next = self.timers.first, next.deadline <= self.nanoseconds {
            _ = self.timers.popFirst()
            let process = next.process
            self.current = process
            process.fire(next.sequence)
            self.current = nil
        }
    }

    func addTimer(at deadline: Instant, for process: SimulatedProcess) -> UInt64 {
        self.lastTimer += 1
        self.addTimer(self.lastTimer, at: deadline, for: process)
        return self.lastTimer
    }

    func addTimer(_ id: UInt64, at deadline: Instant, for process: SimulatedProcess) {
        self.timers.insert(Timer(deadline: deadline.nanoseconds, sequence: id, process: process))
    }

    func becameRunnable(_ process: SimulatedProcess) { self.runnable.append(process) }
}
