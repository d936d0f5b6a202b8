extension DispatchCore {
    // MARK: Finding and making

    /// The share as far as it makes a difference: a key that nothing is limited by does not, nor services that the lane's
    /// jobs use anyway.
    func effective(_ share: LaneShare?, lane: Int) -> LaneShare? {
        guard let share else { return nil }
        let limits = self.queues[self.lanes[lane].queue].limits
        let isKeyed = !share.key.isEmpty && (share.isOrdered || limits.keyConcurrency != nil)
        guard let services = share.services else {
            if isKeyed { return share }
            return share.group.isEmpty ? nil : LaneShare(group: share.group)
        }
        let isUsual = services.value == self.lanes[lane].services?.value ?? []
        if !isKeyed, isUsual { return share.group.isEmpty ? nil : LaneShare(group: share.group) }
        return LaneShare(
            group: share.group, key: isKeyed ? share.key : "", isOrdered: isKeyed && share.isOrdered,
            services: isUsual ? nil : services)
    }

    /// The sub-lane that holds jobs of that share, if there is one.
    func subLane(_ lane: Int, _ share: LaneShare?) -> Int? {
        guard let share = self.effective(share, lane: lane) else { return self.lanes[lane].plain }
        return self.linePlaces[LineName(lane: lane, share: share)]
    }

    /// The sub-lane for jobs of that share, made if need be.
    mutating func makeSubLane(_ lane: Int, _ share: LaneShare?, at now: Instant) -> Int {
        guard let share = self.effective(share, lane: lane) else { return self.lanes[lane].plain }
        let queue = self.lanes[lane].queue
        let name = LineName(lane: lane, share: share)
        if let known = self.linePlaces[name] { return known }
        let flow = self.flow(of: share.group, in: queue)
        let key = share.key.isEmpty ? -1 : self.key(share.key, in: queue)
        let track = self.track(
            of: lane, isLimited: self.lanes[lane].isCapped || key >= 0,
            services: share.services ?? self.lanes[lane].services, at: now)
        let pot = self.pot(of: flow, in: track)
        let line = SubLane(lane: lane, share: share, track: track, pot: pot, key: key)
        let index = self.freeLines.popLast() ?? self.lines.count
        if index == self.lines.count { self.lines.append(line) } else { self.lines[index] = line }
        self.linePlaces[name] = index
        self.tracks[track].lines += 1
        self.pots[pot].lines += 1
        self.flows[flow].lines += 1
        if key >= 0 { self.keys[key].lines.append(index) }
        return index
    }

    /// A sub-lane of a share without jobs is no more.
    private mutating func recycleIfUnused(_ index: Int) {
        guard let share = self.lines[index].share, self.lines[index].line.isEmpty, !self.lines[index].line.isLoading,
            self.lines[index].held.isEmpty
        else { return }
        let line = self.lines[index]
        self.linePlaces[LineName(lane: line.lane, share: share)] = nil
        self.lines[index] = SubLane(lane: line.lane, share: nil, track: line.track, pot: line.pot, key: -1)
        self.freeLines.append(index)
        if line.key >= 0 {
            self.keys[line.key].lines.removeAll { $0 == index }
            self.dropIfUnused(key: line.key)
        }
        self.pots[line.pot].lines -= 1
        let flow = self.pots[line.pot].flow
        self.flows[flow].lines -= 1
        self.dropIfUnused(pot: line.pot)
        self.dropIfUnused(flow: flow)
        self.tracks[line.track].lines -= 1
        self.dropIfUnused(track: line.track)
    }

    // MARK: Places in the heaps

    /// Puts a sub-lane where it belongs, or takes it out; one that has become empty may be gone after it.
    mutating func refresh(_ index: Int, at now: Instant) {
        if self.lines[index].isWaiting == self.lines[index].line.isEmpty { self.toggleWaiting(index, at: now) }
        let isHeadOpen = !self.lines[index].isParked && !self.lines[index].line.isLoading
        let head = isHeadOpen ? self.lines[index].line.first : nil
        if head != self.lines[index].head {
            self.lines[index].head = head
            let pot = self.lines[index].pot
            if let head {
                self.potLines.update(index, in: pot, rank: head)
            } else {
                self.potLines.remove(index, from: pot)
            }
            self.refresh(pot: pot, at: now)
        }
        self.recycleIfUnused(index)
    }

    private mutating func toggleWaiting(_ index: Int, at now: Instant) {
        self.lines[index].isWaiting.toggle()
        let change = self.lines[index].isWaiting ? 1 : -1
        let track = self.lines[index].track
        let flow = self.pots[self.lines[index].pot].flow
        let queue = self.flows[flow].queue
        if self.tracks[track].waiting == 0 || self.tracks[track].waiting + change == 0 {
            self.tracks[track].waitingSince = now
        }
        self.tracks[track].waiting += change
        if self.flows[flow].waiting == 0 || self.flows[flow].waiting + change == 0 {
            self.queues[queue].flowsWaiting += change
        }
        self.flows[flow].waiting += change
        self.queues[queue].waiting += change
        if self.queues[queue].waiting == 0 { self.dropIdleFlows(of: queue) }
    }

    mutating func refresh(pot: Int, at now: Instant) {
        let head = self.potLines.first(in: pot)?.rank
        let track = self.pots[pot].track
        if head != self.pots[pot].head {
            self.pots[pot].head = head
            if let head {
                self.trackPots.update(pot, in: track, rank: head)
            } else {
                self.trackPots.remove(pot, from: track)
            }
        }
        let flow = self.pots[pot].flow
        if self.queues[self.flows[flow].queue].isGrouped {
            if let head {
                self.trackFlows.update(pot, in: track, rank: FlowRank(start: self.flows[flow].start, head: head))
            } else {
                self.trackFlows.remove(pot, from: track)
            }
        }
        self.refresh(track: track, at: now)
    }

    /// Puts a track where it belongs in the heaps of its classes, or takes it out.
    mutating func refresh(track: Int, at now: Instant) {
        let lane = self.tracks[track].lane
        let rank = self.rank(ofTrack: track, at: now)
        if rank != self.tracks[track].rank {
            self.tracks[track].rank = rank
            self.updateRank(ofTrack: track)
        }
        guard self.queues[self.lanes[lane].queue].isGrouped else { return }
        let choice = rank.map { ChoiceRank(urgency: $0.urgency, flow: self.trackFlows.first(in: track)!.rank) }
        if choice != self.tracks[track].choice {
            self.tracks[track].choice = choice
            self.updateChoice(ofTrack: track)
        }
    }

    private func rank(ofTrack track: Int, at now: Instant) -> LaneRank? {
        let lane = self.tracks[track].lane
        guard self.tracks[track].parking == nil, !self.lanes[lane].classes.isEmpty,
            let head = self.trackPots.first(in: track)?.rank
        else { return nil }
        let waited = now - self.tracks[track].waitingSince
        let risen = waited < Self.ageingInterval ? 0 : Int(waited / Self.ageingInterval)
        return LaneRank(urgency: Int(self.lanes[lane].key.priority.rawValue) + risen, head: head)
    }

    /// Lets passed-over lanes rise; to be called every few seconds.
    package mutating func age(at now: Instant) {
        for track in self.tracks.indices where self.tracks[track].rank != nil { self.refresh(track: track, at: now) }
    }

    /// What is to be served next in a class, before it is asked whether something holds it.
    func nextTrack(of index: Int) -> Int? {
        var first = Self.earlier(self.classes[index].open.first, self.classes[index].limited.first)
        if let pool = self.classes[index].openPools.first {
            let ofPool = self.classes[index].pools.first(in: pool.id)
            first = Self.earlier(first.map { ($0, self.tracks[$0].rank!) }, ofPool)
        }
        guard let first else { return nil }
        let queue = self.lanes[self.tracks[first].lane].queue
        guard self.queues[queue].isGrouped else { return first }
        let choice = Self.earlier(
            self.classes[index].choices.first(in: 2 * queue), self.classes[index].choices.first(in: 2 * queue + 1))
        guard !self.queues[queue].poolHeaps.isEmpty else { return choice }
        return self.earlier(choice, amongPoolsOf: queue, in: index)
    }

    static func earlier<Rank: Comparable>(_ a: (id: Int, rank: Rank)?, _ b: (id: Int, rank: Rank)?) -> Int? {
        guard let a else { return b?.id }
        guard let b else { return a.id }
        return b.rank < a.rank ? b.id : a.id
    }

    func nextLine(of track: Int) -> Int {
        let isGrouped = self.queues[self.lanes[self.tracks[track].lane].queue].isGrouped
        let pot = isGrouped ? self.trackFlows.first(in: track)!.id : self.trackPots.first(in: track)!.id
        return self.potLines.first(in: pot)!.id
    }
}
