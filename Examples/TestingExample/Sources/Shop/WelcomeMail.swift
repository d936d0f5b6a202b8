import Martlet

public protocol Mailer: Sendable {
    func send(_ text: String, to address: String) async throws
}

/// The mailer of the job that runs.
public enum Mail {
    @TaskLocal public static var mailer: (any Mailer)?
}

public struct UnknownAddress: Error {
    public init() {}
}

public struct WelcomeMail: Job, Equatable {
    public static let type = "mail.welcome"
    public static let queue = "mail"
    public static let options = JobOptions(
        timeout: .seconds(60),
        retry: RetryPolicy(maxAttempts: 3, initialBackoff: .seconds(60), maxBackoff: .seconds(3600), jitter: 0))

    public let address: String

    public init(address: String) {
        self.address = address
    }

    public func run(_ context: JobContext) async throws {
        try await Mail.mailer?.send("Welcome!", to: self.address)
    }
}

/// Signs a customer up as part of the trace that the request belongs to.
public func signUp(_ address: String, traceparent header: String, through client: Client) async throws -> JobID {
    let context = TraceContext(traceparent: header) ?? TraceContext.begin()
    return try await TraceContext.$current.withValue(context) {
        try await client.submit(WelcomeMail(address: address))
    }
}

/// Signs a customer up: the mail goes out later.
public func signUp(_ address: String, through client: Client) async throws {
    try await client.submit(WelcomeMail(address: address))
}
