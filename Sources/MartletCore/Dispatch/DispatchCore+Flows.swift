/// Start-time fair queueing (Goyal, Vin and Cheng 1996) between the groups of a queue. Each has a virtual time at which
/// its next job starts; the one that is least ahead goes next, and its time then advances by jobs over weight. The
/// queue's time is that of the job taken last: who comes, or comes back, starts from there, with no credit saved.
extension DispatchCore {
    /// Virtual time for one job of weight 1.
    static let virtualStep: UInt64 = 1 << 20
    /// Jobs in a turn when several groups wait.
    package static let groupTurnMax = 8
    /// Groups without jobs whose debt a queue remembers.
    static let idleFlowsMax = 4096

    /// The group's flow, made if need be.
    mutating func flow(of group: String, in queue: Int) -> Int {
        if group.isEmpty { return self.queues[queue].baseFlow }
        let name = NameInQueue(queue: queue, name: group)
        if let known = self.flowPlaces[name] {
            self.idleFlows.remove(known, from: queue)
            return known
        }
        if !self.queues[queue].isGrouped { self.beginGroups(in: queue) }
        var flow = Flow(
            queue: queue, group: group, weight: UInt64(self.queues[queue].limits.weights[group] ?? 1))
        flow.start = self.queues[queue].time
        let index = self.freeFlows.popLast() ?? self.flows.count
        if index == self.flows.count { self.flows.append(flow) } else { self.flows[index] = flow }
        self.flowPlaces[name] = index
        return index
    }

    /// From the first group on, flows are chosen between.
    private mutating func beginGroups(in queue: Int) {
        self.queues[queue].isGrouped = true
        for lane in self.queues[queue].lanes {
            for track in self.lanes[lane].tracks {
                guard let head = self.pots[self.tracks[track].basePot].head else { continue }
                let start = self.flows[self.queues[queue].baseFlow].start
                self.trackFlows.update(
                    self.tracks[track].basePot, in: track, rank: FlowRank(start: start, head: head))
                guard let rank = self.tracks[track].rank else { continue }
                let choice = ChoiceRank(urgency: rank.urgency, flow: FlowRank(start: start, head: head))
                self.tracks[track].choice = choice
                self.updateChoice(ofTrack: track)
            }
        }
    }

    mutating func pot(of flow: Int, in track: Int) -> Int {
        if flow == self.queues[self.flows[flow].queue].baseFlow { return self.tracks[track].basePot }
        if let known = self.flows[flow].pots.first(where: { self.pots[$0].track == track }) { return known }
        return self.makePot(of: flow, in: track)
    }

    mutating func makePot(of flow: Int, in track: Int) -> Int {
        let pot = Pot(track: track, flow: flow)
        let index = self.freePots.popLast() ?? self.pots.count
        if index == self.pots.count { self.pots.append(pot) } else { self.pots[index] = pot }
        self.flows[flow].pots.append(index)
        return index
    }

    mutating func dropIfUnused(pot: Int) {
        let flow = self.pots[pot].flow
        guard self.pots[pot].lines == 0, flow != self.queues[self.flows[flow].queue].baseFlow else { return }
        self.flows[flow].pots.removeAll { $0 == pot }
        self.freePots.append(pot)
    }

    /// A flow without jobs is kept while it is ahead, so that its group cannot start anew at once.
    mutating func dropIfUnused(flow: Int) {
        let queue = self.flows[flow].queue
        guard self.flows[flow].lines == 0, flow != self.queues[queue].baseFlow else { return }
        guard self.queues[queue].waiting > 0, self.flows[flow].start > self.queues[queue].time else {
            return self.drop(flow: flow)
        }
        self.idleFlows.update(flow, in: queue, rank: self.flows[flow].start)
        if self.idleFlows.count(in: queue) > Self.idleFlowsMax, let first = self.idleFlows.first(in: queue) {
            self.drop(flow: first.id)
        }
    }

    /// Those that the queue's time has caught up with; all, if nobody waits.
    mutating func dropIdleFlows(of queue: Int) {
        while let first = self.idleFlows.first(in: queue),
            first.rank <= self.queues[queue].time || self.queues[queue].waiting == 0
        {
            self.drop(flow: first.id)
        }
    }

    private mutating func drop(flow: Int) {
        let queue = self.flows[flow].queue
        self.idleFlows.remove(flow, from: queue)
        self.flowPlaces[NameInQueue(queue: queue, name: self.flows[flow].group)] = nil
        self.flows[flow] = Flow(queue: queue, group: "", weight: 1)
        self.freeFlows.append(flow)
    }

    /// Charges a flow for jobs that were taken.
    mutating func advance(flow: Int, by jobs: Int, at now: Instant) {
        let queue = self.flows[flow].queue
        guard self.queues[queue].isGrouped else { return }
        let start = max(self.flows[flow].start, self.queues[queue].time)
        self.queues[queue].time = start
        self.flows[flow].start = start + UInt64(jobs) * Self.virtualStep / self.flows[flow].weight
        for pot in self.flows[flow].pots where self.pots[pot].head != nil { self.refresh(pot: pot, at: now) }
        self.dropIdleFlows(of: queue)
    }
}
