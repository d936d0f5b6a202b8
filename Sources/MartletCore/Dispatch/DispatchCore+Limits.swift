/// What holds lanes up: pauses and caps hold tracks, keys hold sub-lanes. What is held is found out when its turn comes;
/// it then leaves the heaps for the wait list of what holds it, and is looked at again only when that lets go.
extension DispatchCore {
    /// What a pause is for.
    package enum Pause: Hashable, Sendable {
        case queue(String)
        case type(String)
    }

    /// What keeps the jobs of a sub-lane from running.
    package enum Blocker: Hashable, Sendable {
        case none, nobodyServesIt, queuePaused, typePaused, queueCap, typeCap, keyCap, keyOrder, recovery, loading
        /// It took nodes down with it, and waits for one of its own.
        case alone
        /// A service holds it up; without a blocker it is a service that is not configured.
        case service(String, ServiceBlocker?)
    }

    // MARK: Pauses

    /// Nothing more is assigned; what nodes have goes on.
    package mutating func pause(_ pause: Pause) {
        switch pause {
        case .queue(let name): self.queues[self.queue(name)].isPaused = true
        case .type(let name): self.types[self.type(name)].isPaused = true
        }
    }

    package mutating func resume(_ pause: Pause, at now: Instant) {
        switch pause {
        case .queue(let name):
            let queue = self.queue(name)
            guard self.queues[queue].isPaused else { return }
            self.queues[queue].isPaused = false
            for track in self.queues[queue].parked { self.tracks[track].waitingSince = now }
            self.release(queue: queue, at: now)
        case .type(let name):
            let type = self.type(name)
            guard self.types[type].isPaused else { return }
            self.types[type].isPaused = false
            for track in self.types[type].parked { self.tracks[track].waitingSince = now }
            self.release(type: type, at: now)
        }
    }

    // MARK: Wait lists of tracks

    /// Whose wait list the track must go on, if any.
    func parking(of track: Int) -> Parking? {
        let lane = self.tracks[track].lane
        let queue = self.lanes[lane].queue
        let type = self.lanes[lane].type
        if self.queues[queue].isPaused { return .queue }
        if self.types[type].isPaused { return .type }
        guard self.tracks[track].isLimited else { return nil }
        if self.isRecovering, self.mustKnowWhatNodesHold(track) { return .recovery }
        if !self.queues[queue].isOpen { return .queue }
        return self.types[type].isOpen ? nil : .type
    }

    /// Whether jobs of a limited track depend on how many others run: those that only take tokens do not.
    private func mustKnowWhatNodesHold(_ track: Int) -> Bool {
        guard let demand = self.tracks[track].demand, !self.lanes[self.tracks[track].lane].isCapped else { return true }
        return demand.uses.contains { self.services[$0.service].countsJobs }
    }

    mutating func park(_ track: Int, on parking: Parking, at now: Instant) {
        self.tracks[track].parking = parking
        let lane = self.tracks[track].lane
        switch parking {
        case .queue: self.queues[self.lanes[lane].queue].parked.append(track)
        case .type: self.types[self.lanes[lane].type].parked.append(track)
        case .recovery: self.parkedForRecovery.append(track)
        case .service: preconditionFailure("what a service holds up is parked by it")
        }
        self.refresh(track: track, at: now)
    }

    private mutating func release(queue: Int, at now: Instant) {
        guard self.queues[queue].isOpen, !self.queues[queue].parked.isEmpty else { return }
        let parked = self.queues[queue].parked
        self.queues[queue].parked = []
        self.unpark(parked, at: now)
    }

    private mutating func release(type: Int, at now: Instant) {
        guard self.types[type].isOpen, !self.types[type].parked.isEmpty else { return }
        let parked = self.types[type].parked
        self.types[type].parked = []
        self.unpark(parked, at: now)
    }

    mutating func unpark(_ tracks: [Int], at now: Instant) {
        for track in tracks {
            self.tracks[track].parking = nil
            self.refresh(track: track, at: now)
            self.dropIfUnused(track: track)
        }
    }

    // MARK: Counted jobs

    /// A job is with a node from now on. Counts it, if it is of those that are counted.
    mutating func activate(
        _ id: JobID, lane: Int, key: Int, isOrdered: Bool, uses: [ServiceDemand.Use], at now: Instant
    ) {
        guard self.lanes[lane].isCapped || key >= 0 || !uses.isEmpty else { return }
        let active = Active(lane: lane, key: key, uses: uses, takenAt: now)
        let before = self.active.updateValue(active, forKey: id)
        precondition(before == nil, "a job is with one node")
        self.queues[self.lanes[lane].queue].active += 1
        self.types[self.lanes[lane].type].active += 1
        guard key >= 0 else { return }
        self.keys[key].active += 1
        if isOrdered {
            self.keys[key].holder = id
            self.removeApart(id, from: key)
        }
    }

    /// The job is with no node any more; its place is free. No effect on jobs that are not counted.
    package mutating func settled(_ id: JobID, at now: Instant) {
        guard !self.active.isEmpty, let active = self.active.removeValue(forKey: id) else { return }
        let queue = self.lanes[active.lane].queue
        let type = self.lanes[active.lane].type
        self.queues[queue].active -= 1
        self.types[type].active -= 1
        self.release(queue: queue, at: now)
        self.release(type: type, at: now)
        if !active.uses.isEmpty { self.release(active.uses, takenAt: active.takenAt, at: now) }
        guard active.key >= 0 else { return }
        self.keys[active.key].active -= 1
        self.wake(key: active.key, at: now)
        self.dropIfUnused(key: active.key)
    }

    // MARK: Keys

    mutating func key(_ name: String, in queue: Int) -> Int {
        let place = NameInQueue(queue: queue, name: name)
        if let known = self.keyPlaces[place] { return known }
        let key = Key(queue: queue, name: name)
        let index = self.freeKeys.popLast() ?? self.keys.count
        if index == self.keys.count { self.keys.append(key) } else { self.keys[index] = key }
        self.keyPlaces[place] = index
        return index
    }

    mutating func dropIfUnused(key: Int) {
        let name = NameInQueue(queue: self.keys[key].queue, name: self.keys[key].name)
        guard self.keys[key].isUnused, self.keyPlaces[name] == key else { return }
        self.keyPlaces[name] = nil
        self.keys[key] = Key(queue: name.queue, name: "")
        self.freeKeys.append(key)
    }

    /// The key of jobs that run in order, if the share is theirs and anything is known of it.
    private func orderedKey(_ share: LaneShare?, in queue: Int) -> Int? {
        guard let share, share.isOrdered, !share.key.isEmpty else { return nil }
        return self.keyPlaces[NameInQueue(queue: queue, name: share.key)]
    }

    /// An ordered job is pending outside of the lines; those after it wait. No effect on others.
    package mutating func setApart(_ id: JobID, lane: LaneID, share: LaneShare?, at now: Instant) {
        guard let share, share.isOrdered, !share.key.isEmpty else { return }
        let key = self.key(share.key, in: self.lanes[Int(lane.rawValue)].queue)
        self.leave(id, key: key)
        self.keys[key].apart.insert(id, at: self.keys[key].apart.sortedIndex(of: id))
        self.wake(key: key, at: now)
    }

    /// An ordered job is over, and that is durable: the next of its key may run. No effect on others.
    package mutating func ended(_ id: JobID, lane: LaneID, share: LaneShare?, at now: Instant) {
        guard let key = self.orderedKey(share, in: self.lanes[Int(lane.rawValue)].queue) else { return }
        self.leave(id, key: key)
        self.wake(key: key, at: now)
        self.dropIfUnused(key: key)
    }

    /// The job is in a line again, or nowhere.
    mutating func leave(_ id: JobID, key: Int) {
        if self.keys[key].holder == id { self.keys[key].holder = nil }
        self.removeApart(id, from: key)
    }

    private mutating func removeApart(_ id: JobID, from key: Int) {
        let place = self.keys[key].apart.sortedIndex(of: id)
        guard place < self.keys[key].apart.count, self.keys[key].apart[place] == id else { return }
        self.keys[key].apart.remove(at: place)
    }

    /// Has the sub-lanes that wait for the key looked at again.
    mutating func wake(key: Int, at now: Instant) {
        for line in self.keys[key].lines where self.lines[line].isParked {
            self.lines[line].isParked = false
            self.refresh(line, at: now)
        }
    }

    /// What the key has against the next job of a sub-lane.
    func keyBlocker(of line: Int) -> Blocker? {
        let key = self.lines[line].key
        guard key >= 0, let first = self.lines[line].line.first else { return nil }
        return self.keyBlocker(of: first, key: key, isOrdered: self.lines[line].isOrdered, besides: line)
    }

    func keyBlocker(of id: JobID, key: Int, isOrdered: Bool, besides line: Int?) -> Blocker? {
        let state = self.keys[key]
        if isOrdered {
            if state.holder != nil { return .keyOrder }
            if let apart = state.apart.first, apart < id { return .keyOrder }
            for other in state.lines where other != line && self.lines[other].isOrdered {
                if let first = self.lines[other].line.first, first < id { return .keyOrder }
            }
        }
        return state.active < self.queues[state.queue].limits.keyConcurrency ?? .max ? nil : .keyCap
    }

    /// How many jobs the caps that hold for a sub-lane let go now.
    func places(for line: Int) -> Int {
        let queue = self.lanes[self.lines[line].lane].queue
        let type = self.lanes[self.lines[line].lane].type
        var places = min(
            (self.queues[queue].limits.concurrency ?? .max) - self.queues[queue].active,
            (self.types[type].concurrency ?? .max) - self.types[type].active)
        let key = self.lines[line].key
        guard key >= 0 else { return places }
        places = min(places, (self.queues[queue].limits.keyConcurrency ?? .max) - self.keys[key].active)
        return self.lines[line].isOrdered ? min(places, 1) : places
    }
}
