import MartletCore
import MartletRuntime
import MartletWire

/// How a job ended.
public struct JobOutcome: Hashable, Sendable {
    public let id: JobID
    /// A terminal one.
    public let state: JobState
    /// What its handler left, if it succeeded and left something that is still there.
    public let result: Payload?
    /// The last failure, if there was any.
    public let failure: JobFailure?

    init(_ ended: JobEnded) {
        self.id = ended.id
        self.state = ended.state
        self.result = ended.result.map { Payload($0) }
        self.failure = ended.failure
    }
}

extension Client {
    /// How long one request waits at the coordinator.
    private static let parkTime = Duration.seconds(20)

    /// Waits until a job has ended.
    ///
    /// It asks the coordinator, whose answer waits there for the job's end, 20 seconds at a time. A job that is not kept
    /// is gone with its end: its outcome reaches only a request that waits at that moment, and is missed between two
    /// requests, by a reply that is lost, and over a restart of the coordinator. `.notFound` is thrown then. Where an
    /// outcome matters, set ``JobOptions/retention``.
    ///
    /// - Parameter timeout: how long to wait; for ever if nil.
    /// - Throws: ``MartletError``: `.notFound` if there is no such job any more, `.timedOut` if it has not ended by
    ///   then, `.cancelled`, and what any request throws if the coordinator stays out of reach.
    public func outcome(of id: JobID, timeout: Duration? = nil) async throws(MartletError) -> JobOutcome {
        let deadline = timeout.map { self.loop.now + $0 } ?? .distantFuture
        while true {
            let left = max(.zero, deadline - self.loop.now)
            let question = AwaitJob(id: id, timeout: min(left, Self.parkTime))
            let ended: JobEnded = try await self.ask(
                question, until: self.loop.now + question.timeout + self.configuration.timeout,
                attemptTimeout: question.timeout + self.configuration.attemptTimeout)
            if ended.state.isTerminal { return JobOutcome(ended) }
            guard self.loop.now < deadline else {
                throw MartletError(.timedOut, "job \(id) has not ended yet: it is \(ended.state)")
            }
            guard !Task.isCancelled else { throw MartletError(.cancelled, "the task was cancelled") }
        }
    }

    /// Waits for a job to succeed and returns its result.
    ///
    /// ```swift
    /// let id = try await client.submit(Thumbnail(of: "cat.jpg"))
    /// let url = try await client.result(of: id, as: URL.self, timeout: .seconds(60))
    /// ```
    ///
    /// - Throws: as ``outcome(of:timeout:)``; `.jobFailed` if the job ended otherwise, `.noResult` if it left none, or
    ///   none of this type.
    public func result<Value: Decodable & Sendable>(
        of id: JobID, as type: Value.Type = Value.self, timeout: Duration? = nil
    ) async throws(MartletError) -> Value {
        let outcome = try await self.outcome(of: id, timeout: timeout)
        guard outcome.state == .succeeded else {
            let cause = outcome.failure.map { ": \($0.kind): \($0.message)" } ?? ""
            throw MartletError(.jobFailed, "job \(id) is \(outcome.state)\(cause)")
        }
        guard let result = outcome.result else { throw MartletError(.noResult, "job \(id) left no result") }
        do {
            return try PayloadCoding.decode(value: type, from: result.bytes)
        } catch {
            throw MartletError(.noResult, "the result of job \(id) \(error.failure.message)")
        }
    }
}
