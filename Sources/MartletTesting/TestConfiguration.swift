public import Martlet

/// How a ``TestCluster`` behaves.
public struct TestConfiguration: Sendable {
    /// Civil time when the cluster starts.
    public let start: WallTime
    /// Handlers that may run at once. With one, jobs run in the same order in every run of the test.
    public let slots: Int
    /// Of ``TestCluster/client``.
    public let clientMiddleware: [any SubmitMiddleware]
    /// How long, in real time, a call waits while no handler begins or ends and no virtual time passes.
    public let patience: Duration
    /// Equal seeds draw equal random numbers, for the jitter of retries say.
    public let seed: UInt64
    /// Where the worker's log lines go; nowhere unless given.
    public let logHandler: LogHandler

    /// 2026-01-01 00:00 UTC.
    public static let standardStart = WallTime(microseconds: 1_767_225_600_000_000)

    public static let standard = TestConfiguration()

    /// - Precondition: `slots` is 1 to 1,024, `patience` is positive.
    public init(
        start: WallTime = TestConfiguration.standardStart, slots: Int = 1,
        clientMiddleware: [any SubmitMiddleware] = [], patience: Duration = .seconds(10), seed: UInt64 = 1,
        logHandler: @escaping LogHandler = { _ in }
    ) {
        precondition((1...1024).contains(slots), "a test cluster has 1 to 1,024 slots")
        precondition(patience > .zero, "a call that never waits can see no handler end")
        self.start = start
        self.slots = slots
        self.clientMiddleware = clientMiddleware
        self.patience = patience
        self.seed = seed
        self.logHandler = logHandler
    }
}
