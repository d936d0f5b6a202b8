package import MartletCore

/// What one process runs on: an executor for its actors and tasks, its two clocks, timers and randomness.
///
/// Every actor takes a loop at init and returns ``asUnownedSerialExecutor()`` of it as `unownedExecutor`;
/// root tasks prefer the same loop. In production it is a ``ThreadLoop``; in simulation a facade over one
/// seeded loop, so that a seed reproduces an interleaving. This class is abstract.
package class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
    package init() {}

    /// The monotonic clock (CLOCK_BOOTTIME): leases, heartbeats, time-outs.
    package var now: Instant { preconditionFailure("abstract") }

    /// Civil time: what is stored or shown.
    package var wallTime: WallTime { preconditionFailure("abstract") }

    /// Sixty-four random bits; the same sequence for the same seed in simulation.
    package func random() -> UInt64 { preconditionFailure("abstract") }

    /// Runs `action` on this loop once `deadline` has come. `action` must be short and must not block.
    ///
    /// Callable from any thread.
    @discardableResult
    package func schedule(at deadline: Instant, _ action: @escaping @Sendable () -> Void) -> TimerID {
        preconditionFailure("abstract")
    }

    /// Forgets a timer; no effect if it has fired.
    package func cancel(_ timer: TimerID) { preconditionFailure("abstract") }

    package func enqueue(_ job: consuming ExecutorJob) { preconditionFailure("abstract") }

    /// Whether the caller runs on this loop.
    package var isCurrent: Bool { preconditionFailure("abstract") }

    /// What `assumeIsolated` of an actor on this loop asks.
    package final func isIsolatingCurrentContext() -> Bool? { self.isCurrent }

    package final func checkIsolated() {
        precondition(self.isCurrent, "called from outside of the loop that the actor runs on")
    }

    package final func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    package final func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }

    /// Uniform in `0..<1`.
    package final func randomUnit() -> Double { Double(self.random() >> 11) * 0x1p-53 }
}

/// A timer of one loop.
package struct TimerID: Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}
