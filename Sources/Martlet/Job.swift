/// Work that can be submitted and is run by a worker.
///
/// The stored properties are the payload; they travel as JSON.
///
/// ```swift
/// struct SendWelcomeMail: Job {
///     static let type = "mail.welcome"
///     static let queue = "mail"
///
///     var address: String
///
///     func run(_ context: JobContext) async throws {
///         try await Mailer.shared.send("Welcome!", to: self.address)
///     }
/// }
/// ```
///
/// A job runs at least once: a node may die after the work was done and before that was noted. Make ``run(_:)``
/// safe to repeat, for example by passing ``JobContext/id`` on as an idempotency key.
public protocol Job: Codable, Sendable {
    /// What ``run(_:)`` returns: nothing, or a result that travels as JSON. See ``JobOptions/retention`` for how long
    /// it is kept.
    associatedtype Output: Sendable = Void

    /// Names the job in the cluster. Renaming the Swift type changes nothing as long as this stays.
    ///
    /// 1 to 128 of the characters `A-Z a-z 0-9 . _ - : /`. The name of the Swift type unless said otherwise.
    static var type: String { get }

    /// The line in which it waits; rules as for ``type``. `default` unless said otherwise.
    static var queue: String { get }

    /// How it is run, unless a submit says otherwise. What is left nil here is decided by `cluster.json`.
    static var options: JobOptions { get }

    /// Does the work.
    ///
    /// The task is cancelled when the attempt's time is up, when the lease ends, and at shutdown: return or throw soon
    /// after that. Any error fails the attempt, and the job is tried again as its ``JobOptions/retry`` says;
    /// ``NonRetryable`` makes the failure final, ``ServiceUnavailable`` costs no attempt.
    func run(_ context: JobContext) async throws -> Output
}

extension Job {
    public static var type: String { String(describing: Self.self) }
    public static var queue: String { "default" }
    public static var options: JobOptions { .standard }
}
