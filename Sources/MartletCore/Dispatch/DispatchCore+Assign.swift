extension DispatchCore {
    /// What one call of ``assign(at:into:)`` has given out so far.
    private typealias Batches = [(node: Int, jobs: [QueuedJob])]

    /// Gives runnable jobs to nodes with room until one or the other is used up.
    package mutating func assign(at now: Instant, into actions: inout [Action]) {
        var batches: Batches = []
        self.assignSuspects(into: &batches)
        // Classes take turns, so that nodes of different kinds share the lanes that both serve.
        var active = self.classes.indices.filter { !self.classes[$0].lanes.isEmpty && !self.classes[$0].nodes.isEmpty }
        while !active.isEmpty {
            active.removeAll { !self.assignStep(class: $0, at: now, into: &batches, actions: &actions) }
        }
        for (node, jobs) in batches {
            self.nodes[node].batch = -1
            actions.append(.assign(self.nodes[node].key, jobs))
        }
    }

    /// Gives jobs of the most urgent lane to the node with the most room. Returns whether there may be more to do.
    private mutating func assignStep(
        class index: Int, at now: Instant, into batches: inout Batches, actions: inout [Action]
    ) -> Bool {
        guard let lane = self.classes[index].lanes.first?.id, let node = self.classes[index].nodes.first?.id else {
            return false
        }
        guard self.lanes[lane].line.isNextLoaded else { return self.askForBodies(lane, at: now, into: &actions) }
        let batch = self.batch(of: node, in: &batches)
        let before = batches[batch].jobs.count
        _ = self.lanes[lane].line.take(max: self.share(of: lane, to: node), into: &batches[batch].jobs)
        self.nodes[node].assignedTotal += UInt64(batches[batch].jobs.count - before)
        self.refreshNode(node)
        self.lanes[lane].waitingSince = now
        // Read ahead: the next bodies come while these jobs run.
        if !self.lanes[lane].line.isEmpty, !self.lanes[lane].line.isNextLoaded {
            _ = self.askForBodies(lane, at: now, into: &actions)
        }
        self.refresh(lane, at: now)
        return true
    }

    /// Has the lane's next bodies read. Returns false if too many lanes wait for theirs: what is more urgent than
    /// the rest shall not be overtaken for the moment that takes.
    private mutating func askForBodies(_ lane: Int, at now: Instant, into actions: inout [Action]) -> Bool {
        guard self.loadingCount < Self.loadsMax else { return false }
        var none: [QueuedJob] = []
        guard case .needsBodies(let ids) = self.lanes[lane].line.take(max: 1, into: &none) else {
            preconditionFailure("the next job has no body")
        }
        self.loadingCount += 1
        actions.append(.load(LaneID(rawValue: UInt32(lane)), ids))
        self.refresh(lane, at: now)
        return true
    }

    /// An equal share of what waits for each node with room, within the turn's bound.
    private func share(of lane: Int, to node: Int) -> Int {
        let nodes = self.lanes[lane].classes.reduce(0) { $0 + self.classes[$1].nodes.count }
        let waiting = self.lanes[lane].line.count
        return min(self.nodes[node].room, Self.turnMax, (waiting + nodes - 1) / nodes)
    }

    private mutating func batch(of node: Int, in batches: inout Batches) -> Int {
        if self.nodes[node].batch < 0 {
            self.nodes[node].batch = batches.count
            batches.append((node, []))
        }
        return self.nodes[node].batch
    }

    // MARK: Jobs that run alone

    /// How many suspects are looked at in one turn.
    private static let suspectsMax = 64

    private mutating func assignSuspects(into batches: inout Batches) {
        guard !self.suspects.isEmpty || !self.reservations.isEmpty else { return }
        self.reviewReservations()
        for _ in 0..<min(self.suspects.count, Self.suspectsMax) {
            guard let job = self.suspects.popFirst() else { break }
            if let node = self.nodeForSuspect(job) {
                self.reserve(node, for: job.id, job: job)
            } else {
                self.suspects.append(job)
            }
        }
        for index in self.reservations.indices {
            let node = self.reservations[index].node
            guard let job = self.reservations[index].job, self.nodes[node].isIdle, self.nodes[node].credit > 0 else {
                continue
            }
            self.reservations[index].job = nil
            self.nodes[node].assignedTotal += 1
            batches[self.batch(of: node, in: &batches)].jobs.append(job)
        }
    }

    /// A node whose suspect is over serves everybody again; one that is paused does not keep its suspect waiting.
    private mutating func reviewReservations() {
        for reservation in self.reservations {
            let node = self.nodes[reservation.node]
            if reservation.job == nil ? node.isIdle : node.isPaused { self.endReservation(of: reservation.node) }
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

    // MARK: Seeing inside

    /// Ready jobs, those held and suspect included, assigned and claimed ones not.
    package var readyCount: Int {
        let alone = self.suspects.count + self.reservations.count { $0.job != nil }
        return self.lanes.reduce(alone) { $0 + $1.line.count + $1.held.count } - self.claimedCount
    }

    package func isServed(_ lane: LaneID) -> Bool { !self.lanes[Int(lane.rawValue)].classes.isEmpty }

    /// The job that the node is set apart for, if there is one.
    package func suspect(of key: NodeKey) -> JobID? {
        self.reservations.first { self.nodes[$0.node].key == key }?.id
    }

    package func checkInvariants() {
        for (index, lane) in self.lanes.enumerated() {
            lane.line.checkInvariants()
            lane.held.checkInvariants()
            let isRunnable = !lane.line.isEmpty && !lane.line.isLoading && !lane.classes.isEmpty
            precondition((lane.rank != nil) == isRunnable, "what can run has a rank")
            precondition(lane.rank.map { $0.head == lane.line.first } ?? true, "the rank knows the head")
            for place in lane.classes {
                precondition(self.classes[place].lanes.rank(of: index) == lane.rank, "runnable lanes are in each heap")
            }
        }
        precondition(self.loadingCount == self.lanes.count { $0.line.isLoading }, "loads are counted")
        precondition(self.loadingCount <= Self.loadsMax, "loads are bounded")
        self.checkNodes()
    }

    private func checkNodes() {
        for (place, serviceClass) in self.classes.enumerated() {
            serviceClass.lanes.checkInvariants()
            serviceClass.nodes.checkInvariants()
            precondition(!serviceClass.members.isEmpty || serviceClass.lanes.isEmpty, "without nodes nothing runs")
            var reserved = 0
            for index in serviceClass.members {
                let node = self.nodes[index]
                precondition(!node.isGone && node.serviceClass == place && node.batch < 0, "members are here")
                precondition(node.settledTotal <= node.assignedTotal, "only assigned jobs are settled")
                precondition(serviceClass.nodes.contains(index) == (node.room > 0), "nodes with room are in the heap")
                precondition(
                    node.room == 0 || serviceClass.nodes.rank(of: index) == NodeRank(node), "the heap knows the room")
                precondition(
                    node.isReserved == self.reservations.contains { $0.node == index }, "a reservation has one node")
                if node.isReserved { reserved += 1 }
            }
            precondition(serviceClass.reservedCount == reserved, "reservations are counted")
        }
    }
}
