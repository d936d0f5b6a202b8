package import MartletCore
package import MartletRuntime

/// What a handler knows of the attempt that it is.
///
/// The attempt is over, and its task cancelled, when ``deadline`` passes, when the coordinator takes the job away, or
/// when the worker shuts down. Ask `Task.isCancelled` in long loops, or use calls that throw `CancellationError`.
public struct JobContext: Sendable {
    /// The same for every attempt of the job: fit as an idempotency key.
    public let id: JobID
    /// 1 for the first. Counts recorded failures, so an attempt that died with its node is not counted.
    public let attempt: Int
    /// When this attempt is cancelled and failed, on this process's clock; see ``timeRemaining``.
    public let deadline: Instant
    let kind: JobKind
    private let extras: DeliveredExtras?
    /// What the attempt leaves, and the number by which its desk knows it.
    let desk: AttemptDesk
    let use: UInt64

    init(_ job: WorkerCore.Job, deadline: Instant, desk: AttemptDesk, use: UInt64) {
        self.id = job.id
        self.attempt = Int(job.attempt)
        self.deadline = deadline
        self.kind = job.kind
        self.extras = job.extras
        self.desk = desk
        self.use = use
    }

    /// To be handed on to services that take an idempotency key: the same for every attempt of the job, and no other
    /// job's.
    public var idempotencyKey: String { "martlet-job-\(self.id)" }

    /// As submitted.
    public var tags: [String] { self.kind.tags }
    /// As submitted.
    public var metadata: [String: String] { self.kind.metadata }
    /// The jobs that this one waited for, in the order of their submit.
    public var parents: [ParentJob] { (self.extras?.parents ?? []).map { ParentJob($0) } }

    /// What an earlier attempt saved last, see ``save(checkpoint:)-(Value)``; nil if it saved nothing.
    ///
    /// - Throws: ``JobFailureError`` if it does not decode.
    public func checkpoint<Value: Decodable>(as type: Value.Type = Value.self) throws(JobFailureError) -> Value? {
        guard let bytes = self.extras?.checkpoint else { return nil }
        return try PayloadCoding.decode(value: type, from: bytes)
    }

    /// As ``checkpoint(as:)``, as it was saved.
    public var rawCheckpoint: Payload? { self.extras?.checkpoint.map { Payload($0) } }

    public var type: String { self.kind.type }

    public var queue: String { self.kind.queue }

    /// Time left until ``deadline``; not negative.
    public var timeRemaining: Duration { max(.zero, self.deadline - self.kind.scope.loop.now) }

    /// The worker's clock, which ``deadline`` is on. Virtual in a test that uses MartletTesting.
    public var now: Instant { self.kind.scope.loop.now }

    /// Waits on the worker's clock; at once over in a test that uses MartletTesting, where time is virtual.
    ///
    /// - Throws: `CancellationError` as soon as the task is cancelled.
    public func sleep(for duration: Duration) async throws(CancellationError) {
        try await self.kind.scope.loop.sleep(for: duration)
    }

    /// Writes lines that carry the job's id, type and attempt.
    public var logger: JobLogger { JobLogger(context: self, handler: self.kind.scope.logHandler) }
}

/// What the jobs of one type and queue have in common on this node.
package final class JobKind: Sendable {
    package typealias Handler = @Sendable (Bytes, JobContext) async throws -> Void

    package let type: String
    package let queue: String
    package let timeout: Duration
    let timeoutNanoseconds: Int64
    package let tags: [String]
    package let metadata: [String: String]
    package let handler: Handler
    package let scope: JobScope
    /// Set if its jobs are handled many at once; `handler` is then not called.
    package let batch: BatchHandler?

    package init(
        type: String, queue: String, timeout: Duration, tags: [String] = [], metadata: [String: String] = [:],
        scope: JobScope, batch: BatchHandler? = nil, handler: @escaping Handler
    ) {
        self.batch = batch
        self.type = type
        self.queue = queue
        self.timeout = timeout
        self.timeoutNanoseconds = timeout.wholeNanoseconds
        self.tags = tags
        self.metadata = metadata
        self.scope = scope
        self.handler = handler
    }
}

/// What all jobs of a worker share.
package final class JobScope: Sendable {
    package let loop: EventLoop
    let services: ServiceDesk
    package let logHandler: LogHandler
    /// Those around the handlers, the first outermost: they see follow-ups, too.
    let middleware: [any HandlerMiddleware]

    package init(
        loop: EventLoop, services: ServiceDesk? = nil, middleware: [any HandlerMiddleware] = [],
        logHandler: @escaping LogHandler
    ) {
        self.services = services ?? ServiceDesk(loop: loop)
        self.loop = loop
        self.middleware = middleware
        self.logHandler = logHandler
    }
}
