package import MartletCore

extension WallTime {
    /// `2026-03-29T01:00:00Z`, with as many digits of the second as it needs.
    package var rfc3339: String {
        let text = TimeZoneName.utc.text(of: self).dropLast("+00:00".count)
        var fraction = self.microseconds - self.microseconds.flooredQuotient(by: 1_000_000) * 1_000_000
        guard fraction > 0 else { return text + "Z" }
        var width = 6
        while fraction % 10 == 0 {
            fraction /= 10
            width -= 1
        }
        let digits = String(fraction)
        return text + "." + String(repeating: "0", count: width - digits.count) + digits + "Z"
    }

    /// Reads a time such as `2026-12-24T18:00:00Z`, `2026-12-24T19:00:00.5+01:00`; nil if it is none.
    package init?(rfc3339 text: String) {
        var rest = Substring(text)
        guard let year = rest.takeNumber(digits: 4), rest.take("-"), let month = rest.takeNumber(digits: 2),
            rest.take("-"), let day = rest.takeNumber(digits: 2), rest.take("T") || rest.take("t") || rest.take(" "),
            let hour = rest.takeNumber(digits: 2), rest.take(":"), let minute = rest.takeNumber(digits: 2),
            rest.take(":"), let second = rest.takeNumber(digits: 2)
        else { return nil }
        let date = CivilDate(year: year, month: month, day: day)
        guard (1...12).contains(month), day >= 1, CivilDate(daysSince1970: date.daysSince1970) == date, hour < 24,
            minute < 60, second < 60
        else { return nil }
        var fraction: Int64 = 0
        if rest.take(".") {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            guard !digits.isEmpty else { return nil }
            rest = rest.dropFirst(digits.count)
            fraction = Int64(String((digits + "000000").prefix(6)))!
        }
        var offset = 0
        if !rest.take("Z"), !rest.take("z") {
            let isEast = rest.take("+")
            guard isEast || rest.take("-"), let hours = rest.takeNumber(digits: 2), rest.take(":"),
                let minutes = rest.takeNumber(digits: 2), hours < 24, minutes < 60
            else { return nil }
            offset = (hours * 60 + minutes) * (isEast ? 60 : -60)
        }
        guard rest.isEmpty else { return nil }
        let seconds = date.daysSince1970 * CivilDate.secondsPerDay + Int64((hour * 60 + minute) * 60 + second - offset)
        self.init(microseconds: seconds * 1_000_000 + fraction)
    }
}

extension Substring {
    fileprivate mutating func take(_ character: Character) -> Bool {
        guard self.first == character else { return false }
        self = self.dropFirst()
        return true
    }

    fileprivate mutating func takeNumber(digits: Int) -> Int? {
        let text = self.prefix(digits)
        guard text.count == digits, text.allSatisfy({ ("0"..."9").contains($0) }) else { return nil }
        self = self.dropFirst(digits)
        return Int(text)
    }
}
