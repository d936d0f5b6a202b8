extension DispatchCore {
    /// What one call of ``assign(at:into:)`` has given out so far.
    typealias Batches = [(node: Int, jobs: [QueuedJob])]

    /// Gives runnable jobs to nodes with room until one or the other is used up.
    package mutating func assign(at now: Instant, into actions: inout [Action]) {
        var batches: Batches = []
        self.wakeServices(at: now)
        self.assignSuspects(at: now, into: &batches)
        // Classes take turns, so that nodes of different kinds share the lanes that both serve.
        var active = self.classes.indices.filter { self.classes[$0].hasWork && !self.classes[$0].nodes.isEmpty }
        while !active.isEmpty {
            active.removeAll { !self.assignStep(class: $0, at: now, into: &batches, actions: &actions) }
        }
        for (node, jobs) in batches {
            self.nodes[node].batch = -1
            actions.append(.assign(self.nodes[node].key, jobs))
        }
        if !self.steals.laden.isEmpty { self.lookForSteals(at: now, into: &actions) }
    }

    /// Gives jobs of the most urgent lane to the node with the most room. Returns whether there may be more to do.
    private mutating func assignStep(
        class index: Int, at now: Instant, into batches: inout Batches, actions: inout [Action]
    ) -> Bool {
        guard let node = self.classes[index].nodes.first?.id, let track = self.nextTrack(of: index) else {
            return false
        }
        // Another class may have jobs that are before these at the services.
        if self.tracks[track].demand != nil, let (track, node) = self.moreUrgent(than: track, of: index) {
            return self.assignStep(track, to: node, at: now, into: &batches, actions: &actions)
        }
        return self.assignStep(track, to: node, at: now, into: &batches, actions: &actions)
    }

    private mutating func assignStep(
        _ track: Int, to node: Int, at now: Instant, into batches: inout Batches, actions: inout [Action]
    ) -> Bool {
        if let parking = self.parking(of: track) {
            self.park(track, on: parking, at: now)
            return true
        }
        let line = self.nextLine(of: track)
        // Of a key it must be known what nodes hold, whatever else its jobs take.
        if self.lines[line].key >= 0, self.isRecovering || self.keyBlocker(of: line) != nil {
            self.lines[line].isParked = true
            self.refresh(line, at: now)
            return true
        }
        let demand = self.tracks[track].demand
        if let demand, self.isHeldUp(track, by: demand, at: now) { return true }
        guard self.lines[line].line.isNextLoaded else { return self.askForBodies(line, at: now, into: &actions) }
        var most = self.share(of: line, in: track, to: node)
        // What is counted waits for a free slot, and nothing is fetched ahead of it.
        guard most > 0 else { return false }
        if let demand { most = self.take(demand.uses, atMost: self.lines[line].line.takeable(max: most), at: now) }
        let batch = self.batch(of: node, in: &batches)
        let before = batches[batch].jobs.count
        let wait = self.lines[line].arrivals.age(waiting: self.lines[line].line.count, at: now)
        _ = self.lines[line].line.take(max: most, into: &batches[batch].jobs)
        self.queues[self.lanes[self.lines[line].lane].queue].waits.record(
            wait, count: UInt64(batches[batch].jobs.count - before))
        if demand != nil {
            let startBy = now + Self.startDelayMax
            for place in before..<batches[batch].jobs.count { batches[batch].jobs[place].startBy = startBy }
        }
        self.nodes[node].assignedTotal += UInt64(batches[batch].jobs.count - before)
        self.refreshNode(node)
        self.took(batches[batch].jobs[before...], from: line, at: now)
        self.readAhead(line, at: now, into: &actions)
        self.refresh(line, at: now)
        return true
    }

    /// Charges those whom the jobs count for.
    private mutating func took(_ jobs: ArraySlice<QueuedJob>, from line: Int, at now: Instant) {
        self.tracks[self.lines[line].track].waitingSince = now
        let track = self.lines[line].track
        if self.tracks[track].isLimited {
            let (lane, key) = (self.lines[line].lane, self.lines[line].key)
            let uses = self.tracks[track].demand?.uses ?? []
            for job in jobs {
                self.activate(
                    job.id, lane: lane, key: key, isOrdered: self.lines[line].isOrdered, uses: uses,
                    at: now)
            }
        }
        self.advance(flow: self.pots[self.lines[line].pot].flow, by: jobs.count, at: now)
    }

    /// The next bodies come while these jobs run.
    private mutating func readAhead(_ line: Int, at now: Instant, into actions: inout [Action]) {
        guard !self.lines[line].line.isEmpty, !self.lines[line].line.isNextLoaded else { return }
        _ = self.askForBodies(line, at: now, into: &actions)
    }

    /// Has the lane's next bodies read. Returns false if too many lanes wait for theirs: what is more urgent than
    /// the rest shall not be overtaken for the moment that takes.
    private mutating func askForBodies(_ line: Int, at now: Instant, into actions: inout [Action]) -> Bool {
        guard self.loadingCount < Self.loadsMax else { return false }
        var none: [QueuedJob] = []
        guard case .needsBodies(let ids) = self.lines[line].line.take(max: 1, into: &none) else {
            preconditionFailure("the next job has no body")
        }
        self.loadingCount += 1
        let lane = LaneID(rawValue: UInt32(self.lines[line].lane))
        actions.append(.load(LineID(rawValue: UInt32(line), lane: lane), ids))
        self.refresh(line, at: now)
        return true
    }

    /// An equal share of what waits for each node with room, within the turn's bound and what the limits let go.
    private func share(of line: Int, in track: Int, to node: Int) -> Int {
        let lane = self.tracks[track].lane
        let nodes = self.lanes[lane].classes.reduce(0) { $0 + self.classes[$1].nodes.count }
        let waiting = self.lines[line].line.count
        let turn = self.queues[self.lanes[lane].queue].flowsWaiting > 1 ? Self.groupTurnMax : Self.turnMax
        let most = min(self.nodes[node].room, turn, (waiting + nodes - 1) / nodes)
        guard self.tracks[track].isLimited else { return most }
        let free = self.nodes[node].freeSlots
        // What a service lets through at once is spread over the nodes, as far as one has few slots.
        let atOnce =
            self.tracks[track].demand == nil ? most : min(most, max(1, min(Self.serviceTurnMax, free / (2 * nodes))))
        return min(atOnce, free, self.places(for: line))
    }

    mutating func batch(of node: Int, in batches: inout Batches) -> Int {
        if self.nodes[node].batch < 0 {
            self.nodes[node].batch = batches.count
            batches.append((node, []))
        }
        return self.nodes[node].batch
    }
}
