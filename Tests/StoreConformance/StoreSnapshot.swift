package import MartletCore
package import MartletStore

/// All that a store shows of its jobs, for comparing.
package struct StoreSnapshot: Equatable, Sendable {
    package let ready: [ReadyJob]
    package let scheduled: [ScheduledJob]
    package let totals: [LaneTotals]
    package let jobs: [JobRecord]
    package let payloads: [Bytes?]
    package let bodies: [StoredJob]
    package let attempts: [[AttemptRecord]]
    package let results: [Bytes?]
    package let expiring: [ExpiringJob]
    package let workflows: [WorkflowRow]
    package let members: [WorkflowMember]
    package let batches: [BatchRow]
    package let ordered: [ScheduledJob]
    package let schedules: [ScheduleRow]
    package let runs: [ScheduleRun]

    private static let beginning = ScheduledJob(
        due: WallTime(microseconds: .min), id: JobID(rawValue: 0), lane: LaneID(rawValue: 0))

    /// What a model shows.
    package init(of state: StoreState) {
        let records = state.jobs(matching: JobFilter(), after: nil, limit: .max)
        self.ready = state.readyJobs(after: nil, limit: .max)
        self.scheduled = state.scheduledJobs(after: nil, dueBy: WallTime(microseconds: .max), limit: .max)
        self.totals = state.laneTotals
        self.jobs = records
        self.payloads = records.map { state.job($0.id)?.payload }
        self.bodies = state.load(records.map(\.id), bytesMax: .max).jobs
        self.attempts = records.map { state.attempts(of: $0.id) }
        self.results = records.map { state.result(of: $0.id) }
        self.expiring = state.expiredJobs(by: WallTime(microseconds: .max), after: nil, limit: .max)
        self.workflows = state.workflows(before: nil, limit: .max)
        self.members = self.workflows.flatMap { state.members(of: $0.id, after: nil, limit: .max) }
        self.batches = state.batches(before: nil, limit: .max)
        self.ordered = state.orderedJobs(after: Self.beginning, limit: .max)
        self.schedules = state.allSchedules
        self.runs = self.schedules.flatMap { state.runs(of: $0.name, before: nil, limit: .max) }
    }

    /// What an open store shows, asked in pages.
    package init(of store: any JobStore, page: Int = 50) async throws {
        var ready: [ReadyJob] = []
        while true {
            let next = try await store.readyJobs(after: ready.last?.id, limit: page)
            ready += next
            if next.count < page { break }
        }
        var scheduled: [ScheduledJob] = []
        while true {
            let due = WallTime(microseconds: .max)
            let next = try await store.scheduledJobs(after: scheduled.last, dueBy: due, limit: page)
            scheduled += next
            if next.count < page { break }
        }
        var jobs: [JobRecord] = []
        var payloads: [Bytes?] = []
        while true {
            let next = try await store.jobs(matching: JobFilter(), after: jobs.last?.id, limit: page)
            for record in next { payloads.append(try await store.job(record.id)?.payload) }
            jobs += next
            if next.count < page { break }
        }
        var attempts: [[AttemptRecord]] = []
        var results: [Bytes?] = []
        for record in jobs {
            attempts.append(try await store.attempts(of: record.id))
            results.append(try await store.result(of: record.id))
        }
        var expiring: [ExpiringJob] = []
        while true {
            let end = WallTime(microseconds: .max)
            let next = try await store.expiredJobs(by: end, after: expiring.last, limit: page)
            expiring += next
            if next.count < page { break }
        }
        var workflows: [WorkflowRow] = []
        var members: [WorkflowMember] = []
        while true {
            let next = try await store.workflows(before: workflows.last?.id, limit: page)
            workflows += next
            for workflow in next {
                var found: [WorkflowMember] = []
                repeat {
                    found = try await store.members(of: workflow.id, after: found.last?.record.id, limit: page)
                    members += found
                } while found.count == page
            }
            if next.count < page { break }
        }
        var batches: [BatchRow] = []
        while true {
            let next = try await store.batches(before: batches.last?.id, limit: page)
            batches += next
            if next.count < page { break }
        }
        self.workflows = workflows
        self.members = members
        self.batches = batches
        self.attempts = attempts
        self.results = results
        self.expiring = expiring
        var ordered: [ScheduledJob] = []
        while true {
            let next = try await store.orderedJobs(after: ordered.last ?? Self.beginning, limit: page)
            ordered += next
            if next.count < page { break }
        }
        self.ordered = ordered
        (self.schedules, self.runs) = try await Self.schedules(of: store, page: page)
        self.ready = ready
        self.scheduled = scheduled
        self.totals = try await store.laneTotals()
        self.jobs = jobs
        self.payloads = payloads
        self.bodies = try await store.load(jobs.map(\.id), bytesMax: .max).jobs
    }
}

extension StoreSnapshot {
    private static func schedules(
        of store: any JobStore, page: Int
    ) async throws -> (rows: [ScheduleRow], runs: [ScheduleRun]) {
        var rows: [ScheduleRow] = []
        var runs: [ScheduleRun] = []
        for name in GroupGenerator.scheduleNames {
            guard let row = try await store.schedule(name) else { continue }
            rows.append(row)
            var last: WallTime?
            while true {
                let next = try await store.runs(of: name, before: last, limit: page)
                runs += next
                last = next.last?.instant
                if next.count < page { break }
            }
        }
        return (rows, runs)
    }

    /// What is first found to differ, for people; nil if nothing does.
    package func difference(from other: StoreSnapshot) -> String? {
        self.jobsDifference(from: other) ?? Self.first(self.workflows, other.workflows, "workflows")
            ?? Self.first(self.members, other.members, "members")
            ?? Self.first(self.batches, other.batches, "batches")
            ?? Self.first(self.schedules, other.schedules, "schedules") ?? Self.first(self.runs, other.runs, "runs")
    }

    private func jobsDifference(from other: StoreSnapshot) -> String? {
        Self.first(self.ready, other.ready, "ready") ?? Self.first(self.scheduled, other.scheduled, "scheduled")
            ?? Self.first(self.totals, other.totals, "totals") ?? Self.first(self.jobs, other.jobs, "jobs")
            ?? Self.first(self.payloads, other.payloads, "payloads") ?? Self.first(self.bodies, other.bodies, "bodies")
            ?? Self.first(self.attempts, other.attempts, "attempts")
            ?? Self.first(self.results, other.results, "results")
            ?? Self.first(self.expiring, other.expiring, "expiring")
            ?? Self.first(self.ordered, other.ordered, "ordered")
    }

    private static func first<Element: Equatable>(_ a: [Element], _ b: [Element], _ name: String) -> String? {
        for (place, (x, y)) in zip(a, b).enumerated() where x != y { return "\(name)[\(place)]: \(x) is not \(y)" }
        return a.count == b.count ? nil : "\(a.count) \(name) are not \(b.count)"
    }
}
