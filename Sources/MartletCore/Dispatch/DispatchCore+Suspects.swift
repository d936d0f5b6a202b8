extension DispatchCore {
    // MARK: Jobs that run alone

    /// How many suspects are looked at in one turn.
    private static let suspectsMax = 64

    mutating func assignSuspects(into batches: inout Batches) {
        guard !self.suspects.isEmpty || !self.reservations.isEmpty else { return }
        self.reviewReservations()
        for _ in 0..<min(self.suspects.count, Self.suspectsMax) {
            guard let job = self.suspects.popFirst() else { break }
            if self.mayRun(suspect: job), let node = self.nodeForSuspect(job) {
                self.reserve(node, for: job.id, job: job)
            } else {
                self.suspects.append(job)
            }
        }
        for index in self.reservations.indices {
            let node = self.reservations[index].node
            guard let job = self.reservations[index].job, self.nodes[node].isIdle, self.nodes[node].credit > 0,
                self.mayRun(suspect: job)
            else { continue }
            self.reservations[index].job = nil
            let lane = Int(job.lane.rawValue)
            self.activate(
                job.id, lane: lane, key: self.key(of: job), isOrdered: job.share?.isOrdered ?? false)
            self.nodes[node].assignedTotal += 1
            batches[self.batch(of: node, in: &batches)].jobs.append(job)
        }
    }

    /// A node whose suspect is over serves everybody again; one that is paused, or whose
    /// suspect may not run now, does not wait for it.
    private mutating func reviewReservations() {
        for reservation in self.reservations {
            let node = self.nodes[reservation.node]
            let isOver = reservation.job.map { node.isPaused || !self.mayRun(suspect: $0) } ?? node.isIdle
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
    private func mayRun(suspect job: QueuedJob) -> Bool {
        let lane = Int(job.lane.rawValue)
        let share = self.effective(job.share, in: self.lanes[lane].queue)
        let isKeyed = !(share?.key.isEmpty ?? true)
        let track = Lane.track(lane, isLimited: self.lanes[lane].isCapped || isKeyed)
        guard self.parking(of: track) == nil else { return false }
        guard isKeyed, let share,
            let key = self.keyPlaces[NameInQueue(queue: self.lanes[lane].queue, name: share.key)]
        else { return true }
        return self.keyBlocker(of: job.id, key: key, isOrdered: share.isOrdered, besides: nil) == nil
    }

    private mutating func key(of job: QueuedJob) -> Int {
        let queue = self.lanes[Int(job.lane.rawValue)].queue
        guard let share = self.effective(job.share, in: queue), !share.key.isEmpty else { return -1 }
        return self.key(share.key, in: queue)
    }
}
