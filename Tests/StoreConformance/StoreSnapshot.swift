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

    /// What a model shows.
    package init(of state: StoreState) {
        let records = state.jobs(matching: JobFilter(), after: nil, limit: .max)
        self.ready = state.readyJobs(after: nil, limit: .max)
        self.scheduled = state.scheduledJobs(after: nil, dueBy: WallTime(microseconds: .max), limit: .max)
        self.totals = state.laneTotals
        self.jobs = records
        self.payloads = records.map { state.job($0.id)?.payload }
        self.bodies = state.load(records.map(\.id), bytesMax: .max).jobs
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
        self.ready = ready
        self.scheduled = scheduled
        self.totals = try await store.laneTotals()
        self.jobs = jobs
        self.payloads = payloads
        self.bodies = try await store.load(jobs.map(\.id), bytesMax: .max).jobs
    }
}
