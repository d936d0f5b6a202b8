import MartletCore

/// Logs every attempt and every submit.
///
/// ```swift
/// worker.use(JobLogging())
/// ```
///
/// An attempt's begin is logged at `debug`, its end at `info`, its failure at `warning`; a submit at `debug`, one that
/// failed at `warning`. Each line has the duration in milliseconds; none has a payload.
public struct JobLogging: HandlerMiddleware, SubmitMiddleware {
    private let submitLog: LogHandler

    /// - Parameter submitLog: where a client's lines go. A worker's go to its ``WorkerConfiguration/logHandler``.
    public init(submitLog: @escaping LogHandler = LogRecord.toStandardError()) {
        self.submitLog = submitLog
    }

    public func handle(_ context: JobContext, next: Next) async throws {
        let start = context.now
        context.logger.debug("job begins", ["queue": context.queue])
        do {
            try await next()
        } catch {
            let failure = JobFailure(error)
            context.logger.warning(
                "job failed",
                [
                    "queue": context.queue, "milliseconds": "\((context.now - start).wholeMilliseconds)",
                    "error": failure.kind, "message": failure.message,
                ])
            throw error
        }
        context.logger.info(
            "job done",
            ["queue": context.queue, "milliseconds": "\((context.now - start).wholeMilliseconds)"])
    }

    public func submit(_ request: SubmitRequest, next: SubmitRequest.Next) async throws -> [JobID] {
        let start = request.now
        func log(_ level: LogRecord.Level, _ message: String, _ more: (key: String, value: String)) {
            let types = request.kinds.prefix(4).map(\.type).joined(separator: ",")
            let fields: [(key: String, value: String)] = [
                ("type", types), ("jobs", "\(request.jobCount)"), ("bytes", "\(request.payloadBytes)"),
                ("milliseconds", "\((request.now - start).wholeMilliseconds)"), more,
            ]
            self.submitLog(LogRecord(level: level, message: message, fields: fields))
        }
        do {
            let ids = try await next(request)
            log(.debug, "jobs submitted", ("first", ids.first.map { "\($0)" } ?? "none"))
            return ids
        } catch {
            log(.warning, "jobs not submitted", ("error", "\(error)"))
            throw error
        }
    }
}
