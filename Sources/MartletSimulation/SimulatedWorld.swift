package import MartletCore
import MartletRuntime

/// One seeded loop and one virtual clock for all simulated processes.
///
/// Each step runs one job: the seed picks a process among those with something to run, and that process's oldest job
/// runs, so that order within a process is as in production and order between processes is anybody's guess. When
/// nothing can run, time jumps to the next timer. Used from one thread.
package final class SimulatedWorld: @unchecked Sendable {
    private struct Timer: Comparable {
        let deadline: UInt64
        let sequence: UInt64
        unowned(unsafe) let process: SimulatedProcess
        static func < (a: Self, b: Self) -> Bool { (a.deadline, a.sequence) < (b.deadline, b.sequence) }
        static func == (a: Self, b: Self) -> Bool { a.sequence == b.sequence }
    }

    package var random: SeededRandom
    /// Nanoseconds since the world began; starts well after zero, as a machine's clock does.
    package private(set) var nanoseconds: UInt64 = 3_600_000_000_000
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

    package init(seed: UInt64) {
        self.random = SeededRandom(seed: seed)
    }

    package var now: Instant { Instant(nanoseconds: self.nanoseconds) }
    package var wallTime: WallTime {
        WallTime(microseconds: self.wallOffsetMicroseconds + Int64(self.nanoseconds / 1000))
    }

    package func makeProcess(_ name: String) -> SimulatedProcess {
        let process = SimulatedProcess(world: self, name: name, number: self.processes.count)
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
        self.timers.insert(Timer(deadline: deadline.nanoseconds, sequence: self.lastTimer, process: process))
        return self.lastTimer
    }

    func becameRunnable(_ process: SimulatedProcess) { self.runnable.append(process) }
}
