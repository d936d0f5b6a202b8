import MartletCore
import MartletObservability
import MartletRuntime
import MartletStore
package import MartletWire

/// Changes to named jobs, and operations on all that match: recorded in one commit, applied by a stored cursor in
/// bounded groups, between which everything else goes on.
extension ControlService {
    /// Jobs after which an answer does not wait for the end of an operation.
    static let answeredMax: UInt64 = 1000
    /// Nor for longer than this.
    static let answeredAfter: Duration = .seconds(2)

    package func change(_ request: ChangeJobs) async throws -> JobsChanged {
        let operation = request.action
        let filter = JobFilter(request.selection)
        guard request.ids.isEmpty else {
            return try await self.changeNamed(Array(request.ids), operation, filter, isDryRun: request.isDryRun)
        }
        if let problem = operation.problem(with: filter) { throw ErrorReply(.invalidRequest, problem) }
        if request.isDryRun { return try await self.count(operation, filter, after: request.after) }
        return try await self.begin(operation, filter)
    }

    package func list(_ request: ListBulk) throws -> BulkList {
        var records = self.finished + self.active.values.map(\.record)
        if let id = request.id { records = records.filter { $0.id.rawValue == id } }
        if let id = request.id, records.isEmpty {
            throw ErrorReply(.notFound, "operation \(id) is not known: it never was, or was forgotten")
        }
        return BulkList(operations: records.sorted { $0.id < $1.id }.map(BulkView.init))
    }

    // MARK: Named jobs

    private func changeNamed(
        _ named: [JobID], _ operation: BulkOperation, _ filter: JobFilter, isDryRun: Bool
    ) async throws -> JobsChanged {
        guard await self.mayMove(operation) else {
            throw ErrorReply(.unavailable, "it is not known yet what the nodes hold; retry in a moment")
        }
        let ids = Set(named).sorted()
        let held = await self.registry.held(ids)
        var fitting: [JobRecord] = []
        var missing: [JobID] = []
        for id in ids {
            if let (record, _) = try await self.store.job(id),
                operation.fits(record, filter, isHeld: held.contains(id))
            {
                fitting.append(record)
            } else {
                missing.append(id)
            }
        }
        if !isDryRun {
            for start in stride(from: 0, to: fitting.count, by: BulkRecord.groupMax) {
                let group = Array(fitting[start..<min(start + BulkRecord.groupMax, fitting.count)])
                missing += try await self.apply(operation, to: group)
            }
        }
        return JobsChanged(count: UInt64(ids.count - missing.count), missing: missing.sorted())
    }

    /// Where jobs are must be known before they can be moved.
    private func mayMove(_ operation: BulkOperation) async -> Bool {
        guard operation.isForWaiting else { return true }
        return await !self.dispatcher.isRecovering
    }

    // MARK: All that match

    private func count(
        _ operation: BulkOperation, _ filter: JobFilter, after: JobID?
    ) async throws -> JobsChanged {
        var cursor = after
        var count = 0
        while count < ChangeJobs.countMax {
            let page = try await self.page(of: operation, filter, after: cursor)
            count += page.jobs.count
            guard let last = page.last else { return JobsChanged(count: UInt64(count)) }
            cursor = last
        }
        return JobsChanged(count: UInt64(count), isFinished: false, next: cursor)
    }

    private func begin(_ operation: BulkOperation, _ filter: JobFilter) async throws -> JobsChanged {
        guard self.active.count < BulkRecord.activeMax else {
            throw ErrorReply(.overloaded, "\(BulkRecord.activeMax) operations on many jobs are under way; retry later")
        }
        self.lastBulk = BulkID(rawValue: self.lastBulk.rawValue + 1)
        let record = BulkRecord(
            id: self.lastBulk, operation: operation, filter: filter, startedAt: self.loop.wallTime)
        let forgotten = self.finished.prefix(max(0, self.finished.count - BulkRecord.finishedMax)).map(\.id)
        let outcomes = try await self.commit(
            forgotten.map { .forgetBulk($0) } + [.beginBulk(record)], kind: .essential, jobs: 0)
        self.finished.removeAll { forgotten.contains($0.id) }
        guard case .began(let begun) = outcomes.last else { throw CancellationError() }
        self.active[record.id] = Bulk(record: begun)
        self.bulkWanted.notify()
        return await self.answer(record.id)
    }

    /// Waits for the end of an operation, or until it has shown to be a long one.
    private func answer(_ id: BulkID) async -> JobsChanged {
        let ended = Signal()
        self.active[id]?.waiters.append(ended)
        let timer = self.loop.schedule(at: self.loop.now + Self.answeredAfter) { ended.notify() }
        await ended.wait()
        self.loop.cancel(timer)
        self.active[id]?.waiters.removeAll { $0 === ended }
        let record = self.active[id]?.record ?? self.finished.last { $0.id == id }
        return JobsChanged(
            count: record?.changed ?? 0, bulk: id.rawValue, isFinished: record?.finishedAt != nil)
    }

    /// Waits for the end of an operation, however long it takes.
    func end(of id: BulkID) async throws -> BulkRecord {
        while self.active[id] != nil {
            let ended = Signal()
            self.active[id]!.waiters.append(ended)
            await ended.wait()
            try Task.checkCancellation()
            self.active[id]?.waiters.removeAll { $0 === ended }
        }
        guard let record = self.finished.last(where: { $0.id == id }) else { throw CancellationError() }
        return record
    }

    // MARK: The work

    /// Operations take turns, a group each.
    func runBulks() async throws {
        while true {
            guard !self.active.isEmpty else {
                await self.bulkWanted.wait()
                try Task.checkCancellation()
                continue
            }
            for id in self.active.keys.sorted() {
                try Task.checkCancellation()
                do {
                    try await self.advance(id)
                } catch let error as StoreError {
                    self.log(
                        .error, "an operation on many jobs waits for the store",
                        [.count: id.rawValue, .cause: error.message])
                    try await self.loop.sleep(for: .seconds(1))
                } catch let refusal as ErrorReply {
                    self.log(
                        .error, "an operation on many jobs cannot go on",
                        [.count: id.rawValue, .cause: refusal.message])
                    try await self.finish(id)
                }
            }
        }
    }

    private func advance(_ id: BulkID) async throws {
        guard var record = self.active[id]?.record else { return }
        guard await self.mayMove(record.operation) else { return try await self.loop.sleep(for: .milliseconds(50)) }
        var page = try await self.page(of: record.operation, record.filter, after: record.cursor)
        if let through = record.through {
            if let last = page.last, last >= through { page.last = nil }
            page.jobs.removeAll { $0.id > through }
        }
        record.cursor = page.last ?? record.through ?? page.jobs.last?.id
        if page.last == nil { record.finishedAt = self.loop.wallTime }
        if page.jobs.isEmpty, record.finishedAt == nil {
            // Nothing to commit: after a restart it looks through these again.
            self.active[id]!.record.cursor = record.cursor
            return
        }
        let missing = try await self.apply(record.operation, to: page.jobs, as: record)
        self.note(record, changed: page.jobs.count - missing.count, missing: missing.count)
    }

    private func finish(_ id: BulkID) async throws {
        guard var record = self.active[id]?.record else { return }
        record.finishedAt = self.loop.wallTime
        _ = try await self.commit([.bulk(BulkStep(record))], kind: .essential, jobs: 0)
        self.note(record, changed: 0, missing: 0)
    }

    private func note(_ stepped: BulkRecord, changed: Int, missing: Int) {
        var record = stepped
        record.changed += UInt64(changed)
        record.missed += UInt64(missing)
        let waiters = self.active[record.id]?.waiters ?? []
        if record.finishedAt == nil {
            self.active[record.id]!.record = record
            if record.changed + record.missed > Self.answeredMax { for waiter in waiters { waiter.notify() } }
            return
        }
        self.active[record.id] = nil
        self.finished.append(record)
        for waiter in waiters { waiter.notify() }
        self.log(
            .notice, "an operation on many jobs is done",
            [.kind: record.operation.name, .count: record.changed])
    }

    // MARK: Finding

    /// The next jobs that an operation is for.
    ///
    /// - Returns: `last` is nil if there are no more.
    private func page(
        of operation: BulkOperation, _ filter: JobFilter, after: JobID?
    ) async throws -> (jobs: [JobRecord], last: JobID?) {
        if filter.state == .running { return try await self.runningPage(of: operation, filter, after: after) }
        var wanted = filter
        if operation == .retry { wanted.state = .dead }
        let found = try await self.store.jobs(matching: wanted, after: after, limit: BulkRecord.groupMax)
        let held =
            operation.isForWaiting || filter.state == .ready || filter.state == .scheduled
            ? await self.registry.held(found.map(\.id)) : []
        let jobs = found.filter { operation.fits($0, filter, isHeld: held.contains($0.id)) }
        return (jobs, found.count == BulkRecord.groupMax ? found.last?.id : nil)
    }

    /// What nodes have: at most their slots and prefetch, so it is looked up job by job.
    private func runningPage(
        of operation: BulkOperation, _ filter: JobFilter, after: JobID?
    ) async throws -> (jobs: [JobRecord], last: JobID?) {
        let held = await self.registry.holders().keys.filter { id in after.map { id > $0 } ?? true }.sorted()
        let ids = held.prefix(BulkRecord.groupMax)
        var jobs: [JobRecord] = []
        for id in ids {
            guard let (record, _) = try await self.store.job(id), operation.fits(record, filter, isHeld: true) else {
                continue
            }
            jobs.append(record)
        }
        return (jobs, held.count > ids.count ? ids.last : nil)
    }
}
