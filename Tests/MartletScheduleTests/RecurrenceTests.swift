import MartletCore
import MartletSchedule
import MartletVirtualTime
import Testing

@Suite struct RecurrenceTests {
    static let day = time("2024-03-01T00:00:00+00:00")

    @Test func anIntervalKeepsToItsAnchor() {
        let recurrence = Recurrence.every(.seconds(90), anchor: Self.day)
        #expect(recurrence.next(after: Self.day) == Self.day + .seconds(90))
        #expect(recurrence.next(after: Self.day + .microseconds(1)) == Self.day + .seconds(90))
        #expect(recurrence.next(after: Self.day - .microseconds(1)) == Self.day)
        #expect(recurrence.next(after: Self.day - .seconds(91)) == Self.day - .seconds(90))
        #expect(recurrence.next(after: Self.day + .seconds(900)) == Self.day + .seconds(990))
        #expect(recurrence.next(after: WallTime(microseconds: .max)) == nil)
        #expect(recurrence.next(after: WallTime(microseconds: .min)) == nil)
    }

    @Test func theEndsOfTimeAreNoTrap() throws {
        let recurrence = Recurrence.cron(try CronExpression("0 0 1 1 *"), zone: try TimeZoneName("Europe/Berlin"))
        #expect(recurrence.next(after: WallTime(microseconds: .max)) == nil)
        #expect(recurrence.next(after: time("9999-12-31T23:00:00+00:00")) == nil)
        #expect(recurrence.next(after: WallTime(microseconds: .min)) != nil)
        let last = recurrence.last(after: WallTime(microseconds: .min), through: WallTime(microseconds: .max))
        #expect(last.map { TimeZoneName.utc.text(of: $0) } == "9999-12-31T23:00:00+00:00")
    }

    @Test func aFractionOfASecondIsNotFiredTwice() throws {
        let recurrence = Recurrence.cron(try CronExpression("* * * * * *"), zone: .utc)
        #expect(recurrence.next(after: Self.day) == Self.day + .seconds(1))
        #expect(recurrence.next(after: Self.day + .microseconds(1)) == Self.day + .seconds(1))
        #expect(recurrence.next(after: Self.day - .microseconds(1)) == Self.day)
    }

    @Test func anIntervalIsRead() throws {
        for (text, interval) in [("@every 90s", 90), ("@EVERY 1h30m", 5400), ("@every  1s", 1), ("@every 1d", 86400)] {
            let recurrence = try Recurrence(text, zone: .utc, anchor: Self.day)
            #expect(recurrence == .every(.seconds(interval), anchor: Self.day))
        }
        #expect(try Recurrence("@every 90s", zone: .utc, anchor: Self.day).description == "@every 1m30s")
        #expect(try Recurrence("@daily", zone: .utc, anchor: Self.day).description == "@daily UTC")
    }

    @Test(arguments: [
        ("@every", "no interval"), ("@every 90", "no interval"), ("@every 1m 30s", "no interval"),
        ("@every 999ms", "out of range; use 1s to 3650d"), ("@every 0s", "out of range"), ("@every -5s", "no interval"),
    ])
    func aBadIntervalIsRefused(text: String, says: String) throws {
        let error = try #require(throws: ScheduleError.self) { try Recurrence(text, zone: .utc, anchor: Self.day) }
        #expect(error.code == .badInterval)
        #expect(error.description.contains(says), "\(error)")
    }

    @Test func aBackfillIsAllOrAnError() throws {
        let hourly = Recurrence.cron(try CronExpression("@hourly"), zone: .utc)
        let range = Self.day..<Self.day + .seconds(86400)
        #expect(try hourly.backfill(range, max: 24).count == 24)
        #expect(try hourly.backfill(range, max: 24).first == Self.day)
        let error = try #require(throws: ScheduleError.self) { try hourly.backfill(range, max: 23) }
        #expect(error.code == .tooManyInstants)
        #expect(
            error.description == "\"@hourly UTC\": more than 23 runs in that range; "
                + "the first 23 end at 2024-03-01T22:00:00+00:00; make it in parts")
    }

    /// Any expression, anywhere: the next instant is later, nothing lies between, and it matches.
    @Test(arguments: 1...150 as ClosedRange<UInt64>)
    func theNextIsTheFirstThatMatches(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let names = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Antarctica/Troll"]
        let zone = try TimeZoneName(names[random.below(names.count)])
        let parts = (0..<3).map { ["*", "\($0 + 1)", "*/\($0 + 4)", "3-19/5", "1,2,17"][random.below(5)] }
        let days = ["* * *", "*/2 * *", "L * *", "* 3,10 SUN", "1-7 * MON"][random.below(5)]
        let recurrence = Recurrence.cron(try CronExpression("\(parts.joined(separator: " ")) \(days)"), zone: zone)
        var at = Self.day + .seconds(random.below(400 * 86400))
        for _ in 0..<200 {
            let next = try #require(recurrence.next(after: at))
            #expect(next > at)
            // Whatever lies between leads to the same instant, and so does the moment before it.
            for _ in 0..<3 {
                let between = at + .microseconds(Int(random.next() % UInt64((next - at).wholeMicroseconds)))
                #expect(recurrence.next(after: between) == next)
            }
            #expect(recurrence.next(after: next - .microseconds(1)) == next)
            #expect(recurrence.last(after: at, through: next) == next)
            #expect(recurrence.last(after: at, through: next - .microseconds(1)) == nil)
            at = next
        }
    }
}
