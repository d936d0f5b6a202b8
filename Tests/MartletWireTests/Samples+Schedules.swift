import MartletCore

@testable import MartletWire

extension Samples {
    static let definition = ScheduleDefinition(
        name: "nightly", recurrence: "0 3 * * 1-5", zone: "Europe/Berlin", daylightSaving: .twice,
        anchor: WallTime(microseconds: 90),
        rules: ScheduleRules(
            missed: .all(max: 24), lateMax: .seconds(30), overlap: .queueOne, jitter: .seconds(600),
            start: WallTime(microseconds: 1_700_000_000_000_000), end: WallTime(microseconds: 1_800_000_000_000_000)),
        template: Self.detailed, payload: Self.bytes(#"{"days":30}"#))
    static let interval = ScheduleDefinition(
        name: "ping", recurrence: "@every 1m30s", rules: ScheduleRules(missed: .skip, overlap: .skip),
        template: Self.plain)
    static let schedule = ScheduleView(
        name: "nightly", recurrence: "0 3 * * 1-5", zone: "Europe/Berlin", type: "bill", queue: "billing:eu",
        origin: .file, handledThrough: WallTime(microseconds: 1_700_000_000_000_001),
        next: WallTime(microseconds: 1_700_000_100_000_000), lastJob: JobID(shard: 1, sequence: 42),
        queued: WallTime(microseconds: 1_700_000_000_000_000), firedTotal: 31, skippedTotal: 2, missedTotal: 3)
    static let broken = ScheduleView(
        name: "ping", recurrence: "@every 1m30s", zone: "UTC", type: "mail/welcome", queue: "mail", origin: .client,
        isPaused: true, handledThrough: WallTime(microseconds: 5), problem: "no such time zone")
    static let run = ScheduleRunView(
        instant: WallTime(microseconds: 1_700_000_000_000_000), job: JobID(shard: 1, sequence: 42))
}

extension Sample {
    static let schedules = [
        Sample("put-schedule", PutSchedule(Samples.definition)),
        Sample("put-schedule-interval", PutSchedule(Samples.interval)),
        Sample("schedule-put", SchedulePut(isChanged: true, view: Samples.schedule)),
        Sample("list-schedules", ListSchedules(after: "nightly", limit: 50)),
        Sample("schedule-list", ScheduleList(schedules: [Samples.schedule, Samples.broken])),
        Sample("show-schedule", ShowSchedule(name: "nightly", nextMax: 5, runsMax: 10)),
        Sample(
            "schedule-detail",
            ScheduleDetail(
                view: Samples.schedule, definition: Samples.definition,
                next: [WallTime(microseconds: 1_700_000_100_000_000), WallTime(microseconds: 1_700_000_200_000_000)],
                runs: [Samples.run])),
        Sample("change-schedule", ChangeSchedule(.resume, name: "nightly")),
        Sample("schedule-changed", ScheduleChanged(isChanged: true, passed: 7)),
        Sample("run-schedule", RunSchedule(name: "nightly", wish: .now(WallTime(microseconds: 1_700_000_000_000_001)))),
        Sample(
            "run-schedule-range",
            RunSchedule(
                name: "nightly",
                wish: .range(
                    WallTime(microseconds: 1_700_000_000_000_000), WallTime(microseconds: 1_700_000_300_000_000)))),
        Sample("schedule-ran", ScheduleRan(runs: [Samples.run], existing: 4, forgotten: 5, pending: 6)),
    ]
}
