extension DispatchCore {
    package func checkInvariants() {
        for heap in [self.potLines, self.trackPots] { heap.checkInvariants() }
        self.trackFlows.checkInvariants()
        self.idleFlows.checkInvariants()
        let free = Set(self.freeLines)
        for index in self.lines.indices where !free.contains(index) { self.checkLine(index) }
        let unused = Set(self.freeTracks)
        var lineCounts = [Int](repeating: 0, count: self.tracks.count)
        for index in self.lines.indices where !free.contains(index) { lineCounts[self.lines[index].track] += 1 }
        for index in self.tracks.indices where !unused.contains(index) {
            precondition(self.tracks[index].lines == lineCounts[index], "sub-lanes are counted")
            self.checkTrack(index)
        }
        self.checkServices()
        precondition(self.loadingCount == self.lines.count { $0.line.isLoading }, "loads are counted")
        precondition(self.loadingCount <= Self.loadsMax, "loads are bounded")
        precondition(
            self.linePlaces.count + self.lanes.count + free.count == self.lines.count, "no sub-lane is forgotten")
        self.checkLimits()
        self.checkFlows()
        self.checkNodes()
    }

    private func checkLine(_ index: Int) {
        let line = self.lines[index]
        line.line.checkInvariants()
        line.held.checkInvariants()
        precondition(line.isWaiting != line.line.isEmpty, "what has jobs is counted")
        let head = line.isParked || line.line.isLoading ? nil : line.line.first
        precondition(line.head == head, "the head is known")
        precondition(self.potLines.rank(of: index, in: line.pot) == head, "what may run is in its pot")
        if let share = line.share {
            precondition(self.linePlaces[LineName(lane: line.lane, share: share)] == index, "a share has one sub-lane")
            let isUsed = !line.line.isEmpty || line.line.isLoading || !line.held.isEmpty
            precondition(isUsed, "no idle sub-lane remains")
        }
        precondition(
            !line.isParked || self.keyBlocker(of: index) != nil || self.isRecovering,
            "what waits for its key is held by it")
        precondition(
            line.key < 0 || self.keys[line.key].lines.contains(index) && self.tracks[line.track].isLimited,
            "keys know their lines")
    }

    private func checkTrack(_ index: Int) {
        let track = self.tracks[index]
        let lane = self.lanes[track.lane]
        precondition(lane.tracks.contains(index), "a lane knows its tracks")
        precondition(track.demand == nil || track.lines > 0 || track.parking != nil, "no idle track remains")
        let head = self.trackPots.first(in: index)?.rank
        let isRunnable = head != nil && track.parking == nil && !lane.classes.isEmpty
        precondition((track.rank != nil) == isRunnable, "what can run has a rank")
        precondition(track.rank.map { $0.head == head } ?? true, "the rank knows the head")
        precondition(
            (track.choice != nil) == (isRunnable && self.queues[lane.queue].isGrouped), "groups are chosen between")
        for place in lane.classes {
            let serviceClass = self.classes[place]
            if let pool = track.demand?.pool {
                precondition(serviceClass.pools.rank(of: index, in: pool) == track.rank, "it is in its pool's heap")
                let heap = self.poolHeap(of: lane.queue, pool: pool)
                let choice = serviceClass.poolChoices.rank(of: index, in: heap)
                precondition(choice == track.choice, "choices are in each heap")
                continue
            }
            let heap = track.isLimited ? serviceClass.limited : serviceClass.open
            precondition(heap.rank(of: index) == track.rank, "runnable tracks are in each heap")
            let choice = serviceClass.choices.rank(of: index, in: 2 * lane.queue + (track.isLimited ? 1 : 0))
            precondition(choice == track.choice, "choices are in each heap")
        }
        switch track.parking {
        case .queue?: precondition(self.queues[lane.queue].parked.contains(index), "it is on the wait list")
        case .type?: precondition(self.types[lane.type].parked.contains(index), "it is on the wait list")
        case .recovery?: precondition(self.isRecovering, "nothing waits for a recovery that is over")
        case .service(let service)?:
            let isWaiting =
                self.trackTimers.contains(index) || self.services[service].otherWaits.contains(index)
                || self.services[service].keyWaits.values.contains { $0.contains(index) }
            precondition(isWaiting, "it is on a wait list")
        case nil: break
        }
    }

    private func checkServices() {
        precondition(
            self.trackPlaces.count == self.tracks.count - self.freeTracks.count - 2 * self.lanes.count,
            "no track is forgotten")
        for service in self.services.indices {
            let state = self.services[service]
            state.gate?.checkInvariants()
            let held = self.active.values.reduce(0) { $0 + $1.uses.count { $0.service == service } }
            precondition(state.gate.map { $0.held == held } ?? true, "jobs with nodes are counted")
            let until = state.closing?.blocker?.until
            precondition(self.serviceTimers.rank(of: service) == until, "what is closed for a time opens again")
        }
        for (index, pool) in self.pools.enumerated() {
            let closed = pool.services.count { self.services[$0].closing != nil }
            precondition(pool.closedCount == closed, "closed services are counted")
            for serviceClass in self.classes {
                let first = pool.isOpen ? serviceClass.pools.first(in: index)?.rank : nil
                precondition(serviceClass.openPools.rank(of: index) == first, "open pools with work are in the heap")
            }
        }
    }

    private func checkLimits() {
        for (index, queue) in self.queues.enumerated() {
            let counted = self.active.values.count { self.lanes[$0.lane].queue == index }
            precondition(queue.active == counted, "jobs with nodes are counted")
            precondition(queue.parked.isEmpty || !queue.isOpen, "an open queue holds nobody")
        }
        for (index, type) in self.types.enumerated() {
            let counted = self.active.values.count { self.lanes[$0.lane].type == index }
            precondition(type.active == counted, "jobs with nodes are counted")
            precondition(type.parked.isEmpty || !type.isOpen, "an open type holds nobody")
        }
        for (name, index) in self.keyPlaces {
            let key = self.keys[index]
            precondition(key.name == name.name && key.queue == name.queue && !key.isUnused, "no idle key remains")
            precondition(key.active == self.active.values.count { $0.key == index }, "jobs of a key are counted")
            precondition(key.apart == key.apart.sorted(), "ids ascend")
        }
        precondition(self.keyPlaces.count + self.freeKeys.count == self.keys.count, "no key is forgotten")
    }

    private func checkFlows() {
        for (index, queue) in self.queues.enumerated() {
            let flows = self.flows.indices.filter { self.flows[$0].queue == index && self.flows[$0].waiting > 0 }
            precondition(queue.flowsWaiting == flows.count, "flows with jobs are counted")
            precondition(queue.waiting == flows.reduce(0) { $0 + self.flows[$1].waiting }, "so are their sub-lanes")
            precondition(self.idleFlows.count(in: index) <= Self.idleFlowsMax, "idle flows are bounded")
        }
        for (name, index) in self.flowPlaces {
            let flow = self.flows[index]
            precondition(flow.group == name.name && flow.queue == name.queue, "a group has one flow")
            let isIdle = self.idleFlows.rank(of: index, in: flow.queue) != nil
            precondition(isIdle == (flow.lines == 0), "a flow without sub-lanes is idle")
            precondition(flow.lines > 0 || self.queues[flow.queue].waiting > 0, "nothing idle remains")
        }
    }

    private func checkNodes() {
        self.checkSteals()
        for (place, serviceClass) in self.classes.enumerated() {
            serviceClass.open.checkInvariants()
            serviceClass.limited.checkInvariants()
            serviceClass.choices.checkInvariants()
            serviceClass.pools.checkInvariants()
            serviceClass.openPools.checkInvariants()
            serviceClass.poolChoices.checkInvariants()
            serviceClass.nodes.checkInvariants()
            precondition(!serviceClass.members.isEmpty || !serviceClass.hasWork, "without nodes nothing runs")
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
