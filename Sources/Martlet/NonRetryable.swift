/// Thrown by a handler to say that another attempt is useless: the job is dead at once.
///
/// ```swift
/// guard let account = try await accounts.find(self.accountID) else {
///     throw NonRetryable("the account was deleted")
/// }
/// ```
public struct NonRetryable: Error, CustomStringConvertible {
    /// What is stored with the dead job.
    public let failure: JobFailure
    let output: Payload

    /// - Parameter message: for people. At most 2,048 bytes of it are kept.
    public init(_ message: String) {
        self.failure = JobFailure(kind: "NonRetryable", message: message)
        self.output = .empty
    }

    /// Makes `error` final.
    public init(_ error: any Error) {
        self.failure = JobFailure(error)
        self.output = (error as? JobFailureError)?.output ?? .empty
    }

    public var description: String { self.failure.message }
}

extension JobFailure {
    /// What is kept of an error that a handler threw: the name of its type and what it says of itself.
    package init(_ error: any Error) {
        switch error {
        case let final as NonRetryable: self = final.failure
        case let known as JobFailureError: self = known.failure
        default: self.init(kind: String(describing: Swift.type(of: error)), message: String(describing: error))
        }
    }
}

/// Thrown by a handler to choose what is stored of the failure. The attempt counts, the job is tried again.
public struct JobFailureError: Error, CustomStringConvertible {
    public let failure: JobFailure
    /// What a program printed last, kept with the attempt.
    public let output: Payload

    /// - Parameters:
    ///   - kind: short and stable, such as `exit 3`; failures are grouped by it.
    ///   - message: for people.
    ///   - output: what a program that did the work printed; the last 16 KiB are kept.
    public init(kind: String, message: String, output: Payload = .empty) {
        let surplus = max(0, output.count - Self.outputBytesMax)
        self.output = Payload(output.bytes[surplus..<output.count])
        self.failure = JobFailure(kind: kind, message: message)
    }

    public var description: String { self.failure.message }

    private static let outputBytesMax = 16 * 1024
}
