package import MartletCore

/// Civil times as text, in UTC, by arithmetic alone.
package enum WallClockText {
    /// `2026-03-01T09:30:00.125Z`.
    package static func rfc3339(_ time: WallTime) -> String {
        let (second, micro) = Self.floorDivide(time.microseconds, 1_000_000)
        let fraction = micro / 1000
        return Self.seconds(second, separator: "T") + ".\(Self.padded(fraction, 3))Z"
    }

    /// `2026-03-01 09:30:00 UTC`.
    package static func readable(_ time: WallTime) -> String {
        Self.seconds(Self.floorDivide(time.microseconds, 1_000_000).quotient, separator: " ") + " UTC"
    }

    private static func seconds(_ second: Int64, separator: String) -> String {
        let (day, rest) = Self.floorDivide(second, 86400)
        let (year, month, dayOfMonth) = Self.civil(day)
        let clock = [rest / 3600, rest / 60 % 60, rest % 60].map { Self.padded($0, 2) }.joined(separator: ":")
        return "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(dayOfMonth, 2))\(separator)\(clock)"
    }

    /// Days since 1970 as a Gregorian date: Howard Hinnant's `civil_from_days`.
    private static func civil(_ day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = Self.floorDivide(day + 719_468, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
