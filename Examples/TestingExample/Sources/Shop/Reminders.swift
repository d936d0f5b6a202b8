import Foundation
import Martlet

/// Every way to submit one job.
public func remind(_ address: String, of sale: Date, through client: Client) async throws -> [JobID] {
    let mail = WelcomeMail(address: address)
    var ids: [JobID] = []

    ids.append(try await client.submit(mail))
    ids.append(try await client.submit(mail, delay: .seconds(3600)))
    ids.append(try await client.submit(mail, at: WallTime(sale)))
    ids.append(try await client.submit(mail, queue: "mail.bulk"))

    let urgent = JobOptions(
        priority: .highest,
        timeout: .seconds(10),
        retry: RetryPolicy(maxAttempts: 3, initialBackoff: .seconds(5), maxBackoff: .seconds(60)))
    ids.append(try await client.submit(mail, options: urgent))

    var timely = WelcomeMail.options
    timely.expiry = .seconds(900)
    ids.append(try await client.submit(mail, options: timely))

    var marked = WelcomeMail.options
    marked.tags = ["sale", "spring"]
    marked.metadata = ["campaign": "spring-7", "locale": "de"]
    ids.append(try await client.submit(mail, options: marked))
    return ids
}

/// Many at once: all or, up to 10,000 of them, none.
public func remindAll(_ addresses: [String], through client: Client) async throws -> [JobID] {
    try await client.submit(addresses.map { WelcomeMail(address: $0) })
}

/// Handlers see what was submitted with a job.
public struct Localization: HandlerMiddleware {
    @TaskLocal public static var locale = "en"

    public init() {}

    public func handle(_ context: JobContext, next: Next) async throws {
        try await Self.$locale.withValue(context.metadata["locale"] ?? "en") { try await next() }
    }
}
