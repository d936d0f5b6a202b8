import MartletCore

/// An external service whose limits hold for calls that a handler makes while it runs.
///
/// ```swift
/// let maps = context.service("maps")
/// for stop in self.stops {
///     try await maps.acquire()
///     route.append(try await mapsAPI.geocode(stop))
/// }
/// ```
public struct LimitedService: Sendable {
    /// As in cluster.json.
    public let name: String
    /// Whose share of the service is used, where the service has limits per key.
    public let key: String?
    private let context: JobContext

    init(name: String, key: String?, context: JobContext) {
        self.name = name
        self.key = key
        self.context = context
    }

    /// Waits until the cluster's budget for the service has so many tokens, and takes them. Make the calls right after:
    /// tokens are good for a tenth of a second, so do not gather them.
    ///
    /// Tokens that were taken stay spent, also if the call is not made. Calls that wait for the same service on this
    /// worker are served in order. The job keeps its slot meanwhile: where all calls of a job are known before, name the
    /// service in its ``JobOptions/services`` instead, and it waits without one. The service's concurrency counts jobs
    /// that name it, not these calls.
    ///
    /// - Parameter tokens: one for each call, unless calls weigh more.
    /// - Throws: `CancellationError` as soon as the task is cancelled, which it is at ``JobContext/deadline``;
    ///   ``MartletError``: `.invalidRequest`, `.refused` if there is no such service or its burst is smaller,
    ///   `.overloaded` if too many calls wait here, `.closed` if the attempt is over.
    public func acquire(_ tokens: Int = 1) async throws {
        if let problem = ServiceUse.problem([ServiceUse(self.name, key: self.key, weight: tokens)]) {
            throw MartletError(.invalidRequest, problem)
        }
        try self.context.checkOpen()
        try await self.context.kind.scope.services.acquire(tokens, of: ServiceBudget.Account(self.name, key: self.key))
    }
}

extension JobContext {
    /// A service of cluster.json, for calls that the handler makes; see ``LimitedService/acquire(_:)``.
    ///
    /// - Parameter key: whose share of the service is used, where it has limits per key.
    public func service(_ name: String, key: String? = nil) -> LimitedService {
        LimitedService(name: name, key: key, context: self)
    }

    func checkOpen() throws(MartletError) { try self.desk.check(self.use) }
}
