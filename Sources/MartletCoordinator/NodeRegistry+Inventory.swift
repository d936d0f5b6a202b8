package import MartletCore
import MartletObservability
import MartletStore
import MartletWire

extension NodeRegistry {
    func judge(_ message: Register, queue: NodeQueue) async -> [Registered.Verdict] {
        var verdicts = [Registered.Verdict](repeating: .ended, count: message.inventory.count)
        var claimable: [Register.Item] = []
        for (place, item) in message.inventory.enumerated() {
            if let token = await queue.lease(of: item) {
                verdicts[place] = .leased(token)
            } else if item.token.epoch < self.epoch {
                claimable.append(item)
            }
        }
        let awaits = self.awaited[message.name]?.record.id.incarnation == message.incarnation
        guard awaits, !claimable.isEmpty, await self.dispatcher.isRecovering else { return verdicts }
        await self.claim(claimable, by: queue)
        for (place, item) in message.inventory.enumerated() where verdicts[place] == .ended {
            if let token = await queue.lease(of: item) { verdicts[place] = .leased(token) }
        }
        return verdicts
    }

    /// Leases those jobs to the node that it may go on with: still waiting, and nobody has a later lease.
    func claim(_ items: [Register.Item], by queue: NodeQueue) async {
        var tokens: [JobID: LeaseToken] = [:]
        for item in items { tokens[item.id] = max(tokens[item.id] ?? item.token, item.token) }
        var jobs: [QueuedJob] = []
        var proofs: [LeaseToken] = []
        for stored in await self.load(tokens.keys.sorted()) {
            guard let token = tokens[stored.id], await self.mayClaim(stored, under: token) else { continue }
            self.claims[stored.id] = (token, queue.key)
            let job = await self.dispatcher.queued(stored)
            jobs.append(QueuedJob(id: job.id, body: job.body.claimed))
            proofs.append(token)
        }
        _ = await queue.claim(jobs, proofs: proofs)
    }

    func mayClaim(_ stored: StoredJob, under token: LeaseToken) async -> Bool {
        if let due = stored.due, due > self.openedAt { return false }
        guard let other = self.claims[stored.id] else {
            return await self.dispatcher.claim(stored.id, lane: stored.lane, share: stored.options.share)
        }
        // An earlier lease gives way, unless the job has moved on under it.
        guard other.token < token else { return false }
        return await self.queues[other.key]?.revoke(stored.id) ?? false
    }

    func load(_ ids: [JobID]) async -> [StoredJob] {
        var jobs: [StoredJob] = []
        var left = ids[...]
        while !left.isEmpty {
            guard let found = try? await self.store.load(Array(left), bytesMax: 16 << 20) else {
                self.log(.error, "an inventory could not be read; its jobs run again", [.count: left.count])
                return jobs
            }
            jobs += found.jobs
            guard !found.isComplete, let last = found.jobs.last?.id else { return jobs }
            left = left.drop { $0 <= last }
        }
        return jobs
    }

    /// Takes jobs away from the nodes that hold them: unsent ones never reach the node, the leases on others end, and
    /// the node is told to stop their handlers. What it reports on them later is refused.
    ///
    /// A cancel commits first, then calls ``Dispatcher/remove(_:)``, then this: a job is with one of the two.
    ///
    /// - Parameter ids: ascending.
    /// - Returns: the ids that nodes held, ascending.
    package func revoke(_ ids: [JobID]) async -> [JobID] {
        var held: [JobID] = []
        for key in self.queues.keys.sorted() {
            guard held.count < ids.count else { break }
            held += await self.queues[key]?.revoke(ids) ?? []
        }
        if !held.isEmpty { await self.dispatcher.turn() }
        return held.sorted()
    }

    /// Which of these jobs nodes hold, sent or not.
    package func held(_ ids: [JobID]) async -> Set<JobID> {
        var held: Set<JobID> = []
        let wanted = Set(ids)
        for key in self.queues.keys.sorted() where held.count < wanted.count {
            guard let queue = self.queues[key] else { continue }
            held.formUnion(await queue.held(wanted))
        }
        return held
    }
}
