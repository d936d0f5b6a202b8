import Martlet

public struct Cleanup: Job {
    public static let type = "shop.cleanup"

    public var keepDays = 30

    public func run(_ context: JobContext) async throws {
        // Which night it is for, whenever it runs: 2026-03-29T01:00:00Z.
        let night = context.metadata["martlet.instant"] ?? "now"
        context.progress(0.5, "cleaning up for \(night)")
    }
}

public func defineSchedules(_ client: Client) async throws {
    try await client.schedules.put(
        Schedule(
            "nightly", cron: "0 3 * * *", zone: "Europe/Berlin", job: Cleanup(),
            rules: ScheduleRules(missed: .latest, overlap: .skip, jitter: .seconds(600))))

    try await client.schedules.put(
        Schedule("quarter-hour", every: .seconds(900), job: Cleanup(keepDays: 1)))
}

public func seeToSchedules(_ client: Client, since: WallTime, until: WallTime) async throws {
    for schedule in try await client.schedules.list() {
        print(schedule.name, schedule.firedTotal, schedule.skippedTotal, schedule.missedTotal)
    }
    let nights = try await client.schedules.next(of: "nightly", count: 3)
    print(nights)

    try await client.schedules.pause("nightly")
    let passed = try await client.schedules.resume("nightly") ?? 0
    print("\(passed) nights were left out")

    let id = try await client.schedules.runNow("nightly")
    let made = try await client.schedules.backfill("nightly", in: since..<until)
    print(id, made.runs.count, made.existing)
}
