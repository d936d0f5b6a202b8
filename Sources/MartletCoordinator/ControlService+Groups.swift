import MartletCore
import MartletStore
import MartletWire

/// How a group of jobs is changed: in one commit, which is then carried out by dispatch and on the nodes.
extension ControlService {
    /// Changes these jobs, which were seen to be as they must be.
    ///
    /// - Parameter record: of the operation that this is a group of, with its cursor behind them.
    /// - Returns: the ids of those that could not be changed.
    func apply(
        _ operation: BulkOperation, to jobs: [JobRecord], as record: BulkRecord? = nil
    ) async throws -> [JobID] {
        switch operation {
        case .cancel, .purge: try await self.cancel(jobs, isPurge: operation == .purge, record)
        case .retry: try await self.retry(jobs, record)
        case .delete: try await self.commit(.delete(jobs.map(\.id)), record, kind: .essential)
        case .reschedule(let due): try await self.reschedule(jobs, to: due, record)
        case .prioritize(let priority): try await self.prioritize(jobs, priority, record)
        }
    }

    private func commit(
        _ work: BulkStep.Work, _ record: BulkRecord?, kind: CommitLog.Kind
    ) async throws -> [JobID] {
        let change: Change = record.map { .bulk(BulkStep($0, work)) } ?? Self.change(work)
        let outcomes = try await self.commit([change], kind: kind, jobs: work.count)
        guard case .applied(let missing) = outcomes.first else { return [] }
        return missing
    }

    private static func change(_ work: BulkStep.Work) -> Change {
        switch work {
        case .update(let updates): .update(updates)
        case .delete(let ids): .delete(ids)
        case .move(let changes): .move(changes)
        case .reschedule(let changes): .reschedule(changes)
        }
    }

    // MARK: Cancelling and reviving

    private func cancel(_ jobs: [JobRecord], isPurge: Bool, _ record: BulkRecord?) async throws -> [JobID] {
        let updates = self.waiting(jobs).map { job in
            let keptFor = isPurge ? .zero : self.settings.retention(of: self.lanes.key(of: job.lane).queue).cancelled
            return JobUpdate(id: job.id, lane: job.lane, state: .cancelled, history: nil, keptFor: keptFor)
        }
        let missing = try await self.commit(.update(updates), record, kind: .essential)
        let gone = Set(missing)
        await self.carryOut(endOf: self.waiting(jobs).filter { !gone.contains($0.id) })
        return missing
    }

    /// Jobs have ended, and that is durable: nobody starts them, and handlers that run are told to stop.
    func carryOut(endOf jobs: [Consequences.Waiting]) async {
        guard !jobs.isEmpty else { return }
        _ = await self.dispatcher.remove(jobs.map(\.ready))
        _ = await self.registry.revoke(jobs.map(\.id).sorted())
    }

    private func retry(_ jobs: [JobRecord], _ record: BulkRecord?) async throws -> [JobID] {
        let updates = self.waiting(jobs).map { job in
            JobUpdate(id: job.id, lane: job.lane, expected: .dead, state: .ready, history: JobHistory())
        }
        let missing = try await self.commit(.update(updates), record, kind: .intake)
        let gone = Set(missing)
        await self.dispatcher.enqueue(self.waiting(jobs).filter { !gone.contains($0.id) }.map(\.ready))
        await self.dispatcher.turn()
        return missing
    }

    // MARK: Moving

    private func reschedule(_ jobs: [JobRecord], to due: WallTime?, _ record: BulkRecord?) async throws -> [JobID] {
        try await self.move(jobs, record) { taken in
            .reschedule(taken.map { Rescheduling(id: $0.id, lane: $0.lane, due: due) })
        }
    }

    private func prioritize(
        _ jobs: [JobRecord], _ priority: Priority, _ record: BulkRecord?
    ) async throws -> [JobID] {
        var lanes: [LaneID: LaneID] = [:]
        for job in self.waiting(jobs) where lanes[job.lane] == nil {
            let key = self.lanes.key(of: job.lane)
            let template = JobTemplate(type: key.type, queue: key.queue, options: JobOptions(priority: priority))
            guard let traits = self.lanes.traits(of: template) else {
                throw ErrorReply(
                    .invalidRequest,
                    "queue \(key.queue), type \(key.type) would get one lane too many; the limit is limits.lanesMax")
            }
            lanes[job.lane] = traits.lane
        }
        return try await self.move(jobs, record) { taken in
            .move(taken.map { LaneChange(id: $0.id, lane: $0.lane, newLane: lanes[$0.lane]!) })
        }
    }

    /// Takes the jobs out of dispatch while their change is being committed. Those that a node has, or is about to
    /// have, count as missing. They come back with the consequences of the commit.
    private func move(
        _ jobs: [JobRecord], _ record: BulkRecord?, _ work: ([Consequences.Waiting]) -> BulkStep.Work
    ) async throws -> [JobID] {
        let blocked = Set(jobs.filter { $0.state == .blocked }.map(\.id))
        let waiting = self.waiting(jobs)
        let taken = Set(await self.dispatcher.take(waiting.filter { !blocked.contains($0.id) }))
        let moved = waiting.filter { blocked.contains($0.id) || taken.contains($0.id) }
        let others = jobs.map(\.id).filter { !taken.contains($0) && !blocked.contains($0) }
        // The store counts those of the work only.
        var counted = record
        counted?.missed += UInt64(others.count)
        let missing: [JobID]
        do {
            missing = try await self.commit(work(moved), counted, kind: .intake)
        } catch {
            await self.putBack(moved)
            throw error
        }
        let gone = Set(missing)
        await self.putBack(moved.filter { gone.contains($0.id) })
        return (missing + others).sorted()
    }

    /// Jobs that were taken have not been changed: they are as the store has them, which may be otherwise than they were
    /// seen to be, or over.
    private func putBack(_ jobs: [Consequences.Waiting]) async {
        guard !jobs.isEmpty else { return }
        var waiting: [Consequences.Waiting] = []
        var over = Set(jobs.map(\.id))
        var left = jobs.map(\.id).sorted()[...]
        while !left.isEmpty {
            guard let found = try? await self.store.load(Array(left), bytesMax: 16 << 20) else {
                // Better twice at the store than lost to dispatch: what it then reads tells what is to be done.
                return await self.dispatcher.putBack(jobs)
            }
            for job in found.jobs {
                over.remove(job.id)
                waiting.append(
                    Consequences.Waiting(id: job.id, lane: job.lane, share: job.options.share, due: job.due))
            }
            guard !found.isComplete, let last = found.jobs.last?.id else { break }
            left = left.drop { $0 <= last }
        }
        await self.dispatcher.putBack(waiting)
        await self.dispatcher.giveUp(jobs.filter { over.contains($0.id) }.map(\.ready))
    }

    private func waiting(_ jobs: [JobRecord]) -> [Consequences.Waiting] {
        jobs.compactMap { job in
            self.lanes.id(of: job.lane).map {
                Consequences.Waiting(
                    id: job.id, lane: $0, share: job.options.share, due: job.state == .scheduled ? job.due : nil)
            }
        }
    }
}
