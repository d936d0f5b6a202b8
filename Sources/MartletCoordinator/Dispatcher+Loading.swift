package import MartletCore
import MartletObservability
import MartletRuntime
package import MartletStore

extension Dispatcher {
    func loadBodies() async throws {
        while true {
            if let load = self.loads.popFirst() {
                try await self.load(load.ids, line: load.line)
            } else if let page = self.pages.popFirst() {
                try await self.loadScheduled(page.after, dueBy: page.dueBy)
            } else {
                await self.loadWanted.wait()
                try Task.checkCancellation()
            }
        }
    }

    func load(_ ids: [JobID], line: DispatchCore.LineID) async throws {
        do {
            let found = try await self.store.load(ids, bytesMax: self.loadBytes)
            var looked = ids[...]
            if !found.isComplete, let last = found.jobs.last?.id { looked = ids.prefix { $0 <= last } }
            await self.loaded(found.jobs, outOf: looked, line: line)
        } catch {
            self.log(.error, "payloads could not be read", [.cause: error.message, .count: ids.count])
            try await self.loop.sleep(for: .milliseconds(100))
            self.core.loadFailed(line: line, at: self.loop.now)
        }
        await self.turn()
    }

    /// What the store has may have moved on since it was asked: to a later due time, or past its expiry.
    func loaded(_ jobs: [StoredJob], outOf ids: ArraySlice<JobID>, line: DispatchCore.LineID) async {
        let now = self.loop.wallTime
        var ready: [QueuedJob] = []
        var expired: [StoredJob] = []
        for job in jobs {
            if let expires = job.expires, expires <= now, self.core.isAskedFor(job.id, line: line) {
                self.core.setApart(job.id, lane: job.lane, share: job.options.share, at: self.loop.now)
                self.taken.insert(job.id)
                expired.append(job)
            } else if let due = job.due, due > now, self.core.isAskedFor(job.id, line: line) {
                self.schedule(ScheduledJob(due: due, id: job.id, lane: job.lane, share: job.options.share))
            } else if job.revision > 0, self.loop.now < self.doubtUntil, self.core.isAskedFor(job.id, line: line) {
                self.core.setApart(job.id, lane: job.lane, share: job.options.share, at: self.loop.now)
                self.doubtful.append(ReadyJob(id: job.id, lane: job.lane, share: job.options.share))
            } else {
                ready.append(self.queued(job, counted: true))
            }
        }
        self.core.bodiesLoaded(ready, outOf: ids, line: line, at: self.loop.now)
        guard !expired.isEmpty else { return }
        let refused = Set(await self.expire(expired))
        // What was given more time meanwhile is back already; what else was refused is to be looked at again.
        let jobs = expired.filter { self.taken.remove($0.id) != nil }
            .map { ReadyJob(id: $0.id, lane: $0.lane, share: $0.options.share) }
        self.ended(jobs.filter { !refused.contains($0.id) })
        self.enqueue(jobs.filter { refused.contains($0.id) })
    }

    /// Payloads read back count in the same budget; when it is used up, each lane still gets its share of a
    /// quarter, and one job at least, so that none stands still.
    var loadBytes: Int {
        let left = self.budget.bytesMax - self.budget.bytes
        return min(Self.loadBytesMax, max(left, self.budget.bytesMax / 4 / max(1, self.lanes.count), 1))
    }

    package func queued(_ job: StoredJob, counted: Bool = false) -> QueuedJob {
        let traits = self.lanes.traits(lane: job.lane, options: job.options)
        let payload = counted ? self.budget.counting(job.payload) : job.payload
        return QueuedJob(
            id: job.id, body: JobBody(traits: traits, payload: payload, history: job.history, extras: job.extras))
    }
}
