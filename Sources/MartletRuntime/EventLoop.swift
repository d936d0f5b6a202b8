public import MartletCore

/// What one process runs on: an executor for its actors and tasks, its two clocks, timers and randomness.
///
/// Every actor takes a loop at init and returns ``asUnownedSerialExecutor()`` of it as `unownedExecutor`;
/// root tasks prefer the same loop. In production it is a ``ThreadLoop``; in simulation a facade over one
/// seeded loop, so that a seed reproduces an interleaving. This class is abstract.
open class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
    package init() {}

    /// The monotonic clock (CLOCK_BOOTTIME): leases, heartbeats, time-outs.
    open var now: Instant { preconditionFailure("abstract") }

    /// Civil time: what is stored or shown.
    open var wallTime: WallTime { preconditionFailure("abstract") }

    /// Sixty-four random bits; the same sequence for the same seed in simulation.
    open func random() -> UInt64 { preconditionFailure("abstract") }

    /// Runs `action` on this loop once `deadline` has come. `action` must be short and must not block.
    ///
    /// Callable from any thread.
    @discardableResult
    open func schedule(at deadline: Instant, _ action: @escaping @Sendable () -> Void) -> TimerID {
        preconditionFailure("abstract")
    }

    /// Forgets a timer; no effect if it has fired.
    open func cancel(_ timer: TimerID) { preconditionFailure("abstract") }

    open func enqueue(_ job: consuming ExecutorJob) { preconditionFailure("abstract") }

    /// Whether the caller runs on this loop.
    open var isCurrent: Bool { preconditionFailure("abstract") }

    /// What `assumeIsolated` of an actor on this loop asks.
    public final func isIsolatingCurrentContext() -> Bool? { self.isCurrent }

    public final func checkIsolated() {
        precondition(self.isCurrent, "called from outside of the loop that the actor runs on")
    }

    public final func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    public final func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }

    /// Uniform in `0..<1`.
    package final func randomUnit() -> Double { Double(self.random() >> 11) * 0x1p-53 }
}

/// A timer of one loop.
public struct TimerID: Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}
