import MartletCore

/// Tells a closure of every attempt and every submit: what it was, how long it took, how it ended.
///
/// ```swift
/// worker.use(
///     JobMetrics { measurement in
///         histogram.record(measurement.duration, labels: [measurement.type, measurement.outcome.rawValue])
///     })
/// ```
///
/// A measurement has no job id: it is made for labels, whose values must be few.
public struct JobMetrics: HandlerMiddleware, SubmitMiddleware {
    /// One attempt, or the jobs of one kind of one submit.
    public struct Measurement: Hashable, Sendable {
        public enum Event: String, Hashable, Sendable {
            case handled, submitted
        }

        /// How it ended.
        public enum Outcome: String, Hashable, Sendable {
            case succeeded
            /// The attempt failed and may be tried again; the submit failed.
            case failed
            /// The attempt failed for good: ``NonRetryable``.
            case failedForGood
            /// A service was unavailable, which costs no attempt: ``ServiceUnavailable``.
            case unavailable
            /// It threw because its task was cancelled.
            case cancelled
        }

        public let event: Event
        public let type: String
        public let queue: String
        /// 1 for an attempt.
        public let jobCount: Int
        /// Of the handler and the middleware within this one, or of the whole call of `submit`.
        public let duration: Duration
        public let outcome: Outcome

        /// For tests of what takes measurements.
        public init(
            event: Event, type: String, queue: String, jobCount: Int, duration: Duration, outcome: Outcome
        ) {
            self.event = event
            self.type = type
            self.queue = queue
            self.jobCount = jobCount
            self.duration = duration
            self.outcome = outcome
        }
    }

    private let record: @Sendable (Measurement) -> Void

    /// - Parameter record: called in the task of the handler or submit: be quick, and do not wait.
    public init(_ record: @escaping @Sendable (Measurement) -> Void) {
        self.record = record
    }

    public func handle(_ context: JobContext, next: Next) async throws {
        let start = context.now
        func record(_ outcome: Measurement.Outcome) {
            self.record(
                Measurement(
                    event: .handled, type: context.type, queue: context.queue, jobCount: 1,
                    duration: context.now - start, outcome: outcome))
        }
        do {
            try await next()
        } catch {
            record(Self.outcome(of: error))
            throw error
        }
        record(.succeeded)
    }

    public func submit(_ request: SubmitRequest, next: SubmitRequest.Next) async throws -> [JobID] {
        let start = request.now
        func record(_ outcome: Measurement.Outcome) {
            let duration = request.now - start
            for kind in request.kinds {
                self.record(
                    Measurement(
                        event: .submitted, type: kind.type, queue: kind.queue, jobCount: kind.jobCount,
                        duration: duration, outcome: outcome))
            }
        }
        do {
            let ids = try await next(request)
            record(.succeeded)
            return ids
        } catch {
            record(Self.outcome(of: error))
            throw error
        }
    }

    private static func outcome(of error: any Error) -> Measurement.Outcome {
        switch error {
        case is NonRetryable: .failedForGood
        case is ServiceUnavailable: .unavailable
        case is CancellationError: .cancelled
        case let error as MartletError where error.code == .cancelled: .cancelled
        default: .failed
        }
    }
}
