package import MartletCore
import MartletRuntime
package import MartletStore

extension Dispatcher {
    /// Assigns no more jobs of a queue or type; what nodes have goes on. To be called again after a restart.
    package func pause(_ pause: DispatchCore.Pause) { self.core.pause(pause) }

    package func resume(_ pause: DispatchCore.Pause) async {
        self.core.resume(pause, at: self.loop.now)
        await self.turn()
    }

    /// Takes waiting jobs out: out of their lines, with or without bodies, of what is being read for them, of what
    /// waits for recovery or for its due time, and of what was assigned and has not left here.
    ///
    /// To cancel, commit first, then call this, then ``NodeRegistry/revoke(_:)``: what is not found is with a node, or
    /// on disk until its time comes. For another lane or due time, see ``take(_:)``.
    ///
    /// - Parameter jobs: with the lanes and shares that they had.
    /// - Returns: the ids of those that were found, ascending.
    package func remove(_ jobs: [ReadyJob]) async -> [JobID] {
        let ids = jobs.map(\.id).sorted()
        var found = self.core.remove(jobs, at: self.loop.now)
        found += self.scheduled.remove(ids)
        found += self.removeOutgoing(ids)
        self.ended(jobs.filter { found.contains($0.id) && $0.share?.isOrdered ?? false })
        await self.turn()
        return found.sorted()
    }

    /// Takes waiting jobs out for a change of their lane or due time that is yet to be committed, so that nobody gets
    /// them meanwhile. What nodes have, or what is on its way from one, is not touched.
    ///
    /// - Parameter jobs: as the store has them.
    /// - Returns: ascending, those that come back by ``moved(_:held:)`` once the change is durable, and must by
    ///   ``putBack(_:)`` or ``giveUp(_:)`` if it is not made.
    package func take(_ jobs: [Consequences.Waiting]) async -> [JobID] {
        let found = self.takeOut(jobs)
        self.taken.formUnion(found)
        await self.turn()
        return found
    }

    func takeOut(_ jobs: [Consequences.Waiting]) -> [JobID] {
        let ids = jobs.map(\.id).sorted()
        // Before anything else: those are there whether or not they are found.
        var found = Set(jobs.filter { self.isOnDisk($0) }.map(\.id))
        found.formUnion(self.core.take(jobs.map(\.ready), at: self.loop.now))
        found.formUnion(self.scheduled.remove(ids))
        found.formUnion(self.removeOutgoing(ids))
        for job in jobs where found.contains(job.id) {
            self.core.setApart(job.id, lane: job.lane, share: job.share, at: self.loop.now)
        }
        return found.sorted()
    }

    func isOnDisk(_ job: Consequences.Waiting) -> Bool {
        guard let due = job.due else { return false }
        return self.scheduled.isOnDisk(ScheduledJob(due: due, id: job.id, lane: job.lane, share: job.share))
    }

    /// Jobs that were taken are as they were.
    package func putBack(_ jobs: [Consequences.Waiting]) async {
        self.core.defineLanes(self.lanes.keys, at: self.loop.now)
        for job in jobs where self.taken.remove(job.id) != nil { self.enqueue([job]) }
        await self.turn()
    }

    /// Jobs that were taken are not pending any more.
    package func giveUp(_ jobs: [ReadyJob]) async {
        self.ended(jobs.filter { self.taken.remove($0.id) != nil })
        await self.turn()
    }

    /// Jobs have another payload, due time or lane, and that is durable.
    ///
    /// - Parameter held: those that nodes have: they go their way, and the store tells when they end whether they are
    ///   to run again. So do those on their way from a node.
    func moved(_ moves: [Consequences.Moved], held: Set<JobID>) {
        self.core.defineLanes(self.lanes.keys, at: self.loop.now)
        for move in moves {
            let after = move.after
            let before = Consequences.Waiting(
                id: after.id, lane: move.before, share: after.share, due: move.dueBefore)
            let isTaken = self.taken.remove(after.id) != nil
            guard !held.contains(after.id) else {
                if after.due != nil { self.elsewhere.insert(after.id) }
                continue
            }
            // What was on disk may have been read since it was taken, before the change or after it.
            let isFound = !(self.takeOut([before]) + self.takeOut([after])).isEmpty
            if isTaken || isFound { self.enqueue([after]) }
        }
    }

    func isBack(_ ids: some Sequence<JobID>) {
        guard !self.elsewhere.isEmpty else { return }
        self.elsewhere.subtract(ids)
    }

    func removeOutgoing(_ ids: [JobID]) -> [JobID] {
        var found: [JobID] = []
        for place in 0..<self.outgoing.count {
            guard case .assign(let key, let jobs) = self.outgoing[place].action else { continue }
            let kept = jobs.filter { !ids.contains($0.id) }
            guard kept.count < jobs.count else { continue }
            found += jobs.map(\.id).filter { ids.contains($0) }
            self.outgoing[place] = (.assign(key, kept), self.outgoing[place].removed + jobs.count - kept.count)
        }
        for id in found { self.core.settled(id, at: self.loop.now) }
        return found
    }

    /// Says when jobs expire, and what becomes of those whose time has passed when they would have been assigned.
    ///
    /// - Parameter expire: gets jobs that have expired; returns once their end is durable, with those that had not
    ///   when it was to be.
    package func setExpiry(_ expire: @escaping @Sendable ([StoredJob]) async -> [JobID]) { self.expire = expire }
}
