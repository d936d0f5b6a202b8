/// What a worker has done since it was made.
public struct WorkerCounts: Hashable, Sendable {
    /// Handlers that returned.
    public internal(set) var succeeded: UInt64 = 0
    /// Handlers that threw.
    public internal(set) var failed: UInt64 = 0
    /// Handlers that ran past their timeout.
    public internal(set) var timedOut: UInt64 = 0
    /// Jobs given back without an attempt being counted.
    public internal(set) var returned: UInt64 = 0
    /// Handlers that threw ``ServiceUnavailable``.
    public internal(set) var unavailable: UInt64 = 0
    /// Results that the coordinator has made durable.
    public internal(set) var accepted: UInt64 = 0
    /// Results that came after the lease had ended.
    public internal(set) var refused: UInt64 = 0
    /// Jobs that the coordinator took away.
    public internal(set) var ended: UInt64 = 0
    /// Jobs whose lease ended because the coordinator was out of reach.
    public internal(set) var leasesLost: UInt64 = 0
    /// Jobs given back because they could not start while what they take of services was good.
    public internal(set) var late: UInt64 = 0
    /// Handlers that did not stop within the grace after they were told to.
    public internal(set) var stuck: UInt64 = 0
    /// Times that the worker made itself known to a coordinator.
    public internal(set) var registrations: UInt64 = 0

    public init() {}
}
