import MartletConfiguration
import MartletCore
import Testing

@Suite struct ScheduleConfigurationTests {
    private func read(_ schedule: String, name: String = "nightly") throws -> ScheduleDefinition {
        let json = "{\"schedules\": {\"\(name)\": {\(schedule)}}}"
        return try #require(try ClusterConfiguration(json: Array(json.utf8)).schedules.first)
    }

    private func problem(_ schedule: String) throws -> ConfigurationError {
        try #require(throws: ConfigurationError.self) { try self.read(schedule) }
    }

    @Test func aScheduleIsReadWhole() throws {
        let read = try self.read(
            """
            "cron": "0 3 * * *", "zone": "Europe/Berlin", "daylightSaving": "skip", "type": "clean", "queue": "night",
            "payload": {"days": 30, "of": ["ä\\n\\"", null, true]}, "missed": "all:24", "lateMax": "5m",
            "overlap": "queueOne", "jitter": "10m", "start": "2026-01-01T00:00:00Z",
            "end": "2027-01-01T01:00:00.5+01:00", "priority": 7, "timeout": "1m", "expiry": "1h",
            "retry": {"maxAttempts": 2}
            """)
        var options = JobOptions(
            priority: Priority(rawValue: 7)!, timeout: .seconds(60), retry: RetryPolicy(maxAttempts: 2))
        options.expiry = .seconds(3600)
        let expected = ScheduleDefinition(
            name: "nightly", recurrence: "0 3 * * *", zone: "Europe/Berlin", daylightSaving: .skip,
            rules: ScheduleRules(
                missed: .all(max: 24), lateMax: .seconds(300), overlap: .queueOne, jitter: .seconds(600),
                start: WallTime(microseconds: 1_767_225_600_000_000),
                end: WallTime(microseconds: 1_798_761_600_500_000)),
            template: JobTemplate(type: "clean", queue: "night", options: options),
            payload: Bytes(copying: #"{"days":30,"of":["ä\u000a\"",null,true]}"#.utf8))
        #expect(read == expected)
    }

    @Test func anIntervalNeedsLittle() throws {
        let read = try self.read("\"every\": \"90s\", \"type\": \"ping\"")
        #expect(
            read
                == ScheduleDefinition(
                    name: "nightly", recurrence: "@every 1m30s", template: JobTemplate(type: "ping", queue: "default"),
                    payload: Bytes(copying: "{}".utf8)))
    }

    /// However the file is laid out: what is the same is not written again.
    @Test func theLayoutOfAPayloadDoesNotMatter() throws {
        let a = try self.read("\"every\": \"1h\", \"type\": \"t\", \"payload\": { \"a\" : [ 1,2 ] }")
        let b = try self.read("\"payload\":{\"a\":[1, 2]},\"type\":\"t\",\"every\":\"60m\"")
        #expect(a == b)
    }

    @Test func schedulesComeInTheOrderOfTheirNames() throws {
        let one = "{\"every\": \"1h\", \"type\": \"t\"}"
        let json = "{\"schedules\": {\"b\": \(one), \"a\": \(one), \"c\": \(one)}}"
        #expect(try ClusterConfiguration(json: Array(json.utf8)).schedules.map(\.name) == ["a", "b", "c"])
    }

    @Test(arguments: [
        (#""cron": "61 3 * * *", "type": "t""#, "schedules.nightly.cron", "minute \"61\""),
        (#""cron": "0 0 30 2 *", "type": "t""#, "schedules.nightly.cron", "no date"),
        (#""cron": "0 3 * * *", "zone": "Europe/Berln", "type": "t""#, "schedules.nightly.zone", "no such time zone"),
        (#""every": "10ms", "type": "t""#, "schedules.nightly.every", "out of range"),
        (#""every": "1h""#, "schedules.nightly", "type"),
        (#""type": "t""#, "schedules.nightly", "nothing of when"),
        (#""every": "1h", "cron": "0 3 * * *", "type": "t""#, "schedules.nightly.every", "cron"),
        (#""every": "1h", "type": "t t""#, "schedules.nightly", "job type"),
        (#""every": "1h", "type": "t", "jitter": "25h""#, "schedules.nightly.jitter", "out of range"),
        (#""every": "1h", "type": "t", "missed": "all:9999""#, "schedules.nightly.missed", "no policy"),
        (#""every": "1h", "type": "t", "end": "2026-13-01T00:00:00Z""#, "schedules.nightly.end", "no time"),
    ])
    func whatIsWrongIsNamed(schedule: String, path: String, cause: String) throws {
        let problem = try self.problem(schedule)
        #expect(problem.path == path)
        #expect(problem.cause.contains(cause), "\(problem)")
    }

    @Test func whatWasMeantIsSuggested() throws {
        #expect(
            try self.problem("\"every\": \"1h\", \"type\": \"t\", \"overlp\": \"skip\"").fix.contains("\"overlap\""))
        #expect(try self.problem("\"every\": \"1h\", \"type\": \"t\", \"overlap\": \"skp\"").fix.contains("\"skip\""))
        #expect(
            try self.problem("\"cron\": \"@daily\", \"type\": \"t\", \"zone\": \"Berlin\"").fix
                .contains("Europe/Berlin"))
    }
}
