import MartletCore

/// Thrown by a handler to say that an external service turned it away (HTTP 429 or 503): the job waits and loses no
/// attempt, and no job of the cluster calls the service until it wants to be asked again.
///
/// ```swift
/// let response = try await stripe.charge(self.customerID, self.amount)
/// if response.status == 429 || response.status == 503 {
///     throw ServiceUnavailable("stripe", retryAfter: response.retryAfter)
/// }
/// ```
///
/// The service's rate is cut and climbs back, as `adaptive` in cluster.json says; after several such failures in a row
/// the service is left alone for a while, as `breaker` says, and then tried with one job at a time.
///
/// A coordinator of an older version, and one that knows no such service, counts it as a failed attempt.
public struct ServiceUnavailable: Error, Hashable, Sendable, CustomStringConvertible {
    /// As in cluster.json; nil for all services that the job uses.
    public let service: String?
    /// For how long the service wants to be left alone; nil if it did not say.
    public let retryAfter: Duration?

    /// - Parameters:
    ///   - service: its name in cluster.json.
    ///   - retryAfter: what it said, in `Retry-After` say; a day at most counts.
    public init(_ service: String, retryAfter: Duration? = nil) {
        self.service = service
        self.retryAfter = retryAfter
    }

    /// For whatever services the job uses.
    public init(retryAfter: Duration? = nil) {
        self.service = nil
        self.retryAfter = retryAfter
    }

    public var description: String {
        let name = self.service.map { "the service \($0)" } ?? "a service of the job"
        return "\(name) is unavailable\(self.retryAfter.map { " for \($0)" } ?? "")"
    }
}

extension ServiceUnavailable {
    /// Whether the name can be that of a service; one that cannot would spoil a report.
    var isWellNamed: Bool { self.service.map { ServiceUse.problem(name: $0) == nil } ?? true }
}
