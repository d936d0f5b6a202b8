import MartletCore
import MartletJSON

/// One line of a server's log, for people or programs.
enum LogLine {
    enum Level: String, Sendable, CaseIterable {
        case debug, info, notice, warning, error

        var ink: Style.Ink {
            switch self {
            case .debug: .dim
            case .info, .notice: .green
            case .warning: .yellow
            case .error: .red
            }
        }
    }

    /// `2026-03-01T09:30:00.125Z info    coordinator started epoch=3 count=0`.
    static func text(
        _ level: Level, _ message: String, _ fields: [(key: String, value: String)], at time: WallTime, style: Style
    ) -> String {
        var line = style.apply(.dim, WallClockText.rfc3339(time)) + " "
        line += style.apply(level.ink, level.rawValue.padding(to: 8)) + HumanText.printable(message)
        for (key, value) in fields {
            let isPlain = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x7F }
            let shown = isPlain ? HumanText.printable(value) : JSONOutput.string(value).text
            line += " " + style.apply(.dim, "\(key)=") + shown
        }
        return line
    }

    static func json(
        _ level: Level, _ message: String, _ fields: [(key: String, value: String)], at time: WallTime
    ) -> String {
        JSONOutput.object(
            [("time", .time(time)), ("level", .string(level.rawValue)), ("message", .string(message))]
                + fields.map { ($0.key, .string($0.value)) }
        ).text
    }
}
