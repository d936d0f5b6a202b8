import Foundation
import MartletObservability

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where log lines of a client or worker go. Called on the thread that logs: be quick, and do not wait.
public typealias LogHandler = @Sendable (LogRecord) -> Void

/// One line of a log.
public struct LogRecord: Sendable, CustomStringConvertible {
    public enum Level: UInt8, Comparable, Sendable, CaseIterable {
        case debug, info, notice, warning, error

        public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    public var level: Level
    public var message: String
    /// In the order in which they are to be shown.
    public var fields: [(key: String, value: String)]

    public init(level: Level, message: String, fields: [(key: String, value: String)] = []) {
        self.level = level
        self.message = message
        self.fields = fields
    }

    /// `level message key=value key="a value"`.
    public var description: String {
        self.fields.reduce("\(self.level) \(self.message)") { text, field in
            let isPlain = !field.value.isEmpty && field.value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 }
            return text + " \(field.key)=\(isPlain ? field.value : field.value.debugDescription)"
        }
    }

    /// Writes each record, behind the time in UTC, as a line to the standard error output.
    ///
    /// - Parameter level: the least that is written.
    public static func toStandardError(from level: Level = .info) -> LogHandler {
        { record in
            guard record.level >= level else { return }
            let time = Date.ISO8601FormatStyle(includingFractionalSeconds: true).format(Date())
            let line = Array("\(time) \(record)\n".utf8)
            // One call a line, so that the lines of several threads do not mix. Nobody is left to tell of a failure.
            _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        }
    }
}

/// Writes log lines of one attempt: job, type and attempt are added to each.
public struct JobLogger: Sendable {
    private let context: JobContext
    private let handler: LogHandler

    init(context: JobContext, handler: @escaping LogHandler) {
        self.context = context
        self.handler = handler
    }

    public func debug(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        self.log(.debug, message, fields)
    }

    public func info(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        self.log(.info, message, fields)
    }

    public func notice(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        self.log(.notice, message, fields)
    }

    public func warning(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        self.log(.warning, message, fields)
    }

    public func error(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        self.log(.error, message, fields)
    }

    public func log(_ level: LogRecord.Level, _ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        let own: [(key: String, value: String)] = [
            ("job", "\(self.context.id)"), ("type", self.context.type), ("attempt", "\(self.context.attempt)"),
        ]
        self.handler(LogRecord(level: level, message: message, fields: own + fields.map { ($0.key, $0.value) }))
    }
}

extension Log {
    /// A log of constant texts that writes to a user's handler.
    init(_ handler: @escaping LogHandler) {
        self.init(level: .debug) { level, text, fields in
            let level = LogRecord.Level(rawValue: level.rawValue) ?? .error
            let fields = fields.map { (key: $0.key.rawValue, value: "\($0.value)") }
            handler(LogRecord(level: level, message: "\(text)", fields: fields))
        }
    }
}
