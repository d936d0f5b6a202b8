import MartletCore

/// Reads the text of cron expressions.
enum CronParser {
    struct Fields {
        var description: String
        var second = "0"
        var minute = ""
        var hour = ""
        var dayOfMonth = ""
        var month = ""
        var dayOfWeek = ""
    }

    private static let named: [(name: String, fields: String)] = [
        ("@yearly", "0 0 1 1 *"), ("@annually", "0 0 1 1 *"), ("@monthly", "0 0 1 * *"), ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"), ("@midnight", "0 0 * * *"), ("@hourly", "0 * * * *"),
    ]

    /// Splits an expression, in capitals, into its fields.
    static func fields(of text: some StringProtocol) throws(ScheduleError) -> Fields {
        guard text.utf8.count <= CronExpression.textBytesMax else {
            throw ScheduleError(
                .badExpression, text: text, cause: "longer than \(CronExpression.textBytesMax) bytes",
                fix: "make several schedules of it")
        }
        let words = text.split { $0 == " " || $0 == "\t" }.map { $0.uppercased() }
        if let first = words.first, first.hasPrefix("@") {
            let name = words.joined(separator: " ").lowercased()
            if let found = Self.named.first(where: { $0.name == name }) {
                var fields = try Self.fields(of: found.fields)
                fields.description = name
                return fields
            }
            throw Self.unknownName(name, isInterval: first == "@EVERY")
        }
        guard words.count == 5 || words.count == 6 else {
            throw ScheduleError(
                .badExpression, text: text, cause: "\(words.count) field\(words.count == 1 ? "" : "s")",
                fix: "write minute, hour, day of month, month and day of week, with a second before them if need be, "
                    + "or a name such as @daily")
        }
        let least = words.count - 5
        return Fields(
            description: words.joined(separator: " "), second: least == 1 ? words[0] : "0", minute: words[least],
            hour: words[least + 1], dayOfMonth: words[least + 2], month: words[least + 3], dayOfWeek: words[least + 4])
    }

    private static func unknownName(_ name: String, isInterval: Bool) -> ScheduleError {
        let names = Self.named.map(\.name)
        let nearest = NearestWord.to(name, among: names).map { "did you mean \($0)?" }
        return ScheduleError(
            .badExpression, text: name,
            cause: isInterval ? "an interval, not a cron expression" : "unknown name",
            fix: isInterval
                ? "give it where an interval may stand" : nearest ?? "use one of \(names.joined(separator: ", "))")
    }

    // MARK: Fields

    /// The values that a field of plain numbers names, a bit for each.
    static func bits(of text: String, _ field: CronField) throws(ScheduleError) -> UInt64 {
        var bits: UInt64 = 0
        for term in try Self.terms(of: text, field) { bits |= try Self.plainBits(of: term, field) }
        return bits
    }

    static func readMonthDays(_ text: String, into days: inout CronDays) throws(ScheduleError) {
        let field = CronField.dayOfMonth
        days.monthDaysBeginWithStar = text.first == "*" || text == "?"
        for term in try Self.terms(of: text == "?" ? "*" : text, field) {
            if term == "L" {
                days.daysBeforeLast |= 1
            } else if term == "LW" {
                days.hasLastWorkday = true
            } else if term.hasPrefix("L-") {
                days.daysBeforeLast |= 1 << (try Self.number(term.dropFirst(2), in: 1...30, term, field))
            } else if term.hasSuffix("W") {
                days.nearestWeekdays |= 1 << (try Self.number(term.dropLast(), in: 1...31, term, field))
            } else {
                days.monthDays |= UInt32(try Self.plainBits(of: term, field))
            }
        }
    }

    static func readWeekdays(_ text: String, into days: inout CronDays) throws(ScheduleError) {
        let field = CronField.dayOfWeek
        days.weekdaysBeginWithStar = text.first == "*" || text == "?"
        for term in try Self.terms(of: text == "?" ? "*" : text, field) {
            if term == "L" {
                throw Self.bad(term, field, "L needs a weekday before it")
            } else if term.hasSuffix("L") {
                days.lastWeekdays |= 1 << (try Self.value(term.dropLast(), term, field) % 7)
            } else if let mark = term.firstIndex(of: "#") {
                let weekday = try Self.value(term[..<mark], term, field) % 7
                let count = try Self.number(term[term.index(after: mark)...], in: 1...5, term, field)
                days.countedWeekdays |= 1 << (7 * (count - 1) + weekday)
            } else {
                days.weekdays |= UInt8(try Self.plainBits(of: term, field))
            }
        }
    }

    private static func terms(of text: String, _ field: CronField) throws(ScheduleError) -> [Substring] {
        let terms = text.split(separator: ",", omittingEmptySubsequences: false)
        guard !terms.contains("") else { throw Self.bad(text, field, "an element of the list is empty") }
        return terms
    }

    /// `*`, `a`, `a-b`, each with or without `/step`.
    private static func plainBits(of term: Substring, _ field: CronField) throws(ScheduleError) -> UInt64 {
        let parts = term.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let step =
            parts.count == 1 ? 1 : try Self.number(parts[1], in: 1...field.numbers.upperBound, term, field)
        let least = field.numbers.lowerBound
        let (first, last): (Int, Int)
        if parts[0] == "*" {
            (first, last) = (least, least + field.valueCount - 1)
        } else if let dash = parts[0].firstIndex(of: "-") {
            first = try Self.value(parts[0][..<dash], term, field)
            last = try Self.value(parts[0][parts[0].index(after: dash)...], term, field)
        } else {
            first = try Self.value(parts[0], term, field)
            // `5/15` goes on to the end of the field.
            last = parts.count == 1 ? first : least + field.valueCount - 1
        }
        let count = last >= first ? last - first + 1 : last - first + field.valueCount + 1
        var bits: UInt64 = 0
        for offset in stride(from: 0, to: count, by: step) {
            bits |= 1 << (least + (first - least + offset) % field.valueCount)
        }
        return bits
    }

    /// A number or name of the field.
    private static func value(
        _ text: Substring, _ term: Substring, _ field: CronField
    ) throws(ScheduleError) -> Int {
        if let index = field.names.firstIndex(where: { $0 == text }) { return field.numbers.lowerBound + index }
        return try Self.number(text, in: field.numbers, term, field)
    }

    private static func number(
        _ text: Substring, in range: ClosedRange<Int>, _ term: Substring, _ field: CronField
    ) throws(ScheduleError) -> Int {
        guard !text.isEmpty else { throw Self.bad(term, field, "a number is missing") }
        guard text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) else {
            throw Self.bad(term, field, "\"\(text)\" is no \(field.names.isEmpty ? "number" : "number and no name")")
        }
        guard let number = Int(text), range ~= number else {
            throw Self.bad(term, field, "\(text) is not in \(range.lowerBound)-\(range.upperBound)")
        }
        return number
    }

    private static func bad(_ text: some StringProtocol, _ field: CronField, _ cause: String) -> ScheduleError {
        ScheduleError(.badField, field: field, text: text, cause: cause, fix: field.allowed)
    }
}
