import Foundation
import Martlet
import Testing

extension IntegrationTests {
    /// A coordinator with a schedule of one second dies six times, at any moment: every second has one job.
    @Test(.timeLimit(.minutes(2))) func aScheduleFiresEachInstantOnceThroughKills() async throws {
        try await RealCluster.run { cluster in
            var coordinator = try await cluster.startCoordinator()
            let client = try await cluster.connect()
            try await client.schedules.put(
                Schedule(
                    "pulse", "@every 1s", raw: RawJob(type: "nobody", payload: Payload("{}")),
                    rules: ScheduleRules(missed: .all(max: 1000))))
            for round in 0..<6 {
                let fired = try await client.schedules.status(of: "pulse")?.firedTotal ?? 0
                try await eventually("an instant fires") {
                    try await client.schedules.status(of: "pulse")?.firedTotal ?? 0 > fired
                }
                // From just after a commit to just before the next one, and down for a while.
                try await Task.sleep(for: .milliseconds(round * 170))
                coordinator.kill()
                try await Task.sleep(for: .milliseconds(round * 400))
                coordinator = try await cluster.startCoordinator()
            }
            try await client.schedules.pause("pulse")
            let status = try #require(try await client.schedules.status(of: "pulse"))
            let runs = try await client.schedules.runs(of: "pulse", limit: 1000)
            let instants = runs.map(\.instant.microseconds)
            #expect(runs.count >= 12 && Set(runs.map(\.job)).count == runs.count)
            // Every second from the first to the last, each once.
            let first = try #require(instants.min())
            #expect(instants.sorted() == runs.indices.map { first + Int64($0) * 1_000_000 })
            #expect(status.firedTotal == UInt64(runs.count) && status.missedTotal == 0 && status.skippedTotal == 0)
            let queues = try await cluster.martlet(["queues", "--json"]).output
            #expect(queues.contains("\"submittedTotal\":\(runs.count),"), "\(queues)")
            await client.close()
            #expect(coordinator.isRunning)
        }
    }
}
