import Martlet
import MartletConfiguration
import MartletCore

/// How a program says that an external service is unavailable: it exits with 75 (EX_TEMPFAIL), or, with any code but 0,
/// what it wrote last to standard error is a line such as
///
///     {"unavailable": "stripe", "retryAfter": "30s"}
///
/// `retryAfter` is a duration, or a number of seconds as in the HTTP header; it may be left out, and so may the name,
/// which then is that of all services that the job uses: `{"unavailable": true}`.
enum ExecUnavailable {
    static let exitCode: Int32 = 75

    /// What a program that did not succeed said of a service, if it said anything.
    static func error(_ code: Int32, errorTail: String) -> ServiceUnavailable? {
        if let said = Self.line(of: errorTail) { return said }
        return code == Self.exitCode ? ServiceUnavailable() : nil
    }

    private static func line(of errorTail: String) -> ServiceUnavailable? {
        let lines = errorTail.split(whereSeparator: \.isNewline)
        guard let line = lines.last, line.hasPrefix("{"),
            let value = try? JSONReader.value(of: Array(line.utf8)), case .object(let members) = value.content,
            let name = members.first(where: { $0.name == "unavailable" })?.value.content
        else { return nil }
        let retryAfter = members.first { $0.name == "retryAfter" }.flatMap { Self.duration($0.value.content) }
        switch name {
        case .string(let service) where ServiceUse.problem(name: service) == nil:
            return ServiceUnavailable(service, retryAfter: retryAfter)
        case .boolean(true): return ServiceUnavailable(retryAfter: retryAfter)
        default: return nil
        }
    }

    private static func duration(_ content: JSONValue.Content) -> Duration? {
        switch content {
        case .string(let text): Quantity.duration(text)
        case .number(let text):
            Double(text).flatMap { (0...86400).contains($0) ? .milliseconds(Int64($0 * 1000)) : nil }
        default: nil
        }
    }
}
