public import MartletCore

/// When something happens again and again: a set of instants without end.
///
/// All of it is arithmetic on the times that callers pass in: equal calls give equal answers, on every machine with the
/// same time zone data.
public struct Recurrence: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case cron(CronExpression, zone: TimeZoneName, daylightSaving: DaylightSaving)
        /// Microseconds.
        case every(Int64, anchor: WallTime)
    }

    package let kind: Kind

    public static let intervalMin = Duration.seconds(1)
    public static let intervalMax = Duration.seconds(3650 * 86400)

    private init(_ kind: Kind) {
        self.kind = kind
    }

    /// The times of a clock on the wall in `zone`.
    public static func cron(
        _ expression: CronExpression, zone: TimeZoneName, daylightSaving: DaylightSaving = .once
    ) -> Self {
        Self(.cron(expression, zone: zone, daylightSaving: daylightSaving))
    }

    /// `anchor` and every instant that is a whole number of intervals before or after it, whatever clocks show.
    ///
    /// - Precondition: `interval` is one second to ten years.
    public static func every(_ interval: Duration, anchor: WallTime) -> Self {
        precondition(Self.isInterval(interval), "an interval is one second to ten years")
        return Self(.every(interval.wholeMicroseconds, anchor: anchor))
    }

    /// Reads a cron expression, or an interval as `@every 90s` (units `d`, `h`, `m`, `s`, `ms`; `1h30m`).
    ///
    /// - Parameters:
    ///   - zone: of a cron expression.
    ///   - anchor: of an interval.
    /// - Throws: ``ScheduleError`` with `badInterval` or what ``CronExpression/init(_:)`` throws.
    public init(
        _ text: String, zone: TimeZoneName, daylightSaving: DaylightSaving = .once, anchor: WallTime
    ) throws(ScheduleError) {
        let words = text.split { $0 == " " || $0 == "\t" }
        guard words.first?.lowercased() == "@every" else {
            self = .cron(try CronExpression(text), zone: zone, daylightSaving: daylightSaving)
            return
        }
        let amount = words.dropFirst().joined(separator: " ")
        guard let interval = Quantity.duration(amount.lowercased()) else {
            throw ScheduleError(
                .badInterval, text: text, cause: "no interval", fix: "write it as @every 90s or @every 1h30m")
        }
        guard Self.isInterval(interval) else {
            throw ScheduleError(.badInterval, text: text, cause: "out of range", fix: "use 1s to 3650d")
        }
        self = .every(interval, anchor: anchor)
    }

    private static func isInterval(_ interval: Duration) -> Bool {
        Self.intervalMin <= interval && interval <= Self.intervalMax
    }
}

extension Recurrence: CustomStringConvertible {
    /// `0 3 * * 1-5 Europe/Berlin` or `@every 1m30s`.
    public var description: String {
        switch self.kind {
        case .cron(let expression, let zone, _): "\(expression) \(zone)"
        case .every(let microseconds, _): "@every \(Quantity.text(.microseconds(microseconds)))"
        }
    }
}
