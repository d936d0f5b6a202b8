import Martlet
import MartletCore
import MartletRuntime
import MartletStore

/// Schedules that each coordinator starts with, and what clients do to them.
extension SimulatedCluster {
    static let scheduledType = "tick"

    /// Some instant is still to be seen to.
    var hasInstantsLeft: Bool {
        let rows = self.disk.contents.allSchedules
        return rows.count < self.schedules.count || self.witness.hasInstantsLeft
            || rows.contains { $0.queuedInstant != nil }
    }

    /// Each ends within two hours, so that a run ends.
    static func schedules(from start: WallTime) -> [(definition: ScheduleDefinition, interval: Duration)] {
        let end = start + .seconds(7200)
        let rules: [(String, Duration, ScheduleRules)] = [
            ("every", .seconds(1), ScheduleRules(missed: .all(max: 20), overlap: .allow, end: end)),
            ("alone", .seconds(2), ScheduleRules(missed: .latest, overlap: .skip, end: end)),
            (
                "queued", .seconds(1),
                ScheduleRules(
                    missed: .skip, lateMax: .seconds(2), overlap: .queueOne, jitter: .milliseconds(300), end: end)
            ),
        ]
        return rules.enumerated().map { number, rule in
            let payload = withUnsafeBytes(of: UInt64(number + 1).littleEndian) { Bytes(copying: $0) }
            let definition = ScheduleDefinition(
                name: rule.0, recurrence: "@every \(Quantity.text(rule.1))", rules: rule.2,
                template: JobTemplate(type: Self.scheduledType, queue: "ticks"), payload: payload)
            return (definition, rule.1)
        }
    }
}

extension SimulatedNode {
    /// A run of a schedule: some outlast the next instant.
    func tick(_ context: JobContext, for duration: Duration) async throws {
        let witness = self.cluster.witness
        if self.isTrusted { witness.began(context.id, on: self.process.number) }
        defer { witness.ended(context.id, on: self.process.number) }
        try await self.process.sleep(for: duration)
    }
}

extension SimulatedClient {
    private static func resume(_ name: String, _ client: Client) async -> Bool {
        do {
            try await client.schedules.resume(name)
            return true
        } catch {
            return false
        }
    }

    /// Runs, back-fills or pauses a schedule now and then.
    func changeSchedules(_ client: Client, mayPause: Bool) async {
        let world = self.cluster.world
        guard world.random.chance(0.15) else { return }
        let name = ["every", "alone", "queued"][world.random.below(3)]
        let witness = self.cluster.witness
        switch world.random.below(3) {
        case 0:
            if let id = try? await client.schedules.runNow(name) { witness.toldOfRun(id) }
        case 1:
            let now = world.wallTime
            let length = world.random.duration(.seconds(1), .seconds(20))
            guard let made = try? await client.schedules.backfill(name, in: (now + (.zero - length))..<now) else {
                return
            }
            for run in made.runs { witness.toldOfRun(run.job) }
        default:
            guard mayPause, (try? await client.schedules.pause(name)) != nil else { return }
            try? await self.process.sleep(for: world.random.duration(.milliseconds(100), .seconds(3)))
            // Whether or not somebody heard of it.
            while await !Self.resume(name, client) { await Task.yield() }
        }
    }
}
