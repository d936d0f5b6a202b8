extension DispatchCore {
    /// Gives runnable jobs to nodes with room until one or the other is used up.
    package mutating func assign(at now: Instant, into actions: inout [Action]) {
        var assigned: [(key: NodeKey, jobs: [QueuedJob])] = []
        self.assignSuspects(at: now, into: &assigned)
        for index in self.classes.indices {
            self.assign(class: index, at: now, into: &assigned, actions: &actions)
        }
        for (key, jobs) in assigned { actions.append(.assign(key, jobs)) }
    }

    private mutating func assign(
        class index: Int, at now: Instant, into assigned: inout [(key: NodeKey, jobs: [QueuedJob])],
        actions: inout [Action]
    ) {
        while let entry = self.classes[index].heap.first, let freest = self.freestNode(of: index) {
            let lane = Int(entry.lane.rawValue)
            let node = freest.index
            let turn = self.turn(room: freest.room, waiting: self.lanes[lane].line.count, nodes: freest.nodesWithRoom)
            let place = Self.place(of: self.nodes[node].key, in: &assigned)
            let before = assigned[place].jobs.count
            let head = self.lanes[lane].line.take(max: turn, into: &assigned[place].jobs)
            self.nodes[node].assignedTotal += UInt64(assigned[place].jobs.count - before)
            if assigned[place].jobs.isEmpty { assigned.removeLast() }
            if case .needsBodies(let ids) = head {
                self.lanes[lane].isLoading = true
                actions.append(.load(entry.lane, ids))
            }
            self.lanes[lane].waitingSince = now
            self.refresh(lane, at: now)
        }
    }

    /// An equal share of what waits for each node with room, within the turn's bound.
    private func turn(room: Int, waiting: Int, nodes: Int) -> Int {
        min(room, Self.turnMax, max(1, (waiting + nodes - 1) / nodes))
    }

    private static func place(of key: NodeKey, in assigned: inout [(key: NodeKey, jobs: [QueuedJob])]) -> Int {
        if let known = assigned.firstIndex(where: { $0.key == key }) { return known }
        assigned.append((key, []))
        return assigned.count - 1
    }

    private func freestNode(of classIndex: Int) -> (index: Int, room: Int, nodesWithRoom: Int)? {
        var best: (index: Int, room: Int)?
        var nodesWithRoom = 0
        for key in self.classes[classIndex].nodes {
            guard let index = self.nodeIndex(key) else { continue }
            let room = self.nodes[index].room
            if room > 0 { nodesWithRoom += 1 }
            if room > best?.room ?? 0 { best = (index, room) }
        }
        return best.map { ($0.index, $0.room, nodesWithRoom) }
    }

    // MARK: Jobs that run alone

    private mutating func assignSuspects(at now: Instant, into assigned: inout [(key: NodeKey, jobs: [QueuedJob])]) {
        self.freeIdleNodes()
        var waiting = Deque<QueuedJob>()
        while let job = self.suspects.popFirst() {
            guard let index = self.nodeForSuspect(job) else {
                waiting.append(job)
                continue
            }
            self.nodes[index].suspect = job.id
            // The node may still be busy; once it is idle, the job goes there.
            guard self.nodes[index].isIdle, self.nodes[index].creditTotal > self.nodes[index].assignedTotal else {
                waiting.append(job)
                continue
            }
            self.nodes[index].assignedTotal += 1
            assigned.append((self.nodes[index].key, [job]))
        }
        self.suspects = waiting
    }

    /// A node whose suspect has been settled serves everybody again.
    private mutating func freeIdleNodes() {
        var waitingFor: Set<JobID> = []
        for index in 0..<self.suspects.count { waitingFor.insert(self.suspects[index].id) }
        for index in self.nodes.indices where self.nodes[index].isIdle {
            if let suspect = self.nodes[index].suspect, !waitingFor.contains(suspect) {
                self.nodes[index].suspect = nil
            }
        }
    }

    /// The node that is reserved for the job, or else the least busy one that can run it.
    private func nodeForSuspect(_ job: QueuedJob) -> Int? {
        if let reserved = self.nodes.firstIndex(where: { $0.suspect == job.id }) {
            return self.nodes[reserved].isPaused ? nil : reserved
        }
        let lane = self.lanes[Int(job.lane.rawValue)].key
        let able = self.nodes.indices.filter {
            self.nodes[$0].suspect == nil && !self.nodes[$0].isPaused && self.nodes[$0].service.serves(lane)
        }
        return able.min { self.busyness($0) < self.busyness($1) }
    }

    private func busyness(_ index: Int) -> UInt64 { self.nodes[index].assignedTotal - self.nodes[index].settledTotal }

    /// Whether the node runs this job and nothing else, by intent.
    package func runsAlone(_ id: JobID, on key: NodeKey) -> Bool {
        self.nodeIndex(key).map { self.nodes[$0].suspect == id } ?? false
    }

    // MARK: Places in the heaps

    /// Puts a lane where it belongs in the heaps of its classes, or takes it out.
    mutating func refresh(_ index: Int, at now: Instant) {
        let lane = LaneID(rawValue: UInt32(index))
        guard let head = self.lanes[index].line.first, !self.lanes[index].isLoading else {
            for serviceClass in self.lanes[index].classes { self.classes[serviceClass].heap.remove(lane) }
            return
        }
        if let first = self.lanes[index].classes.first, !self.classes[first].heap.contains(lane) {
            self.lanes[index].waitingSince = now
        }
        let entry = LaneHeap.Entry(urgency: self.urgency(index, at: now), head: head, lane: lane)
        for serviceClass in self.lanes[index].classes { self.classes[serviceClass].heap.update(entry) }
    }

    private func urgency(_ index: Int, at now: Instant) -> Int {
        let waited = (now - self.lanes[index].waitingSince).wholeMilliseconds
        return Int(self.lanes[index].key.priority.rawValue) + Int(waited / Self.ageingInterval.wholeMilliseconds)
    }

    /// Lets passed-over lanes rise; to be called every few seconds.
    package mutating func age(at now: Instant) {
        for index in self.lanes.indices where !self.lanes[index].line.isEmpty { self.refresh(index, at: now) }
    }

    // MARK: Seeing inside

    /// Ready jobs, those of held and suspect included, assigned ones not.
    package var readyCount: Int {
        self.lanes.reduce(self.suspects.count) { $0 + $1.line.count + $1.held.count }
    }

    package func isServed(_ lane: LaneID) -> Bool { !self.lanes[Int(lane.rawValue)].classes.isEmpty }

    package func checkInvariants() {
        for (index, lane) in self.lanes.enumerated() {
            lane.line.checkInvariants()
            let id = LaneID(rawValue: UInt32(index))
            let isRunnable = !lane.line.isEmpty && !lane.isLoading
            for serviceClass in lane.classes {
                precondition(self.classes[serviceClass].heap.contains(id) == isRunnable, "runnable lanes are in a heap")
            }
        }
        for node in self.nodes {
            precondition(node.settledTotal <= node.assignedTotal, "only assigned jobs are settled")
        }
        for serviceClass in self.classes {
            let hasRoom = serviceClass.nodes.contains { self.nodes[self.nodeIndex($0)!].room > 0 }
            precondition(
                serviceClass.heap.count == 0 || !serviceClass.nodes.isEmpty, "a class without nodes runs nothing")
            _ = hasRoom
        }
    }
}
