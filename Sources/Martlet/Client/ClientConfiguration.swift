/// How a ``Client`` behaves.
public struct ClientConfiguration: Sendable {
    /// How long a call goes on trying, in all.
    public let timeout: Duration
    /// How long one try waits for its answer before the same request is sent again.
    public let attemptTimeout: Duration
    /// Submit frames under way at once. While that many are, further submits gather into the next frame.
    public let framesInFlightMax: Int
    /// Bytes of jobs that wait to be sent. Over it, submits fail with ``MartletError/Code/overloaded``.
    public let pendingBytesMax: Int
    /// What is done around every submit, the first outermost.
    public let middleware: [any SubmitMiddleware]

    public static let standard = ClientConfiguration()

    /// - Precondition: `0 < attemptTimeout <= timeout`, `framesInFlightMax` is 1 to 64, and `pendingBytesMax` is
    ///   positive.
    public init(
        timeout: Duration = .seconds(30), attemptTimeout: Duration = .seconds(5), framesInFlightMax: Int = 4,
        pendingBytesMax: Int = 64 << 20, middleware: [any SubmitMiddleware] = []
    ) {
        precondition(.zero < attemptTimeout && attemptTimeout <= timeout, "a call lasts at least one try")
        precondition((1...64).contains(framesInFlightMax), "1 to 64 frames may be in flight")
        precondition(pendingBytesMax > 0, "a client needs room for jobs that wait")
        self.timeout = timeout
        self.attemptTimeout = attemptTimeout
        self.framesInFlightMax = framesInFlightMax
        self.pendingBytesMax = pendingBytesMax
        self.middleware = middleware
    }
}
