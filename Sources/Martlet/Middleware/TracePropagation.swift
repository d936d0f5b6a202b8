import MartletCore

/// Carries the ``TraceContext`` of who submits a job to its handler, in the job's metadata.
///
/// ```swift
/// let client = try await Client.connect(configuration: ClientConfiguration(middleware: [TracePropagation()]))
/// worker.use(TracePropagation())
/// ```
///
/// At a submit, a span below ``TraceContext/current`` goes into the jobs' metadata as `traceparent` (and `tracestate`),
/// unless there is one already or the metadata has no room. In the handler ``TraceContext/current`` is a span below
/// that, a new one for each attempt, so that what the handler calls or submits belongs to the same trace: also what it
/// submits with ``JobContext/submit(_:queue:options:delay:at:)``.
public struct TracePropagation: HandlerMiddleware, SubmitMiddleware {
    public static let traceparentKey = "traceparent"
    public static let tracestateKey = "tracestate"

    private let beginsTraces: Bool
    private let random: @Sendable () -> UInt64

    /// - Parameters:
    ///   - beginsTraces: whether a job that is submitted or run outside of any trace begins one.
    ///   - random: 64 random bits at each call, of which ids are made.
    public init(
        beginsTraces: Bool = false, random: @escaping @Sendable () -> UInt64 = { UInt64.random(in: 1 ... .max) }
    ) {
        self.beginsTraces = beginsTraces
        self.random = random
    }

    public func submit(_ request: SubmitRequest, next: SubmitRequest.Next) async throws -> [JobID] {
        guard let span = self.span() else { return try await next(request) }
        var request = request
        request.updateOptions { Self.add(span, to: &$0) }
        return try await next(request)
    }

    public func followUp(_ kind: inout SubmitRequest.Kind, of context: JobContext) {
        if let span = self.span() { Self.add(span, to: &kind.options) }
    }

    public func handle(_ context: JobContext, next: Next) async throws {
        let begun = self.beginsTraces ? TraceContext.begin(random: self.random) : nil
        let carried = context.metadata[Self.traceparentKey].flatMap {
            TraceContext(traceparent: $0, state: context.metadata[Self.tracestateKey])
        }
        guard let parent = carried ?? begun else { return try await next() }
        try await TraceContext.$current.withValue(parent.child(random: self.random)) { try await next() }
    }

    /// That of what is submitted now.
    private func span() -> TraceContext? {
        let begun = self.beginsTraces ? TraceContext.begin(random: self.random) : nil
        return (TraceContext.current ?? begun)?.child(random: self.random)
    }

    /// A submit does not fail for its trace.
    private static func add(_ span: TraceContext, to options: inout JobOptions) {
        guard options.metadata[Self.traceparentKey] == nil else { return }
        var traced = options
        traced.metadata[Self.traceparentKey] = span.traceparent
        guard traced.problem == nil else { return }
        options = traced
        traced.metadata[Self.tracestateKey] = span.state
        if traced.problem == nil { options = traced }
    }
}
