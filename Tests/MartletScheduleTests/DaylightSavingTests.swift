import MartletCore
import MartletSchedule
import Testing

/// The worked examples of `docs/scheduling.md`.
@Suite struct DaylightSavingTests {
    /// What fires in a day around the change, as the clock there shows it.
    static func fires(
        _ text: String, _ zone: String, from: String, until: String, _ policy: DaylightSaving = .once
    ) throws -> [String] {
        let zone = try TimeZoneName(zone)
        let recurrence = Recurrence.cron(try CronExpression(text), zone: zone, daylightSaving: policy)
        return recurrence.instants(in: time(from)..<time(until), max: 100).map(zone.text)
    }

    /// 02:00 to 03:00 is left out in Berlin on 31 March 2024.
    @Test(arguments: [
        ("30 2 * * *", DaylightSaving.once, ["03:00:00+02:00"]),
        ("*/15 2 * * *", .once, ["03:00:00+02:00"]),
        ("30 2,3 * * *", .once, ["03:00:00+02:00", "03:30:00+02:00"]),
        ("0 2,3 * * *", .once, ["03:00:00+02:00"]),
        ("0 0-4 * * *", .once, ["00:00:00+01:00", "01:00:00+01:00", "03:00:00+02:00", "04:00:00+02:00"]),
        ("0 */2 * * *", .once, ["00:00:00+01:00", "04:00:00+02:00"]),
        ("30 * * * *", .once, ["00:30:00+01:00", "01:30:00+01:00", "03:30:00+02:00", "04:30:00+02:00"]),
        ("30 2 * * *", .twice, ["03:00:00+02:00"]),
        ("30 2 * * *", .skip, []),
        ("0 2,3 * * *", .skip, ["03:00:00+02:00"]),
        ("59 1 * * *", .once, ["01:59:00+01:00"]),
    ])
    func aSkippedTimeFiresAfterTheGap(text: String, policy: DaylightSaving, clock: [String]) throws {
        let fires = try Self.fires(
            text, "Europe/Berlin", from: "2024-03-31T00:00:00+01:00", until: "2024-03-31T05:00:00+02:00", policy)
        #expect(fires == clock.map { "2024-03-31T\($0)" })
    }

    /// 02:00 to 03:00 comes twice in Berlin on 27 October 2024.
    @Test(arguments: [
        ("30 2 * * *", DaylightSaving.once, ["02:30:00+02:00"]),
        ("0,30 2 * * *", .once, ["02:00:00+02:00", "02:30:00+02:00"]),
        ("0 2,3 * * *", .once, ["02:00:00+02:00", "03:00:00+01:00"]),
        ("30 2 * * *", .skip, ["02:30:00+02:00"]),
        ("30 2 * * *", .twice, ["02:30:00+02:00", "02:30:00+01:00"]),
        ("30 * * * *", .once, ["01:30:00+02:00", "02:30:00+02:00", "02:30:00+01:00", "03:30:00+01:00"]),
        ("0 */2 * * *", .once, ["02:00:00+02:00", "02:00:00+01:00", "04:00:00+01:00"]),
    ])
    func aRepeatedTimeFiresAtTheFirst(text: String, policy: DaylightSaving, clock: [String]) throws {
        let fires = try Self.fires(
            text, "Europe/Berlin", from: "2024-10-27T01:00:00+02:00", until: "2024-10-27T04:30:00+01:00", policy)
        #expect(fires == clock.map { "2024-10-27T\($0)" })
    }

    @Test func aChangeAtMidnightKeepsDailyJobsDaily() throws {
        // 00:00 to 01:00 is left out in Beirut.
        let fires = try Self.fires(
            "@daily", "Asia/Beirut", from: "2022-03-26T00:00:00+02:00", until: "2022-03-29T00:00:00+03:00")
        #expect(fires == ["2022-03-26T00:00:00+02:00", "2022-03-27T01:00:00+03:00", "2022-03-28T00:00:00+03:00"])
    }

    @Test func halfAnHourIsAChangeToo() throws {
        let zone = "Australia/Lord_Howe"
        // 02:00 to 02:30 is left out; half a year before, 01:30 to 02:00 comes twice.
        let spring = try Self.fires(
            "15 2 * * *", zone, from: "2024-10-06T00:00:00+10:30", until: "2024-10-07T00:00:00+11:00")
        #expect(spring == ["2024-10-06T02:30:00+11:00"])
        let autumn = try Self.fires(
            "45 1 * * *", zone, from: "2024-04-07T00:00:00+11:00", until: "2024-04-08T00:00:00+10:30")
        #expect(autumn == ["2024-04-07T01:45:00+11:00"])
    }

    @Test func aDayThatIsLeftOutFiresOnceAfterIt() throws {
        // 30 December 2011 did not happen in Samoa.
        let noon = try Self.fires(
            "0 12 * * *", "Pacific/Apia", from: "2011-12-29T00:00:00-10:00", until: "2012-01-01T00:00:00+14:00")
        #expect(noon == ["2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"])
        let hourly = try Self.fires(
            "0 * * * *", "Pacific/Apia", from: "2011-12-29T23:00:00-10:00", until: "2011-12-31T02:00:00+14:00")
        #expect(hourly == ["2011-12-29T23:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T01:00:00+14:00"])
    }

    @Test func aTimeThatItsZoneAlwaysSkipsIsGivenUp() throws {
        let recurrence = Recurrence.cron(
            try CronExpression("30 2 * 3 SUNL"), zone: try TimeZoneName("Europe/Berlin"), daylightSaving: .skip)
        #expect(recurrence.next(after: time("2024-01-01T00:00:00+00:00")) == nil)
    }

    @Test(arguments: [
        ("Europe/Berln", "did you mean \"Europe/Berlin\"?"), ("berlin", "did you mean \"Europe/Berlin\"?"),
        ("europe/berlin", "did you mean \"Europe/Berlin\"?"), ("utc", "did you mean \"UTC\"?"),
        ("PST", "use an IANA name"), ("GMT+3", "IANA"), ("", "IANA"), ("../etc/passwd", "IANA"), ("Mars/Base", "IANA"),
        (String(repeating: "a/", count: 1000), "IANA"),
    ])
    func anUnknownZoneIsRefused(name: String, says: String) throws {
        let error = try #require(throws: ScheduleError.self) { try TimeZoneName(name) }
        #expect(error.code == .unknownZone)
        #expect(error.description.contains(says) || name == "GMT+3", "\(error)")
        #expect(error.description.utf8.count < 200)
    }

    @Test(arguments: ["UTC", "Etc/UTC", "GMT", "Asia/Kolkata", "Asia/Calcutta", "US/Eastern", "Europe/Kyiv", "CET"])
    func aZoneOfTheDatabaseIsKnown(name: String) throws {
        #expect(try TimeZoneName(name).description == name)
    }
}
