import MartletCore
import MartletRuntime

/// Something done around every submit of a client: logging, metrics, tracing, defaults of your own.
///
/// ```swift
/// struct TenantTag: SubmitMiddleware {
///     let tenant: String
///
///     func submit(_ request: SubmitRequest, next: SubmitRequest.Next) async throws -> [JobID] {
///         var request = request
///         request.updateOptions { $0.metadata["tenant"] = self.tenant }
///         return try await next(request)
///     }
/// }
///
/// let client = try await Client.connect(configuration: ClientConfiguration(middleware: [TenantTag(tenant: "acme")]))
/// ```
///
/// Called once for each call of `submit`, however many jobs it has. The first of
/// ``ClientConfiguration/middleware`` is outermost.
public protocol SubmitMiddleware: Sendable {
    /// Wraps one call of `submit`.
    ///
    /// - Parameters:
    ///   - request: what is about to be submitted.
    ///   - next: does the rest, the submit itself last.
    /// - Returns: what `next` returned: the ids of the jobs, in order.
    /// - Throws: what `next` throws; or any error, to submit nothing: who submits gets
    ///   ``MartletError/Code/refusedByMiddleware``, or the ``MartletError`` itself.
    func submit(_ request: SubmitRequest, next: SubmitRequest.Next) async throws -> [JobID]
}

/// What one call of `submit` is about to submit.
public struct SubmitRequest: Sendable {
    /// The rest of a submit.
    public typealias Next = @Sendable (SubmitRequest) async throws -> [JobID]

    /// What the jobs of one type, queue and options have in common.
    public struct Kind: Hashable, Sendable {
        public var type: String
        public var queue: String
        public var options: JobOptions
        public let jobCount: Int
        /// Of all their payloads.
        public let payloadBytes: Int
    }

    /// In the order of their first jobs. One, unless raw jobs of several kinds are submitted together.
    public private(set) var kinds: [Kind]
    private let loop: EventLoop

    init(kinds: [Kind], loop: EventLoop) {
        self.kinds = kinds
        self.loop = loop
    }

    /// The client's clock.
    var now: Instant { self.loop.now }

    public var jobCount: Int { self.kinds.reduce(0) { $0 + $1.jobCount } }

    /// Of all payloads.
    public var payloadBytes: Int { self.kinds.reduce(0) { $0 + $1.payloadBytes } }

    /// Changes type, queue or options of every kind. What breaks their rules fails the submit.
    public mutating func update<Failure: Error>(_ body: (inout Kind) throws(Failure) -> Void) throws(Failure) {
        for place in self.kinds.indices { try body(&self.kinds[place]) }
    }

    /// Changes the options of all jobs.
    public mutating func updateOptions<Failure: Error>(
        _ body: (inout JobOptions) throws(Failure) -> Void
    ) throws(Failure) {
        for place in self.kinds.indices { try body(&self.kinds[place].options) }
    }
}

extension [any SubmitMiddleware] {
    /// `submit` with all of these around it, the first outermost.
    func around(_ submit: @escaping SubmitRequest.Next) -> SubmitRequest.Next {
        self.reversed().reduce(submit) { inner, middleware in
            { request in try await middleware.submit(request, next: inner) }
        }
    }
}
