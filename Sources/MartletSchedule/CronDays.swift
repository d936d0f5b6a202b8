/// Which days a cron expression's two day fields name.
///
/// If both fields are restricted (neither begins with `*` or `?`), a day matches if either names it; otherwise both
/// must name it. So `0 0 13 * FRI` is every 13th and every Friday, as in every cron since 1987.
struct CronDays: Hashable, Sendable {
    /// Days of the month, bits 1 to 31.
    var monthDays: UInt32 = 0
    /// Bit *n*: the *n*th day before the month's last one; bit 0 is `L`.
    var daysBeforeLast: UInt32 = 0
    /// Bit *n*: the weekday nearest to day *n*, `15W`.
    var nearestWeekdays: UInt32 = 0
    /// `LW`: the last of Monday to Friday.
    var hasLastWorkday = false
    var monthDaysBeginWithStar = false

    /// Bits 0 (Sunday) to 6.
    var weekdays: UInt8 = 0
    /// Bit *7 (n - 1) + weekday*: the *n*th such weekday of a month, `FRI#2`.
    var countedWeekdays: UInt64 = 0
    /// The last such weekday of a month, `FRIL`.
    var lastWeekdays: UInt8 = 0
    var weekdaysBeginWithStar = false

    /// The days that match in one month, bits 1 to 31.
    func matching(month: Int, of year: Int) -> UInt32 {
        let length = CivilDate.daysInMonth(month, of: year)
        let first = CivilDate(year: year, month: month, day: 1).weekday
        let byMonthDay = self.byMonthDay(length: length, first: first)
        let byWeekday = self.byWeekday(length: length, first: first)
        let both = !self.monthDaysBeginWithStar && !self.weekdaysBeginWithStar
        return both ? byMonthDay | byWeekday : byMonthDay & byWeekday
    }

    private func byMonthDay(length: Int, first: Int) -> UInt32 {
        var days = self.monthDays
        for back in Bits(UInt64(self.daysBeforeLast)) where back < length { days |= 1 << (length - back) }
        for day in Bits(UInt64(self.nearestWeekdays)) where day <= length {
            days |= 1 << Self.workday(nearestTo: day, length: length, first: first)
        }
        if self.hasLastWorkday { days |= 1 << Self.workday(nearestTo: length, length: length, first: first) }
        return days & Self.all(length)
    }

    private func byWeekday(length: Int, first: Int) -> UInt32 {
        // The week's seven bits, six times over, moved so that bit 1 is the weekday of the first.
        let weeks = UInt64(self.weekdays) * 0x0408_1020_4081
        var days = UInt32(truncatingIfNeeded: (weeks >> first) << 1)
        for counted in Bits(self.countedWeekdays) {
            let day = 1 + (counted % 7 - first + 7) % 7 + counted / 7 * 7
            if day <= length { days |= 1 << day }
        }
        for weekday in Bits(UInt64(self.lastWeekdays)) {
            let last = (first + length - 1) % 7
            days |= 1 << (length - (last - weekday + 7) % 7)
        }
        return days & Self.all(length)
    }

    /// The day itself, or Friday before or Monday after it; never in another month.
    private static func workday(nearestTo day: Int, length: Int, first: Int) -> Int {
        switch (first + day - 1) % 7 {
        case 0: day == length ? day - 2 : day + 1
        case 6: day == 1 ? day + 2 : day - 1
        default: day
        }
    }

    private static func all(_ length: Int) -> UInt32 { UInt32(truncatingIfNeeded: (1 << (length + 1)) - 2) }
}

/// The numbers of the bits that are set, least first.
struct Bits: Sequence, IteratorProtocol {
    private var rest: UInt64

    init(_ bits: UInt64) {
        self.rest = bits
    }

    mutating func next() -> Int? {
        guard self.rest != 0 else { return nil }
        defer { self.rest &= self.rest - 1 }
        return self.rest.trailingZeroBitCount
    }

    /// The least number, `least` or above, whose bit is set.
    static func first(of bits: UInt64, from least: Int) -> Int? {
        guard least < 64 else { return nil }
        let rest = bits >> least
        return rest == 0 ? nil : least + rest.trailingZeroBitCount
    }
}
