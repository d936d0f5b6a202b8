import MartletCore
import MartletObservability
import MartletRuntime
import MartletStore

/// Ends jobs that nobody has started in time.
extension ControlService {
    private static let sweepInterval: Duration = .seconds(1)
    private static let sweepPage = 500

    /// Looks each second for pending jobs whose time has passed, page by page.
    func sweepExpired() async throws {
        while true {
            try await self.loop.sleep(for: Self.sweepInterval)
            // What the nodes of an earlier epoch have started is not known yet.
            guard await !self.dispatcher.isRecovering else { continue }
            do {
                try await self.sweep(at: self.loop.wallTime)
            } catch let error as StoreError {
                self.log(.error, "expired jobs could not be ended", [.cause: error.message])
            }
        }
    }

    private func sweep(at now: WallTime) async throws {
        var after: ExpiringJob?
        while true {
            let page = try await self.store.expiredJobs(by: now, after: after, limit: Self.sweepPage)
            // A node that has not started a job by then gives it back.
            let held = await self.registry.held(page.map(\.id))
            let jobs = page.filter { !held.contains($0.id) }
            _ = try await self.expire(
                jobs.map { Consequences.Waiting(id: $0.id, lane: $0.lane, share: $0.share, due: nil) })
            guard page.count == Self.sweepPage, let last = page.last else { return }
            after = last
        }
    }

    private func expire(_ jobs: [Consequences.Waiting]) async throws -> [JobID] {
        guard !jobs.isEmpty else { return [] }
        let updates = jobs.map { job in
            let keptFor = self.settings.retention(of: self.lanes.key(of: job.lane).queue).expired
            return JobUpdate(
                id: job.id, lane: job.lane, expected: .overdue, state: .expired, history: nil, keptFor: keptFor)
        }
        let outcomes = try await self.commit([.update(updates)], kind: .essential, jobs: jobs.count)
        guard case .applied(let missing) = outcomes.first else { return jobs.map(\.id) }
        let gone = Set(missing)
        await self.carryOut(endOf: jobs.filter { !gone.contains($0.id) })
        return missing
    }

    /// Jobs whose time had passed when they would have been assigned. Returns once their end is durable; if it cannot
    /// be, for now, they wait for the next sweep.
    ///
    /// - Returns: those that have not expired, or not as they are now.
    func expire(_ jobs: [StoredJob]) async -> [JobID] {
        let waiting = jobs.map { job in
            Consequences.Waiting(id: job.id, lane: job.lane, share: job.options.share, due: nil)
        }
        return (try? await self.expire(waiting)) ?? []
    }
}
