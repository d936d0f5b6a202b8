/// Tracks of jobs that use external services: one for each lane and set of services, there while it has sub-lanes.
extension DispatchCore {
    /// The track of a lane for jobs that use these services, made if need be.
    mutating func track(of lane: Int, isLimited: Bool, services: Boxed<[ServiceUse]>?, at now: Instant) -> Int {
        guard let services, !services.value.isEmpty else { return self.lanes[lane].tracks[isLimited ? 1 : 0] }
        let name = TrackName(lane: lane, services: services)
        if let known = self.trackPlaces[name] { return known }
        let queue = self.lanes[lane].queue
        let demand = self.demand(services)
        let track = self.makeTrack(lane: lane, queue: queue, isLimited: true, demand: demand, at: now)
        self.trackPlaces[name] = track
        self.lanes[lane].tracks.append(track)
        if !self.queues[queue].poolHeaps.contains(where: { $0.pool == demand.pool }) {
            self.queues[queue].poolHeaps.append((demand.pool, self.poolHeapsCount))
            self.poolHeapsCount += 1
        }
        return track
    }

    mutating func makeTrack(lane: Int, queue: Int, isLimited: Bool, demand: ServiceDemand?, at now: Instant) -> Int {
        let index = self.freeTracks.popLast() ?? self.tracks.count
        let track = Track(lane: lane, isLimited: isLimited, demand: demand, basePot: -1, waitingSince: now)
        if index == self.tracks.count { self.tracks.append(track) } else { self.tracks[index] = track }
        self.tracks[index].basePot = self.makePot(of: self.queues[queue].baseFlow, in: index)
        return index
    }

    /// A track of services without sub-lanes is no more, unless somebody will come back to it.
    mutating func dropIfUnused(track: Int) {
        guard self.tracks[track].lines == 0, let demand = self.tracks[track].demand else { return }
        switch self.tracks[track].parking {
        case nil: break
        case .service: self.endParking(of: track)
        case .queue, .type, .recovery: return
        }
        let lane = self.tracks[track].lane
        precondition(self.tracks[track].rank == nil && self.tracks[track].waiting == 0, "it has no jobs")
        self.trackPlaces[TrackName(lane: lane, services: demand.names)] = nil
        self.lanes[lane].tracks.removeAll { $0 == track }
        let pot = self.tracks[track].basePot
        self.flows[self.pots[pot].flow].pots.removeAll { $0 == pot }
        self.freePots.append(pot)
        self.tracks[track] = Track(lane: lane, isLimited: true, demand: nil, basePot: -1, waitingSince: .distantFuture)
        self.freeTracks.append(track)
    }

    // MARK: Places in the heaps

    /// Puts a track where its rank says in the heaps of its classes.
    mutating func updateRank(ofTrack track: Int) {
        let pool = self.tracks[track].demand?.pool
        let (isLimited, rank) = (self.tracks[track].isLimited, self.tracks[track].rank)
        for place in self.lanes[self.tracks[track].lane].classes {
            if let pool {
                self.classes[place].update(track, rank: rank, in: pool, isOpen: self.pools[pool].isOpen)
            } else {
                self.classes[place].update(track, rank: rank, isLimited: isLimited)
            }
        }
    }

    /// The same for whose turn it is.
    mutating func updateChoice(ofTrack track: Int) {
        let queue = self.lanes[self.tracks[track].lane].queue
        let pool = self.tracks[track].demand?.pool
        let heap = pool.map { self.poolHeap(of: queue, pool: $0) } ?? 2 * queue + (self.tracks[track].isLimited ? 1 : 0)
        let choice = self.tracks[track].choice
        for place in self.lanes[self.tracks[track].lane].classes {
            self.classes[place].update(track, choice: choice, in: heap, ofPools: pool != nil)
        }
    }

    func poolHeap(of queue: Int, pool: Int) -> Int {
        self.queues[queue].poolHeaps.first { $0.pool == pool }!.heap
    }

    /// The better of `choice` and what tracks of a queue with groups, whose services are open, have to offer.
    func earlier(_ choice: Int?, amongPoolsOf queue: Int, in index: Int) -> Int? {
        var best = choice.map { (id: $0, rank: self.tracks[$0].choice!) }
        for (pool, heap) in self.queues[queue].poolHeaps where self.pools[pool].isOpen {
            guard let first = self.classes[index].poolChoices.first(in: heap) else { continue }
            if best.map({ first.rank < $0.rank }) ?? true { best = first }
        }
        return best?.id
    }

    /// A track of another class, with a node that has a free slot, that is before this one at one of its services.
    func moreUrgent(than track: Int, of index: Int) -> (track: Int, node: Int)? {
        guard self.classes.count > 1, let demand = self.tracks[track].demand, var rank = self.tracks[track].rank else {
            return nil
        }
        var best: (track: Int, node: Int)?
        for use in demand.uses {
            for pool in self.services[use.service].pools where self.pools[pool].isOpen {
                for other in self.classes.indices where other != index && self.classes[other].hasFreeSlot {
                    guard let first = self.classes[other].pools.first(in: pool), first.rank < rank else { continue }
                    rank = first.rank
                    let queue = self.lanes[self.tracks[first.id].lane].queue
                    let heap = self.queues[queue].isGrouped ? self.poolHeap(of: queue, pool: pool) : nil
                    let choice = heap.flatMap { self.classes[other].poolChoices.first(in: $0) }
                    best = (choice?.id ?? first.id, self.classes[other].nodes.first!.id)
                }
            }
        }
        return best
    }

    // MARK: Demands

    mutating func demand(_ services: Boxed<[ServiceUse]>) -> ServiceDemand {
        let uses = services.value.map {
            ServiceDemand.Use(service: self.service($0.service), key: $0.key, weight: $0.weight)
        }
        return ServiceDemand(pool: self.pool(Set(uses.map(\.service)).sorted()), uses: uses, names: services)
    }

    /// The pool of these services, made if need be.
    private mutating func pool(_ services: [Int]) -> Int {
        if let known = self.pools.firstIndex(where: { $0.services == services }) { return known }
        let closed = services.count { self.services[$0].closing != nil }
        self.pools.append(ServicePool(services: services, closedCount: closed))
        for service in services { self.services[service].pools.append(self.pools.count - 1) }
        return self.pools.count - 1
    }

    /// What a job of that share takes.
    mutating func uses(of share: LaneShare?, lane: Int) -> [ServiceDemand.Use] {
        guard let services = share?.services ?? self.lanes[lane].services else { return [] }
        for use in services.value { _ = self.service(use.service) }
        return self.knownUses(of: share, lane: lane)
    }

    /// The same, as far as anything is known of the services.
    func knownUses(of share: LaneShare?, lane: Int) -> [ServiceDemand.Use] {
        guard let services = share?.services ?? self.lanes[lane].services else { return [] }
        if let track = self.trackPlaces[TrackName(lane: lane, services: services)] {
            return self.tracks[track].demand!.uses
        }
        return services.value.compactMap { use in
            self.servicePlaces[use.service].map { ServiceDemand.Use(service: $0, key: use.key, weight: use.weight) }
        }
    }
}
