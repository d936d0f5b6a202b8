package import MartletCore
import MartletRuntime
import MartletStore
package import MartletWire

extension ClientService {
    package func pong() async throws -> Pong {
        let totals = try await self.store.laneTotals()
        return Pong(
            version: Coordinator.version, epoch: self.epoch, wallTime: self.loop.wallTime,
            uptime: self.loop.now - self.startedAt, isRecovered: await !self.dispatcher.isRecovering,
            nodeCount: UInt32(await self.registry.nodeCount),
            pendingCount: totals.reduce(0) { $0 + $1.ready + $1.scheduled })
    }

    func jobs(_ list: ListJobs) async throws -> JobList {
        let selection = JobSelection(state: list.state, queue: list.queue, type: list.type)
        return try await self.jobs(matching: selection, after: list.after, limit: Int(list.limit))
    }

    /// Jobs that match, in the order of their ids.
    ///
    /// - Parameter limit: 1 to 1,000; there may be fewer though more match, see ``JobList/next``.
    package func jobs(matching selection: JobSelection, after: JobID?, limit: Int) async throws -> JobList {
        let holders = await self.registry.holders()
        let limit = min(max(limit, 1), Int(ListJobs.limitMax))
        var filter = JobFilter(selection)
        if selection.state == .running {
            filter.state = nil
            return try await self.runningJobs(filter, after: after, limit: limit, holders)
        }
        let records = try await self.store.jobs(matching: filter, after: after, limit: limit)
        let views = records.map { self.view($0, holders: holders) }
        let matching = selection.state == .ready ? views.filter { $0.state == .ready } : views
        return JobList(jobs: matching, next: records.count == limit ? records.last?.id : nil)
    }

    /// What is leased now; at most the nodes' slots and prefetch, so it is looked up job by job.
    private func runningJobs(
        _ filter: JobFilter, after: JobID?, limit: Int, _ holders: [JobID: String]
    ) async throws -> JobList {
        var views: [JobView] = []
        let ids = holders.keys.sorted().filter { id in after.map { id > $0 } ?? true }
        for id in ids {
            guard let (record, _) = try await self.store.job(id) else { continue }
            guard filter.matches(record) else { continue }
            views.append(self.view(record, holders: holders))
            if views.count == limit { return JobList(jobs: views, next: id) }
        }
        return JobList(jobs: views, next: nil)
    }

    /// - Throws: ``ErrorReply`` with `notFound`, or ``StoreError``.
    package func detail(_ id: JobID) async throws -> JobDetail {
        guard let (record, payload) = try await self.store.job(id) else { throw Self.missing(id) }
        var view = self.view(record, holders: await self.registry.holders())
        view.progress = await self.registry.progress(of: id)
        let attempts = record.flags.contains(.attempts) ? try await self.store.attempts(of: id) : []
        return JobDetail(
            job: view, payload: payload,
            result: record.flags.contains(.result) ? try await self.store.result(of: id) : nil,
            attempts: attempts.map {
                JobDetail.Attempt(
                    number: $0.number, endedAt: $0.endedAt, node: $0.node, failure: $0.failure, output: $0.output)
            })
    }

    static func missing(_ id: JobID) -> ErrorReply {
        ErrorReply(.notFound, "job \(id) is not there: it finished and was not kept, or never was")
    }

    func view(_ record: JobRecord, holders: [JobID: String]) -> JobView {
        let node = record.state.isTerminal ? nil : holders[record.id]
        var state = record.state
        if node != nil {
            state = .running
        } else if state == .scheduled, let due = record.due, due <= self.loop.wallTime {
            state = .ready
        }
        return JobView(
            id: record.id,
            template: JobTemplate(type: record.lane.type, queue: record.lane.queue, options: record.options),
            state: state, failures: record.history.failures, nodeDeaths: record.history.nodeDeaths,
            createdAt: record.createdAt, due: record.due, finishedAt: record.finishedAt,
            lastFailure: record.lastFailure, payloadCount: UInt32(clamping: record.payloadCount), node: node,
            expires: record.expires, workflow: record.workflow, waits: UInt32(clamping: record.waits))
    }

    package func queues() async throws -> QueueList {
        let totals = try await self.store.laneTotals()
        let held = await self.registry.heldByLane()
        let services = await self.registry.services()
        var views: [String: QueueView] = [:]
        for total in totals {
            let name = "\(total.lane.queue)\u{0}\(total.lane.type)"
            var view = views[name] ?? QueueView(queue: total.lane.queue, type: total.lane.type)
            let running = self.lanes.id(of: total.lane).flatMap { held[$0] } ?? 0
            view.running += UInt64(running)
            view.add(total, running: UInt64(running))
            view.nodeCount = UInt32(services.count { $0.serves(total.lane) })
            view.keptBytes += total.keptBytes
            views[name] = view
        }
        for (name, age) in try await self.readyAges() { views[name]?.oldestReadyAge = age }
        return QueueList(queues: views.keys.sorted().map { views[$0]! })
    }

    /// Lines of a queue and type that are looked at for its oldest job.
    private static let oldestLinesMax = 4

    /// For how long the oldest ready job of each queue and type has waited: since it was submitted, or since the time
    /// that it was scheduled for; one that is tried again, since it was submitted.
    private func readyAges() async throws -> [String: Duration] {
        let now = self.loop.wallTime
        var ages: [String: Duration] = [:]
        for job in await self.dispatcher.firstJobs(eachMax: Self.oldestLinesMax) {
            let before = JobID(rawValue: job.id.rawValue - 1)
            let records = try await self.store.jobs(matching: JobFilter(), after: before, limit: 1)
            guard let record = records.first, record.id == job.id, !record.state.isTerminal else { continue }
            let isFirstAttempt = record.history == JobHistory()
            let since = isFirstAttempt ? record.due ?? record.createdAt : record.createdAt
            let name = "\(job.queue)\u{0}\(job.type)"
            ages[name] = max(ages[name] ?? .zero, now - since)
        }
        return ages
    }

    /// The same as a ``ChangeJobs`` of dead jobs, for those who only know this request: answered when it is done.
    func change(_ change: ChangeDead) async throws -> DeadChanged {
        let action: ChangeJobs.Action = change.action == .retry ? .retry : .delete
        let selection = JobSelection(state: .dead, queue: change.queue, type: change.type)
        let changed = try await self.control.change(ChangeJobs(action, ids: Array(change.ids), matching: selection))
        guard let id = changed.bulk, !changed.isFinished else {
            return DeadChanged(count: changed.count, missing: changed.missing)
        }
        return DeadChanged(count: try await self.control.end(of: BulkID(rawValue: id)).changed, missing: [])
    }
}

extension QueueView {
    fileprivate mutating func add(_ total: LaneTotals, running: UInt64) {
        // A lease may be on its way to its end while the store already counts the job as gone.
        self.ready += total.ready - min(total.ready, running)
        self.scheduled += total.scheduled
        self.dead += total.dead
        self.submittedTotal += total.submittedTotal
        self.succeededTotal += total.succeededTotal
        self.retriedTotal += total.retriedTotal
        self.cancelledTotal += total.cancelledTotal
        self.expiredTotal += total.expiredTotal
        self.deletedTotal += total.deletedTotal
    }
}
