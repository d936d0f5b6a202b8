import MartletCore
import MartletVirtualTime

extension ClusterModel {
    // MARK: Carrying out

    mutating func exchange() -> NodeQueueCore.ExchangeID {
        defer { self.nextExchange += 1 }
        return NodeQueueCore.ExchangeID(rawValue: self.nextExchange)
    }

    func job(_ id: JobID) -> QueuedJob {
        let stored = self.store[id]!
        let traits = self.traits[stored.lane][stored.share]
        return QueuedJob(id: id, body: JobBody(traits: traits, payload: .empty, history: stored.history))
    }

    mutating func tell(_ key: NodeKey) {
        guard let core = self.workers[key]?.core else { return }
        self.dispatch.nodeChanged(key, core.standing, at: self.now)
    }

    mutating func giveBack(_ jobs: [QueuedJob]) {
        for job in jobs { precondition(self.assigned.remove(job.id) != nil, "only assigned jobs come back") }
        self.dispatch.giveBack(jobs, at: self.now)
    }

    mutating func finish(_ id: JobID) {
        precondition(self.assigned.remove(id) != nil && !self.store[id]!.isOver, "one end each")
        self.dispatch.settled(id, at: self.now)
        self.over(id)
        self.store[id]!.accepted += 1
    }

    /// It has ended, and that is durable.
    mutating func over(_ id: JobID) {
        self.store[id]!.isOver = true
        let job = self.ready(id)
        self.dispatch.ended(id, lane: job.lane, share: job.share, at: self.now)
    }

    func ready(_ id: JobID) -> ReadyJob {
        let stored = self.store[id]!
        return ReadyJob(id: id, lane: LaneID(rawValue: UInt32(stored.lane)), share: Self.shares[stored.share])
    }

    mutating func settle(_ failed: [FailedAttempt]) {
        for attempt in failed {
            self.store[attempt.job.id]!.history = attempt.history
            switch attempt.next {
            case .again:
                var job = attempt.job
                job.body.history = attempt.history
                self.giveBack([job])
            case .retry:
                precondition(self.assigned.remove(attempt.job.id) != nil, "only assigned jobs fail")
                self.scheduled.append(attempt.job.id)
                let job = self.ready(attempt.job.id)
                self.dispatch.setApart(job.id, lane: job.lane, share: job.share, at: self.now)
            case .dead:
                if attempt.failure.kind == "quarantined" { self.quarantined.append(attempt.job.id) }
                self.finish(attempt.job.id)
            }
        }
    }

    mutating func perform(_ actions: [NodeQueueCore.Action], of key: NodeKey) {
        for action in actions {
            switch action {
            case .deliver(_, let number, let run): self.receive(number, run.leases, at: key)
            case .order(_, let number, _, _, let ask):
                guard !self.random.once(in: 4) else { continue }
                self.workers[key]!.lastOrder = number
                if let ask { self.workers[key]!.ask = ask }
            case .askEnded(let number, let gaveBack):
                self.dispatch.askEnded(key, number: number, gaveBack: gaveBack, at: self.now)
                self.gaveBackTotal += gaveBack
            case .supersedeFetch, .supersedeControl: break
            case .giveBack(let jobs): self.giveBack(jobs)
            case .fail(let failed):
                for attempt in failed { self.dispatch.settled(attempt.job.id, at: self.now) }
                if failed.contains(where: { $0.next == .dead && $0.failure.kind == "quarantined" }) {
                    precondition(failed.count == 1, "only a death alone is final")
                }
                self.settle(failed)
            case .died:
                self.dispatch.nodeLeft(key, at: self.now)
                self.workers[key] = nil
            }
        }
    }

    /// A delivery arrives, or is lost; one that arrived before is ignored.
    private mutating func receive(_ number: UInt64, _ leases: [(sequence: UInt64, job: QueuedJob)], at key: NodeKey) {
        var worker = self.workers[key]!
        precondition(number == worker.received || number == worker.received + 1, "deliveries are numbered")
        guard !self.random.once(in: 6), number > worker.received else { return }
        worker.received = number
        worker.receivedJobs += leases.count
        for lease in leases {
            worker.held.append((lease.job.id, LeaseToken(epoch: Self.epoch, sequence: lease.sequence)))
        }
        precondition(worker.receivedJobs <= worker.credit, "a node is never sent more than its credit")
        self.workers[key] = worker
    }

    // MARK: Checking

    func checkInvariants() {
        self.dispatch.checkInvariants()
        var held = 0
        for key in self.workers.keys.sorted() {
            let core = self.workers[key]!.core
            core.checkInvariants()
            held += core.heldCount
            for job in core.leases.map(\.job) + core.unsentJobs {
                precondition(self.assigned.contains(job.id), "what a node holds was assigned to it")
            }
            if let suspect = core.suspect {
                precondition(core.heldCount == 1, "suspect \(suspect) is alone on its node")
            }
        }
        precondition(held == self.assigned.count, "each assigned job is with one node")
        let pending = self.store.values.count { !$0.isOver }
        precondition(
            pending == self.dispatch.readyCount + held + self.scheduled.count,
            "each job is in a line, with a node, or due later")
        precondition(self.store.values.allSatisfy { $0.accepted <= 1 }, "one accepted end each")
    }
}
