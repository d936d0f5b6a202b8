/// Something done around every handler of a worker: logging, timing, tracing, translating errors.
///
/// ```swift
/// struct PaymentErrors: HandlerMiddleware {
///     func handle(_ context: JobContext, next: Next) async throws {
///         do {
///             try await next()
///         } catch let error as CardDeclined {
///             throw NonRetryable("the card was declined: \(error.reason)")
///         }
///     }
/// }
///
/// worker.use(PaymentErrors())
/// ```
///
/// What is registered first is outermost: it begins first and ends last, and sees the error that those within have
/// made of the handler's. It runs in the task of the handler, so task-local values that it sets reach the handler, and
/// its own time counts against the job's timeout.
public protocol HandlerMiddleware: Sendable {
    /// The rest of an attempt.
    typealias Next = @Sendable () async throws -> Void

    /// Wraps one attempt of one job.
    ///
    /// - Parameters:
    ///   - context: the attempt's.
    ///   - next: runs the rest, the handler last. Not calling it ends the attempt without the handler: as a success
    ///     if this returns.
    /// - Throws: what becomes of the attempt, as from a handler: ``NonRetryable`` makes the failure final.
    func handle(_ context: JobContext, next: Next) async throws

    /// Looks at a job that the handler submits with ``JobContext/submit(_:queue:options:delay:at:)``, and may change it,
    /// as a ``SubmitMiddleware`` does where a client submits. Does nothing unless it is implemented.
    ///
    /// - Parameters:
    ///   - kind: of the one job.
    ///   - context: the attempt's. It runs in whatever task submits.
    /// - Throws: any error, to submit nothing: the handler gets ``MartletError/Code/refusedByMiddleware``, or the
    ///   ``MartletError`` itself.
    func followUp(_ kind: inout SubmitRequest.Kind, of context: JobContext) throws
}

extension HandlerMiddleware {
    public func followUp(_ kind: inout SubmitRequest.Kind, of context: JobContext) throws {}
}

/// A middleware that is a closure; see ``Worker/use(_:)-(HandlerClosure)``.
struct ClosureHandlerMiddleware: HandlerMiddleware {
    let body: @Sendable (JobContext, @Sendable () async throws -> Void) async throws -> Void

    func handle(_ context: JobContext, next: Next) async throws {
        try await self.body(context, next)
    }
}

extension HandlerMiddleware {
    /// `handler` with this around it. Composed once a handler, when the worker starts.
    func around(_ handler: @escaping JobKind.Handler) -> JobKind.Handler {
        { payload, context in
            try await self.handle(context) { try await handler(payload, context) }
        }
    }
}

extension [any HandlerMiddleware] {
    /// `handler` with all of these around it, the first outermost; `handler` itself if there are none.
    func around(_ handler: @escaping JobKind.Handler) -> JobKind.Handler {
        self.reversed().reduce(handler) { inner, middleware in middleware.around(inner) }
    }
}
