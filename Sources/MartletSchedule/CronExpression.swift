/// A set of wall-clock times, written as for cron.
///
/// Five fields (minute, hour, day of month, month, day of week), or six with a second before them; or a name such as
/// `@daily`. `docs/scheduling.md` has the whole syntax. The expression says nothing of a time zone: see ``Recurrence``.
public struct CronExpression: Hashable, Sendable, CustomStringConvertible {
    /// The expression in capitals with single spaces, names such as `@daily` in small letters. Parses to an equal value.
    public let description: String

    let seconds: UInt64
    let minutes: UInt64
    let hours: UInt64
    let months: UInt64
    let days: CronDays
    /// The hour field begins with `*` or names every hour: fires by elapsed time, see ``DaylightSaving``.
    let isWildInHours: Bool

    package static let textBytesMax = 512

    /// Reads an expression.
    ///
    /// - Throws: ``ScheduleError`` with `badExpression`, `badField` or `neverFires`.
    public init(_ text: some StringProtocol) throws(ScheduleError) {
        let fields = try CronParser.fields(of: text)
        self.description = fields.description
        self.seconds = try CronParser.bits(of: fields.second, .second)
        self.minutes = try CronParser.bits(of: fields.minute, .minute)
        self.hours = try CronParser.bits(of: fields.hour, .hour)
        var days = CronDays()
        try CronParser.readMonthDays(fields.dayOfMonth, into: &days)
        self.months = try CronParser.bits(of: fields.month, .month)
        try CronParser.readWeekdays(fields.dayOfWeek, into: &days)
        self.days = days
        self.isWildInHours = fields.hour.first == "*" || self.hours == 0xFF_FFFF
        guard self.nextDay(from: 0, yearsMax: CivilDate.cycleYears) != nil else {
            throw ScheduleError(
                .neverFires, text: fields.description, cause: "no date of any year matches",
                fix: "check the day of month \"\(fields.dayOfMonth)\" against the month \"\(fields.month)\"")
        }
    }

    /// The first matching reading of a wall clock, `reading` or later, both in seconds since 1970-01-01 00:00 local time.
    func next(atOrAfter reading: Int64) -> Int64? {
        let day = reading.flooredQuotient(by: CivilDate.secondsPerDay)
        let time = Int(reading - day * CivilDate.secondsPerDay)
        guard let match = self.nextDay(from: day, yearsMax: CivilDate.cycleYears) else { return nil }
        if match == day {
            if let later = self.nextTime(from: time) { return day * CivilDate.secondsPerDay + Int64(later) }
            guard let next = self.nextDay(from: day + 1, yearsMax: CivilDate.cycleYears) else { return nil }
            return next * CivilDate.secondsPerDay + Int64(self.firstTime)
        }
        return match * CivilDate.secondsPerDay + Int64(self.firstTime)
    }

    /// The first matching second of a day.
    private var firstTime: Int {
        (self.hours.trailingZeroBitCount * 60 + self.minutes.trailingZeroBitCount) * 60
            + self.seconds.trailingZeroBitCount
    }

    /// The first matching second of a day that is not before second `time`.
    private func nextTime(from time: Int) -> Int? {
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60)
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1, let match = Bits.first(of: self.seconds, from: second) {
                return (hour * 60 + minute) * 60 + match
            }
            if let match = Bits.first(of: self.minutes, from: minute + 1) {
                return (hour * 60 + match) * 60 + self.seconds.trailingZeroBitCount
            }
        }
        guard let match = Bits.first(of: self.hours, from: hour + 1) else { return nil }
        return (match * 60 + self.minutes.trailingZeroBitCount) * 60 + self.seconds.trailingZeroBitCount
    }

    /// The first matching day, `day` or later, in days since 1970-01-01; nil if the next `yearsMax` years have none.
    private func nextDay(from day: Int64, yearsMax: Int) -> Int64? {
        var date = CivilDate(daysSince1970: day)
        let lastYear = date.year + yearsMax
        while date.year <= lastYear {
            guard let month = Bits.first(of: self.months, from: date.month) else {
                date = CivilDate(year: date.year + 1, month: 1, day: 1)
                continue
            }
            if month != date.month { date = CivilDate(year: date.year, month: month, day: 1) }
            let matching = self.days.matching(month: month, of: date.year)
            if let match = Bits.first(of: UInt64(matching), from: date.day) {
                return CivilDate(year: date.year, month: month, day: match).daysSince1970
            }
            date = CivilDate(year: date.year, month: month + 1, day: 1)
        }
        return nil
    }
}
