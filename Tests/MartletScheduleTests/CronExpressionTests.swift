import MartletCore
import MartletSchedule
import Testing

@Suite struct CronExpressionTests {
    /// Each extension by its first fires after the given day, at midnight UTC.
    @Test(arguments: [
        ("0 0 L * *", "2024-02-01", ["2024-02-29", "2024-03-31", "2024-04-30"]),
        ("0 0 L-3 * *", "2023-02-01", ["2023-02-25", "2023-03-28", "2023-04-27"]),
        ("0 0 L-30 * *", "2023-02-01", ["2023-03-01", "2023-05-01"]),
        ("0 0 * * 5L", "2024-02-01", ["2024-02-23", "2024-03-29"]),
        ("0 0 * * fril", "2024-02-01", ["2024-02-23", "2024-03-29"]),
        ("0 0 * * 7L", "2024-03-01", ["2024-03-31", "2024-04-28"]),
        ("0 0 * * FRI#2", "2024-03-01", ["2024-03-08", "2024-04-12"]),
        ("0 0 * * 0#5", "2024-01-01", ["2024-03-31", "2024-06-30"]),
        // The 15th of June 2024 is a Saturday, that of September a Sunday.
        ("0 0 15W 6,9 ?", "2024-01-01", ["2024-06-14", "2024-09-16"]),
        // The first a Saturday, the last a Sunday: not into the neighbouring month.
        ("0 0 1W 6 *", "2024-01-01", ["2024-06-03"]),
        ("0 0 31W 3 *", "2024-01-01", ["2024-03-29"]),
        ("0 0 31W * *", "2024-03-30", ["2024-05-31", "2024-07-31"]),
        ("0 0 LW * *", "2024-03-01", ["2024-03-29", "2024-04-30", "2024-05-31", "2024-06-28"]),
        ("0 0 ? * 0", "2024-03-01", ["2024-03-03", "2024-03-10"]),
        ("0 0 * * 7", "2024-03-01", ["2024-03-03", "2024-03-10"]),
        ("0 0 * * FRI-MON", "2024-03-01", ["2024-03-02", "2024-03-03", "2024-03-04", "2024-03-08"]),
        ("0 0 * * 5-7", "2024-03-01", ["2024-03-02", "2024-03-03", "2024-03-08"]),
        ("0 0 * * 4/2", "2024-03-01", ["2024-03-02", "2024-03-07", "2024-03-09"]),
        ("0 0 1 nov-Feb *", "2024-10-15", ["2024-11-01", "2024-12-01", "2025-01-01", "2025-02-01", "2025-11-01"]),
        ("0 0 30-2/2 * *", "2024-03-15", ["2024-03-30", "2024-04-01", "2024-04-30", "2024-05-01"]),
        ("0 0 29 2 *", "2096-03-01", ["2104-02-29"]),
        ("0 0 * 2 FRI#5", "2064-03-01", ["2092-02-29", "2104-02-29"]),
        // Both days restricted: either. One that begins with a star: both.
        ("0 0 13 * FRI", "2024-09-10", ["2024-09-13", "2024-09-20"]),
        ("0 0 2 * MON", "2024-09-10", ["2024-09-16", "2024-09-23", "2024-09-30", "2024-10-02"]),
        ("0 0 */2 * MON", "2024-09-10", ["2024-09-23", "2024-10-07"]),
        ("0 0 13 * *", "2024-09-10", ["2024-09-13", "2024-10-13"]),
        ("0 0 L,15W * MON#1", "2024-09-01", ["2024-09-02", "2024-09-16", "2024-09-30", "2024-10-07"]),
        ("@yearly", "2024-03-01", ["2025-01-01", "2026-01-01"]),
        ("@annually", "2024-03-01", ["2025-01-01"]),
        ("@monthly", "2024-03-01", ["2024-04-01", "2024-05-01"]),
        ("@weekly", "2024-03-01", ["2024-03-03", "2024-03-10"]),
        ("@DAILY", "2024-03-01", ["2024-03-02", "2024-03-03"]),
        ("@midnight", "2024-03-01", ["2024-03-02"]),
    ])
    func daysAreFound(text: String, after: String, days: [String]) throws {
        let recurrence = Recurrence.cron(try CronExpression(text), zone: .utc)
        let found = recurrence.previews(after: time("\(after)T00:00:00+00:00"), count: days.count)
        #expect(found.map { TimeZoneName.utc.text(of: $0) } == days.map { "\($0)T00:00:00+00:00" })
    }

    @Test(arguments: [
        ("*/15 9-10 * * *", ["09:00:00", "09:15:00", "09:30:00", "09:45:00", "10:00:00"]),
        ("5/15 9 * * *", ["09:05:00", "09:20:00", "09:35:00", "09:50:00"]),
        ("1-30/10 9 * * *", ["09:01:00", "09:11:00", "09:21:00"]),
        ("58-1 9 * * *", ["09:00:00", "09:01:00", "09:58:00", "09:59:00"]),
        ("0 22-2/2 * * *", ["00:00:00", "02:00:00", "22:00:00"]),
        ("20,40 30 12 * * *", ["12:30:20", "12:30:40"]),
        ("*/30 0 12 * * *", ["12:00:00", "12:00:30"]),
        ("  0\t12   * * *  ", ["12:00:00"]),
        ("@hourly", ["00:00:00", "01:00:00", "02:00:00"]),
    ])
    func timesAreFound(text: String, times: [String]) throws {
        let recurrence = Recurrence.cron(try CronExpression(text), zone: .utc)
        let found = recurrence.previews(after: time("2024-02-29T23:59:59+00:00"), count: times.count)
        #expect(found.map { TimeZoneName.utc.text(of: $0) } == times.map { "2024-03-01T\($0)+00:00" })
    }

    @Test(arguments: [
        ("61 * * * *", CronField.minute, "61", "61 is not in 0-59; use 0-59"),
        ("-1 * * * *", .minute, "-1", "a number is missing; use 0-59"),
        ("? * * * *", .minute, "?", "\"?\" is no number"),
        ("*/0 * * * *", .minute, "*/0", "0 is not in 1-59"),
        ("*/ * * * *", .minute, "*/", "a number is missing"),
        ("1,,2 * * * *", .minute, "1,,2", "an element of the list is empty"),
        ("99999999999999999999 * * * *", .minute, "99999999999999999999", "is not in 0-59"),
        ("1/2/3 * * * *", .minute, "1/2/3", "\"2/3\" is no number"),
        ("60 * * * * *", .second, "60", "60 is not in 0-59"),
        ("0 24 * * *", .hour, "24", "24 is not in 0-23"),
        ("0 0 0 * *", .dayOfMonth, "0", "0 is not in 1-31"),
        ("0 0 32W * *", .dayOfMonth, "32W", "32 is not in 1-31"),
        ("0 0 L-31 * *", .dayOfMonth, "L-31", "31 is not in 1-30"),
        ("0 0 W * *", .dayOfMonth, "W", "a number is missing"),
        ("0 0 ?,1 * *", .dayOfMonth, "?", "\"?\" is no number"),
        ("0 0 * 13 *", .month, "13", "13 is not in 1-12; use 1-12, JAN-DEC"),
        ("0 0 * Jun-Jly *", .month, "JUN-JLY", "\"JLY\" is no number and no name"),
        ("0 0 * * 8", .dayOfWeek, "8", "8 is not in 0-7; use 0-7 (0 and 7 are Sunday)"),
        ("0 0 * * L", .dayOfWeek, "L", "L needs a weekday before it"),
        ("0 0 * * MON#6", .dayOfWeek, "MON#6", "6 is not in 1-5"),
        ("0 0 * * MON#", .dayOfWeek, "MON#", "a number is missing"),
        ("0 0 * * caf\u{e9}", .dayOfWeek, "CAF\u{c9}", "is no number and no name"),
    ])
    func aBadFieldIsNamed(text: String, field: CronField, bad: String, says: String) throws {
        let error = try #require(throws: ScheduleError.self) { try CronExpression(text) }
        #expect(error.code == .badField)
        #expect(error.field == field)
        #expect(error.text == bad)
        #expect(error.description.hasPrefix("\(field.rawValue) \"\(bad)\": "))
        #expect(error.description.contains(says), "\(error)")
        #expect(!error.description.contains("\n"))
    }

    @Test(arguments: [
        ("", "0 fields"), ("* * * *", "4 fields"), ("* * * * * * *", "7 fields"), ("@dayly", "did you mean @daily?"),
        ("@reboot", "use one of @yearly"), ("@every 90s", "an interval"),
        (String(repeating: "1,", count: 300) + "1 * * * *", "longer than 512 bytes"),
    ])
    func whatIsNoExpressionIsRefused(text: String, says: String) throws {
        let error = try #require(throws: ScheduleError.self) { try CronExpression(text) }
        #expect(error.code == .badExpression)
        #expect(error.field == nil)
        #expect(error.description.contains(says), "\(error)")
    }

    @Test(arguments: ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30W feb ?", "0 0 L-29 2 *", "0 0 31 2 ?"])
    func whatNeverFiresIsRefused(text: String) throws {
        let error = try #require(throws: ScheduleError.self) { try CronExpression(text) }
        #expect(error.code == .neverFires)
    }

    @Test(arguments: ["0 0 30 2 MON", "0 0 29 2 *", "0 0 L-28 2 *", "0 0 29W 2 *", "0 0 * 2 6#5"])
    func whatSeldomFiresIsNot(text: String) throws {
        let recurrence = Recurrence.cron(try CronExpression(text), zone: .utc)
        #expect(recurrence.next(after: time("2071-01-01T00:00:00+00:00")) != nil)
    }

    @Test(arguments: [
        ("@Daily", "@daily"), (" 0  0 * jan mon-fri ", "0 0 * JAN MON-FRI"),
        ("*/5 0 0 l-3 * fri#2", "*/5 0 0 L-3 * FRI#2"),
    ])
    func printedItParsesToTheSame(text: String, printed: String) throws {
        let expression = try CronExpression(text)
        #expect(expression.description == printed)
        #expect(try CronExpression(printed) == expression)
    }
}

/// Reads what `TimeZoneName.text(of:)` writes, so that tests can be read.
func time(_ text: String) -> WallTime {
    let numbers = text.split { !$0.isNumber }.map { Int64($0)! }
    // Days since 1970-01-01 by counting them.
    var days: Int64 = 0
    for year in 1970..<numbers[0] { days += isLeap(year) ? 366 : 365 }
    for month in 1..<numbers[1] {
        days += [31, isLeap(numbers[0]) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][Int(month) - 1]
    }
    days += numbers[2] - 1
    let offset = (numbers[6] * 60 + numbers[7]) * 60 * (text.dropFirst(19).first == "-" ? -1 : 1)
    let seconds = days * 86400 + (numbers[3] * 60 + numbers[4]) * 60 + numbers[5] - offset
    return WallTime(microseconds: seconds * 1_000_000)
}

private func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }
