extension DispatchCore {
    // MARK: Jobs that run alone

    /// How many suspects are looked at in one turn.
    private static let suspectsMax = 64

    mutating func assignSuspects(at now: Instant, into batches: inout Batches) {
        self.suspectsWakeAt = nil
        guard !self.suspects.isEmpty || !self.reservations.isEmpty else { return }
        self.reviewReservations(at: now)
        for _ in 0..<min(self.suspects.count, Self.suspectsMax) {
            guard let job = self.suspects.popFirst() else { break }
            if self.mayRun(suspect: job, at: now), let node = self.nodeForSuspect(job) {
                self.reserve(node, for: job.id, job: job)
            } else {
                self.suspects.append(job)
            }
        }
        for index in self.reservations.indices {
            let node = self.reservations[index].node
            guard var job = self.reservations[index].job, self.nodes[node].isIdle, self.nodes[node].credit > 0,
                self.mayRun(suspect: job, at: now)
            else { continue }
            self.reservations[index].job = nil
            let lane = Int(job.lane.rawValue)
            let uses = self.uses(of: self.effective(job.share, lane: lane), lane: lane)
            if !uses.isEmpty {
                self.take(uses, at: now)
                job.startBy = now + Self.startDelayMax
            }
            self.activate(
                job.id, lane: lane, key: self.key(of: job), isOrdered: job.share?.isOrdered ?? false, uses: uses,
                at: now)
            self.nodes[node].assignedTotal += 1
            batches[self.batch(of: node, in: &batches)].jobs.append(job)
        }
    }

    /// A node whose suspect is over serves everybody again; one that is paused, or whose
    /// suspect may not run now, does not wait for it.
    private mutating func reviewReservations(at now: Instant) {
        for reservation in self.reservations {
            let node = self.nodes[reservation.node]
            let isOver = reservation.job.map { node.isPaused || !self.mayRun(suspect: $0, at: now) } ?? node.isIdle
            if isOver { self.endReservation(of: reservation.node) }
        }
    }

    /// The least busy node that can run it, as long as its class keeps most of its nodes for others.
    private func nodeForSuspect(_ job: QueuedJob) -> Int? {
        var best: Int?
        for place in self.lanes[Int(job.lane.rawValue)].classes {
            let members = self.classes[place].members
            guard self.classes[place].reservedCount < max(1, members.count / 4) else { continue }
            for node in members where !self.nodes[node].isReserved && !self.nodes[node].isPaused {
                if best.map({ self.nodes[node].held < self.nodes[$0].held }) ?? true { best = node }
            }
        }
        return best
    }

    /// - Parameter job: nil if the node has it already.
    mutating func reserve(_ node: Int, for id: JobID, job: QueuedJob?) {
        self.nodes[node].isReserved = true
        self.classes[self.nodes[node].serviceClass].reservedCount += 1
        self.reservations.append(Reservation(node: node, id: id, job: job))
        self.refreshNode(node)
    }

    /// The node serves everybody again; a suspect that has not gone to it looks for another one.
    mutating func endReservation(of node: Int) {
        guard let index = self.reservations.firstIndex(where: { $0.node == node }) else { return }
        if let job = self.reservations.remove(at: index).job { self.suspects.prepend(job) }
        self.nodes[node].isReserved = false
        self.classes[self.nodes[node].serviceClass].reservedCount -= 1
        self.refreshNode(node)
    }

    /// Whether no limit holds it now.
    private mutating func mayRun(suspect job: QueuedJob, at now: Instant) -> Bool {
        let lane = Int(job.lane.rawValue)
        let share = self.effective(job.share, lane: lane)
        let isKeyed = !(share?.key.isEmpty ?? true)
        let uses = self.uses(of: share, lane: lane)
        let isLimited = self.lanes[lane].isCapped || isKeyed || !uses.isEmpty
        // All that a limited track waits for but for services.
        guard self.parking(of: self.lanes[lane].tracks[isLimited ? 1 : 0]) == nil else { return false }
        if let held = self.blocker(of: uses, at: now) {
            if let until = held.blocker?.until { self.suspectsWakeAt = min(self.suspectsWakeAt ?? until, until) }
            return false
        }
        guard isKeyed, let share,
            let key = self.keyPlaces[NameInQueue(queue: self.lanes[lane].queue, name: share.key)]
        else { return true }
        return self.keyBlocker(of: job.id, key: key, isOrdered: share.isOrdered, besides: nil) == nil
    }

    private mutating func key(of job: QueuedJob) -> Int {
        let lane = Int(job.lane.rawValue)
        guard let share = self.effective(job.share, lane: lane), !share.key.isEmpty else { return -1 }
        return self.key(share.key, in: self.lanes[lane].queue)
    }
}
