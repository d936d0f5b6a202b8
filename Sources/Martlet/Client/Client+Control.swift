public import MartletCore
import MartletRuntime
import MartletWire

/// Changing what was submitted.
///
/// A request whose answer is lost is made again. What changes one job, or ends a pause, then finds it done, and may say
/// so by `false`: that says how things are, not that this call did nothing. An operation on all that match may be recorded
/// twice then, of which the second finds nothing left to do.
extension Client {
    // MARK: One job

    /// Cancels a job, whether it waits or runs.
    ///
    /// When this returns, the job has ended as ``JobState/cancelled`` and no result of it will be accepted; a handler
    /// that runs is told by the cancellation of its task, within a heartbeat where its node can be reached.
    ///
    /// - Returns: false if there is no such job that has not ended.
    @discardableResult
    public func cancel(_ id: JobID) async throws(MartletError) -> Bool {
        try await self.change(ChangeJobs(.cancel, ids: [id])).count == 1
    }

    /// Makes a dead job ready again, its failures counted from zero.
    ///
    /// - Returns: false if there is no such dead job.
    @discardableResult
    public func retry(_ id: JobID) async throws(MartletError) -> Bool {
        try await self.change(ChangeJobs(.retry, ids: [id])).count == 1
    }

    /// Removes a job that has ended.
    ///
    /// - Returns: false if there is no such job that has ended.
    @discardableResult
    public func delete(_ id: JobID) async throws(MartletError) -> Bool {
        try await self.change(ChangeJobs(.delete, ids: [id])).count == 1
    }

    /// Makes a waiting job due after `delay`, at once if it is zero.
    ///
    /// - Returns: false if there is no such job that waits: one that a node has goes its way.
    @discardableResult
    public func reschedule(_ id: JobID, delay: Duration) async throws(MartletError) -> Bool {
        try await self.change(ChangeJobs(.reschedule(self.due(after: delay)), ids: [id])).count == 1
    }

    /// Gives a waiting job another priority.
    ///
    /// - Returns: false if there is no such job that waits, or if it has that priority.
    @discardableResult
    public func setPriority(_ priority: Priority, of id: JobID) async throws(MartletError) -> Bool {
        try await self.change(ChangeJobs(.prioritize(priority), ids: [id])).count == 1
    }

    // MARK: All that match

    /// Cancels all jobs that match and have not ended.
    ///
    /// The operation is durable when this returns. Up to 1,000 jobs are done by then, as a rule; of more, the
    /// coordinator does a group at a time while everything else goes on.
    @discardableResult
    public func cancel(where query: JobQuery) async throws(MartletError) -> BulkChange {
        try await self.change(.cancel, query)
    }

    /// Makes all dead jobs that match ready again. As ``cancel(where:)``.
    @discardableResult
    public func retry(where query: JobQuery) async throws(MartletError) -> BulkChange {
        try await self.change(.retry, query)
    }

    /// Removes all jobs that match and have ended. As ``cancel(where:)``.
    @discardableResult
    public func delete(where query: JobQuery) async throws(MartletError) -> BulkChange {
        try await self.change(.delete, query)
    }

    /// Removes all jobs of a queue that wait. As ``cancel(where:)``.
    @discardableResult
    public func purge(queue: String) async throws(MartletError) -> BulkChange {
        try await self.change(.purge, JobQuery(queue: queue))
    }

    /// Makes all waiting jobs that match due after `delay`, at once if it is zero. As ``cancel(where:)``.
    @discardableResult
    public func reschedule(where query: JobQuery, delay: Duration) async throws(MartletError) -> BulkChange {
        try await self.change(.reschedule(self.due(after: delay)), query)
    }

    /// Gives all waiting jobs that match another priority. As ``cancel(where:)``.
    @discardableResult
    public func setPriority(_ priority: Priority, where query: JobQuery) async throws(MartletError) -> BulkChange {
        try await self.change(.prioritize(priority), query)
    }

    /// An operation on many jobs, or nil if it is not known (any more).
    public func bulkChange(_ id: UInt64) async throws(MartletError) -> BulkChange? {
        switch try await self.reply(to: ListBulk(id: id), as: BulkList.self) {
        case .message(let list):
            return list.operations.first.map {
                BulkChange(id: $0.id, count: Int($0.changed), isFinished: $0.finishedAt != nil)
            }
        case .refused(let refusal) where refusal.code == .notFound: return nil
        case .refused(let refusal): throw MartletError(refusal)
        }
    }

    // MARK: Pauses

    /// Has nothing more of a queue started until ``resume(queue:)``, also after a restart. What workers have already
    /// goes on.
    ///
    /// - Returns: since when it is paused.
    @discardableResult
    public func pause(queue: String) async throws(MartletError) -> WallTime {
        try await self.pause(.queue, queue)
    }

    /// As ``pause(queue:)``, for a job type in all queues.
    @discardableResult
    public func pause(type: String) async throws(MartletError) -> WallTime {
        try await self.pause(.type, type)
    }

    /// - Returns: whether it was paused.
    @discardableResult
    public func resume(queue: String) async throws(MartletError) -> Bool {
        let set: PauseSet = try await self.ask(SetPause(.queue, name: queue, isPaused: false))
        return set.isChanged
    }

    /// - Returns: whether it was paused.
    @discardableResult
    public func resume(type: String) async throws(MartletError) -> Bool {
        let set: PauseSet = try await self.ask(SetPause(.type, name: type, isPaused: false))
        return set.isChanged
    }

    // MARK: Asking

    private func pause(_ target: SetPause.Target, _ name: String) async throws(MartletError) -> WallTime {
        let set: PauseSet = try await self.ask(SetPause(target, name: name, isPaused: true))
        guard let since = set.since else { throw MartletError(.refused, "the coordinator did not pause \(name)") }
        return since
    }

    private func change(_ request: ChangeJobs) async throws(MartletError) -> JobsChanged {
        try await self.ask(request)
    }

    private func change(_ action: ChangeJobs.Action, _ query: JobQuery) async throws(MartletError) -> BulkChange {
        let selection = query.selection(at: self.loop.wallTime)
        let changed = try await self.change(ChangeJobs(action, matching: selection))
        return BulkChange(id: changed.bulk ?? 0, count: Int(changed.count), isFinished: changed.isFinished)
    }
}
