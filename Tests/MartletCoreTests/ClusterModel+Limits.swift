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

    func services(_ id: JobID) -> [ServiceUse] {
        self.limits.services.isEmpty ? [] : self.share(id)?.services?.value ?? []
    }

    func isLimited(_ id: JobID) -> Bool {
        self.limits.isCapped(self.key(id)) || self.isKeyed(id) || !self.services(id).isEmpty
    }

    /// A job was let through by what it uses.
    mutating func grant(_ job: QueuedJob) {
        let uses = self.services(job.id)
        precondition(uses.isEmpty == (job.startBy == .distantFuture), "only what takes tokens must start in time")
        for use in uses {
            precondition(job.startBy == self.now + DispatchCore.startDelayMax, "it must start soon")
            self.grants.append((self.now, use))
        }
    }

    /// In any window no more is let through than burst and rate allow, for the service and for each key.
    func checkServices() {
        for (name, limits) in self.limits.services {
            let uses = self.grants.filter { $0.use.service == name }
            self.check(uses, limits.rates, limits.concurrency, name)
            guard let perKey = limits.perKey else { continue }
            for key in Set(uses.compactMap(\.use.key)) {
                self.check(uses.filter { $0.use.key == key }, perKey.rates, perKey.concurrency, "\(name)/\(key)")
            }
        }
    }

    private func check(
        _ grants: [(time: Instant, use: ServiceUse)], _ rates: [RateLimit], _ concurrency: Int?, _ name: String
    ) {
        for rate in rates {
            for first in grants.indices {
                var tokens = 0
                for last in first..<grants.count {
                    tokens += grants[last].use.weight
                    let elapsed = (grants[last].time - grants[first].time) / rate.period
                    precondition(
                        Double(tokens) <= Double(rate.burst) + Double(rate.tokens) * elapsed + 1e-6,
                        "\(name) let \(tokens) through in \(elapsed) periods")
                }
            }
        }
    }

    /// As many jobs run at once as may.
    private func checkPlaces() {
        for (name, limits) in self.limits.services {
            let uses = self.assigned.flatMap { self.services($0) }.filter { $0.service == name }
            precondition(uses.count <= limits.concurrency ?? .max, "\(uses.count) jobs use \(name) at once")
            for key in Set(uses.compactMap(\.key)) {
                let count = uses.count { $0.key == key }
                precondition(count <= limits.perKey?.concurrency ?? .max, "\(count) jobs use \(name)/\(key) at once")
            }
        }
    }

    /// What counts is never fetched ahead: a node gets it while it has a slot for it.
    func checkSlots(of key: NodeKey, _ jobs: [QueuedJob]) {
        guard let last = jobs.lastIndex(where: { self.isLimited($0.id) }) else { return }
        let worker = self.workers[key]!
        precondition(worker.core.heldCount + last + 1 <= worker.slots, "a counted job went where no slot is free")
    }

    /// To be called after each turn, with what was with nodes before it.
    func checkLimits(before: Set<JobID>) {
        self.checkPlaces()
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
                guard self.dispatch.blocker(of: id, share: Self.shares[share], at: self.now) == .none,
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

    /// Somebody pauses a service, or changes it and back; or it says that it is unavailable.
    mutating func disturbServices() {
        let names = self.limits.services.keys.sorted()
        let name = names[self.random.below(names.count)]
        switch self.random.below(3) {
        case 0: self.dispatch.pause(service: name, at: self.now)
        case 1: self.dispatch.resume(service: name, at: self.now)
        default:
            self.dispatch.setLimits(nil, of: name, at: self.now)
            self.dispatch.setLimits(self.limits.services[name]!, of: name, at: self.now)
        }
    }

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
