/// A point on a process's monotonic clock, which also counts the time that the machine sleeps.
///
/// Leases, heartbeats, time-outs and token buckets use it. Instants of two processes do not compare.
public struct Instant: Hashable, Comparable, Sendable {
    public let nanoseconds: UInt64

    public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    public static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }

    /// Saturates at both ends instead of trapping.
    public static func + (instant: Self, duration: Duration) -> Self {
        instant.advanced(by: duration.wholeNanoseconds)
    }

    /// For those who count each nanosecond: a `Duration` has 128 bits, which take their time to divide.
    package func advanced(by delta: Int64) -> Self {
        if delta >= 0 {
            let (sum, overflow) = self.nanoseconds.addingReportingOverflow(UInt64(delta))
            return Self(nanoseconds: overflow ? .max : sum)
        }
        let (difference, overflow) = self.nanoseconds.subtractingReportingOverflow(delta.magnitude)
        return Self(nanoseconds: overflow ? 0 : difference)
    }

    /// The time from `earlier` to `later`; negative if the order is the other way.
    public static func - (later: Self, earlier: Self) -> Duration {
        if later >= earlier { return .nanoseconds(Int64(clamping: later.nanoseconds - earlier.nanoseconds)) }
        return .nanoseconds(-Int64(clamping: earlier.nanoseconds - later.nanoseconds))
    }

    package static let distantFuture = Instant(nanoseconds: .max)
}

/// A point in civil time, in microseconds since 1970-01-01 00:00 UTC.
///
/// What is stored or shown to people uses it: run-at times, retries, the age of a job.
public struct WallTime: Hashable, Comparable, Sendable {
    public let microseconds: Int64

    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    public static func < (a: Self, b: Self) -> Bool { a.microseconds < b.microseconds }

    /// Saturates instead of trapping.
    public static func + (time: Self, duration: Duration) -> Self {
        let (sum, overflow) = time.microseconds.addingReportingOverflow(duration.wholeMicroseconds)
        return Self(microseconds: overflow ? (duration < .zero ? .min : .max) : sum)
    }

    /// The time from `earlier` to `later`, clamped to 64 bits of microseconds.
    public static func - (later: Self, earlier: Self) -> Duration {
        let (difference, overflow) = later.microseconds.subtractingReportingOverflow(earlier.microseconds)
        return .microseconds(overflow ? (later < earlier ? .min : .max) : difference)
    }
}

extension Duration {
    /// This duration in nanoseconds, truncated, clamped to 64 bits (292 years).
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = self.components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, overflow2) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow2 ? (seconds < 0 ? .min : .max) : sum
    }

    /// This duration in microseconds, truncated, clamped to 64 bits.
    package var wholeMicroseconds: Int64 {
        let (seconds, attoseconds) = self.components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, overflow2) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000_000)
        return overflow2 ? (seconds < 0 ? .min : .max) : sum
    }

    /// This duration in milliseconds, truncated, clamped to 64 bits.
    package var wholeMilliseconds: Int64 { self.wholeMicroseconds / 1000 }
}

extension WallTime {
    package static func - (time: Self, duration: Duration) -> Self { time + (.zero - duration) }
}
