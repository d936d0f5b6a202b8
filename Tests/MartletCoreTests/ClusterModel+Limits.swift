import MartletCore
import MartletVirtualTime

/// What limits promise, checked against what the model knows.
extension ClusterModel {
    func key(_ id: JobID) -> LaneKey { Self.keys[self.store[id]!.lane] }
    func share(_ id: JobID) -> LaneShare? { Self.shares[self.store[id]!.share] }

    func isKeyed(_ id: JobID) -> Bool {
        guard let share = self.share(id), !share.key.isEmpty else { return false }
        return share.isOrdered || self.limits.queues[self.key(id).queue]?.keyConcurrency != nil
    }

    func isLimited(_ id: JobID) -> Bool { self.limits.isCapped(self.key(id)) || self.isKeyed(id) }

    /// What counts is never fetched ahead: a node gets it while it has a slot for it.
    func checkSlots(of key: NodeKey, _ jobs: [QueuedJob]) {
        guard let last = jobs.lastIndex(where: { self.isLimited($0.id) }) else { return }
        let worker = self.workers[key]!
        precondition(worker.core.heldCount + last + 1 <= worker.slots, "a counted job went where no slot is free")
    }

    /// To be called after each turn, with what was with nodes before it.
    func checkLimits(before: Set<JobID>) {
        for (name, queue) in self.limits.queues {
            let active = self.assigned.filter { self.key($0).queue == name }
            precondition(active.count <= queue.concurrency ?? .max, "queue \(name) has \(active.count) jobs at once")
            for key in ["k", "l", "o", "p"] {
                let count = active.count { self.share($0)?.key == key }
                precondition(count <= queue.keyConcurrency ?? .max, "key \(key) has \(count) jobs at once")
            }
        }
        for (type, most) in self.limits.types {
            precondition(self.assigned.count { self.key($0).type == type } <= most, "type \(type) is over its cap")
        }
        for id in self.assigned where !before.contains(id) {
            let isPaused =
                self.paused.contains(.queue(self.key(id).queue)) || self.paused.contains(.type(self.key(id).type))
            precondition(!isPaused, "job \(id) was assigned during a pause")
            guard let share = self.share(id), share.isOrdered else { continue }
            let first = self.pendingOrdered(queue: self.key(id).queue, key: share.key).min()
            precondition(first == id, "job \(id) overtook job \(first!) of its key")
        }
    }

    func pendingOrdered(queue: String, key: String) -> [JobID] {
        self.store.filter { id, job in
            !job.isOver && Self.keys[job.lane].queue == queue && Self.shares[job.share]?.key == key
                && Self.shares[job.share]!.isOrdered
        }.map(\.key)
    }

    /// After a turn, no node with a free slot serves a lane whose jobs could run.
    mutating func checkWorkIsDone() {
        guard self.loads.isEmpty else { return }
        for (lane, key) in Self.keys.enumerated() {
            for share in Self.shares.indices {
                let id = LaneID(rawValue: UInt32(lane))
                guard self.dispatch.blocker(of: id, share: Self.shares[share]) == .none,
                    self.store.contains(where: { $0.value.lane == lane && self.isWaiting($0.key, share: share) })
                else { continue }
                for node in self.workers.values where !node.core.isPaused && node.core.heldCount < node.slots {
                    let room = node.core.dispatchCreditTotal > node.core.settledTotal + UInt64(node.core.heldCount)
                    let isApart = self.dispatch.suspect(of: node.core.key) != nil
                    precondition(
                        !room || isApart || !self.service(of: node.core.key).serves(key),
                        "a node with a free slot serves \(key), share \(share), and got nothing")
                }
            }
        }
    }

    private func service(of key: NodeKey) -> NodeService { Self.services[self.serviceOf[key]!] }

    private func isWaiting(_ id: JobID, share: Int) -> Bool {
        let job = self.store[id]!
        return job.share == share && !job.isOver && !self.assigned.contains(id) && !self.scheduled.contains(id)
            && job.history.nodeDeaths < DispatchCore.deathsMax
    }

    // MARK: Events

    mutating func togglePause() {
        let pauses: [DispatchCore.Pause] = [.queue("a"), .queue("b"), .type("X"), .type("Y")]
        let pause = pauses[self.random.below(4)]
        if self.paused.remove(pause) != nil {
            self.dispatch.resume(pause, at: self.now)
        } else {
            self.paused.insert(pause)
            self.dispatch.pause(pause)
        }
    }

    /// Somebody cancels some jobs, wherever they are.
    mutating func cancel(_ count: Int) {
        let pending = self.store.filter { !$0.value.isOver }.map(\.key).sorted()
        guard !pending.isEmpty else { return }
        let ids = Set((0..<count).map { _ in pending[self.random.below(pending.count)] }).sorted()
        let found = Set(self.dispatch.remove(ids.map { self.ready($0) }, at: self.now))
        for id in ids where !found.contains(id) {
            if let place = self.scheduled.firstIndex(of: id) {
                self.scheduled.remove(at: place)
                continue
            }
            precondition(self.assigned.contains(id), "job \(id) is nowhere")
        }
        let before = self.assigned
        for key in self.workers.keys.sorted() {
            var actions: [NodeQueueCore.Action] = []
            for job in self.workers[key]!.core.revoke(ids, into: &actions) {
                precondition(self.assigned.remove(job.id) != nil, "only what is assigned is with a node")
                self.dispatch.settled(job.id, at: self.now)
            }
            self.perform(actions, of: key)
            self.tell(key)
        }
        for id in ids {
            precondition(!self.assigned.contains(id), "a revoked job is with no node")
            precondition(!(found.contains(id) && before.contains(id)), "a job is in one place")
            self.over(id)
        }
    }

    /// Somebody moves a waiting job to another due time.
    mutating func reschedule() {
        let pending = self.store.filter { !$0.value.isOver }.map(\.key).sorted()
        guard !pending.isEmpty else { return }
        let id = pending[self.random.below(pending.count)]
        guard !self.dispatch.remove([self.ready(id)], at: self.now).isEmpty else {
            // With a node, or due later already: it stays set apart.
            if self.scheduled.contains(id) { self.setApart(id) }
            return
        }
        self.scheduled.append(id)
        self.setApart(id)
    }

    private mutating func setApart(_ id: JobID) {
        let job = self.ready(id)
        self.dispatch.setApart(id, lane: job.lane, share: job.share, at: self.now)
    }
}
