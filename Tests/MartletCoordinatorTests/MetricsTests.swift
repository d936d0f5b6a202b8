import MartletCoordinator
import MartletCore
import MartletObservability
import MartletSimulation
import MartletWire
import Testing

/// What `/metrics` says of what happened.
@Suite struct MetricsTests {
    private static func value(_ bench: Bench, _ series: String) async -> Double? {
        let text = await bench.parts.metrics.collect().text
        return text.split(separator: "\n").first { $0.hasPrefix(series + " ") }
            .flatMap { Double($0.dropFirst(series.count + 1)) }
    }

    @Test func jobsAreCountedOnTheirWay() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            _ = try await client.submit(["a", "b", "c"], sequence: 1)
            #expect(await Self.value(bench, "martlet_queue_jobs{queue=\"mail\",type=\"Send\",state=\"ready\"}") == 3)
            #expect(await Self.value(bench, "martlet_jobs_submitted_total{queue=\"mail\",type=\"Send\"}") == 3)
            // Nobody serves them: a node is what is missing.
            #expect(await Self.value(bench, "martlet_queue_runnable_jobs{queue=\"mail\"}") == 3)
            try await bench.sleep(.milliseconds(7300))
            let node = try await bench.node("n1")
            node.beat()
            let held = try await node.fetchAll(3)
            #expect(await Self.value(bench, "martlet_attempts_started_total") == 3)
            #expect(await Self.value(bench, "martlet_job_wait_seconds_count{queue=\"mail\"}") == 3)
            #expect(await Self.value(bench, "martlet_job_wait_seconds_bucket{queue=\"mail\",le=\"5\"}") == 0)
            #expect(await Self.value(bench, "martlet_job_wait_seconds_bucket{queue=\"mail\",le=\"10\"}") == 3)
            #expect(await Self.value(bench, "martlet_node_leased_jobs{node=\"n1\"}") == 3)
            try await bench.sleep(.milliseconds(20_300))
            _ = try await node.succeed([held[0], held[1]])
            #expect(try await node.fail(held[2]) == [.accepted])
            #expect(await Self.value(bench, "martlet_job_run_seconds_count{queue=\"mail\"}") == 3)
            #expect(await Self.value(bench, "martlet_job_run_seconds_bucket{queue=\"mail\",le=\"10\"}") == 0)
            let sum = try #require(await Self.value(bench, "martlet_job_run_seconds_sum{queue=\"mail\"}"))
            #expect(abs(sum - 3 * 20.3) < 1, "\(sum)")
            #expect(await Self.value(bench, "martlet_job_run_seconds_bucket{queue=\"mail\",le=\"30\"}") == 3)
            #expect(await Self.value(bench, "martlet_attempts_failed_total{queue=\"mail\"}") == 1)
            #expect(await Self.value(bench, "martlet_jobs_succeeded_total{queue=\"mail\",type=\"Send\"}") == 2)
            #expect(await Self.value(bench, "martlet_jobs_retried_total{queue=\"mail\",type=\"Send\"}") == 1)
            // The same again: its lease has ended.
            #expect(try await node.fail(held[2]) == [.refused])
            #expect(await Self.value(bench, "martlet_results_refused_total") == 1)
        }
    }

    /// More nodes would not help these.
    @Test func whatIsHeldUpIsCountedByItsReason() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            let _: PauseSet = try await client.ask(SetPause(.queue, name: "mail", isPaused: true))
            _ = try await client.submit(["a", "b"], sequence: 1)
            #expect(await Self.value(bench, "martlet_queue_runnable_jobs{queue=\"mail\"}") == 0)
            #expect(
                await Self.value(bench, "martlet_queue_blocked_jobs{queue=\"mail\",reason=\"queue_paused\"}") == 2)
            #expect(await Self.value(bench, "martlet_queue_paused{queue=\"mail\"}") == 1)
        }
    }

    @Test func deadJobsAndRefusedRequestsAreCounted() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            let once = JobOptions(retry: RetryPolicy(maxAttempts: 1))
            _ = try await client.submit(["a"], sequence: 1, options: once)
            let held = try await node.fetchAll(1)
            #expect(try await node.fail(held[0]) == [.accepted])
            #expect(await Self.value(bench, "martlet_jobs_dead_total{queue=\"mail\"}") == 1)
            await #expect(throws: ErrorReply.self) { try await client.show(JobID(rawValue: 77)) }
            #expect(
                await Self.value(bench, "martlet_requests_refused_total{channel=\"clients\",code=\"notFound\"}") == 1)
        }
    }

    /// A cluster with a queue for each customer must not have as many series.
    @Test func queuesOverTheBoundShareASeries() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let count = Metric.queueTypesMax + 20
            for number in 1...count {
                _ = try await client.submit(["x"], sequence: UInt64(number), queue: "q\(number)")
            }
            let text = await bench.parts.metrics.collect().text
            let series = text.split(separator: "\n").filter { $0.hasPrefix("martlet_jobs_submitted_total{") }
            #expect(series.count == Metric.queueTypesMax + 1)
            #expect(series.contains("martlet_jobs_submitted_total{queue=\"(other)\",type=\"(other)\"} 20"))
            let queues = text.split(separator: "\n").filter { $0.hasPrefix("martlet_queue_runnable_jobs{") }
            #expect(queues.count == Metric.queuesMax + 1)
        }
    }
}
