extension DispatchCore {
    // MARK: Nodes

    /// - Parameter slots: how many of its jobs it runs at once; nodes with free slots come first.
    package mutating func nodeJoined(_ key: NodeKey, service: NodeService, slots: Int, at now: Instant) {
        precondition(self.nodePlaces[key] == nil, "a node joins once")
        let classIndex = self.classIndex(for: service)
        let node = Node(key: key, serviceClass: classIndex, slots: slots)
        let index = self.freePlaces.popLast() ?? self.nodes.count
        if index == self.nodes.count { self.nodes.append(node) } else { self.nodes[index] = node }
        self.nodePlaces[key] = index
        self.classes[classIndex].members.append(index)
        if self.classes[classIndex].members.count == 1 { self.connectLanes(to: classIndex, at: now) }
    }

    /// What it holds comes back with ``giveBack(_:at:)``, before or after.
    package mutating func nodeLeft(_ key: NodeKey, at now: Instant) {
        guard let index = self.nodePlaces.removeValue(forKey: key) else { return }
        self.endReservation(of: index)
        self.nodes[index].isGone = true
        self.refreshNode(index)
        self.unladen(index)
        self.freePlaces.append(index)
        let classIndex = self.nodes[index].serviceClass
        self.classes[classIndex].members.removeAll { $0 == index }
        if self.classes[classIndex].members.isEmpty { self.disconnectLanes(from: classIndex, at: now) }
    }

    /// The node's running totals, as its queue knows them.
    package mutating func nodeChanged(_ key: NodeKey, _ standing: NodeStanding, at now: Instant) {
        guard let index = self.nodePlaces[key] else { return }
        let settledBefore = self.nodes[index].settledTotal
        self.nodes[index].creditTotal = standing.creditTotal
        self.nodes[index].settledTotal = max(standing.settledTotal, settledBefore)
        self.nodes[index].isPaused = standing.isPaused
        if self.steals.isOn {
            self.noteLoad(of: index, standing, hasSettled: standing.settledTotal > settledBefore, at: now)
        }
        self.refreshNode(index)
    }

    /// The node holds jobs that were not assigned to it here: claims from an earlier epoch or registration.
    ///
    /// - Parameter suspect: the one among them that must run alone, if there is one.
    package mutating func nodeClaimed(_ key: NodeKey, count: Int, suspect: JobID? = nil) {
        guard let index = self.nodePlaces[key] else { return }
        self.nodes[index].assignedTotal += UInt64(count)
        self.nodes[index].creditTotal += UInt64(count)
        if let suspect, !self.nodes[index].isReserved { self.reserve(index, for: suspect, job: nil) }
        self.refreshNode(index)
    }

    /// Puts a node where it belongs in its class, or takes it out.
    mutating func refreshNode(_ index: Int) {
        let node = self.nodes[index]
        if node.room > 0 {
            self.classes[node.serviceClass].nodes.update(index, rank: NodeRank(node))
        } else {
            self.classes[node.serviceClass].nodes.remove(index)
        }
    }

    /// The class of that service; a class without nodes makes room for a new one.
    private mutating func classIndex(for service: NodeService) -> Int {
        if let known = self.classes.firstIndex(where: { !$0.members.isEmpty && $0.service == service }) { return known }
        if let unused = self.classes.firstIndex(where: { $0.members.isEmpty }) {
            self.classes[unused] = ServiceClass(service: service)
            return unused
        }
        self.classes.append(ServiceClass(service: service))
        return self.classes.count - 1
    }

    private mutating func connectLanes(to classIndex: Int, at now: Instant) {
        for index in self.lanes.indices where self.classes[classIndex].service.serves(self.lanes[index].key) {
            let tracks = self.lanes[index].tracks
            if self.lanes[index].classes.isEmpty { for track in tracks { self.tracks[track].waitingSince = now } }
            self.lanes[index].classes.append(classIndex)
            self.lanes[index].classes.sort()
            for track in tracks {
                if self.tracks[track].rank != nil { self.updateRank(ofTrack: track) }
                if self.tracks[track].choice != nil { self.updateChoice(ofTrack: track) }
                self.refresh(track: track, at: now)
            }
        }
    }

    private mutating func disconnectLanes(from classIndex: Int, at now: Instant) {
        self.classes[classIndex] = ServiceClass(service: self.classes[classIndex].service)
        for index in self.lanes.indices where self.lanes[index].classes.contains(classIndex) {
            self.lanes[index].classes.removeAll { $0 == classIndex }
            for track in self.lanes[index].tracks { self.refresh(track: track, at: now) }
        }
    }
}
