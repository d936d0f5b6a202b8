/// Where a job stands.
///
/// `scheduled -> ready -> running -> succeeded | dead | cancelled | expired`; a failed attempt goes from
/// `running` back to `scheduled` until its back-off has passed. `blocked -> ready` where a job waits for others.
/// `running` is never stored: it is a lease, and leases live in memory.
public enum JobState: UInt8, Hashable, Sendable, CaseIterable {
    /// Waits for other jobs to end.
    case blocked = 0
    /// Due later: a delay, or the back-off after a failure.
    case scheduled = 1
    /// May run as soon as a node has room.
    case ready = 2
    /// Leased to a node.
    case running = 3
    case succeeded = 4
    /// Failed for good: attempts used up, a non-retryable error, or quarantined.
    case dead = 5
    case cancelled = 6
    case expired = 7

    /// Whether the job will never run again unless somebody revives it.
    public var isTerminal: Bool {
        switch self {
        case .blocked, .scheduled, .ready, .running: false
        case .succeeded, .dead, .cancelled, .expired: true
        }
    }
}

/// How urgent a job is among the jobs that a node could run: 0 (last) to 9 (first), 5 unless said otherwise.
public struct Priority: Hashable, Comparable, Sendable {
    public let rawValue: UInt8

    /// Nil above 9.
    public init?(rawValue: UInt8) {
        guard rawValue <= 9 else { return nil }
        self.rawValue = rawValue
    }

    private init(unchecked rawValue: UInt8) {
        self.rawValue = rawValue
    }

    public static let lowest = Priority(unchecked: 0)
    public static let normal = Priority(unchecked: 5)
    public static let highest = Priority(unchecked: 9)

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}
