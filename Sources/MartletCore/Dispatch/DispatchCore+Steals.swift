/// Nobody is idle while others have unstarted work: those that have most before them are asked to give some back.
///
/// On the way of a burst this costs one look at whether any node is laden at all. Only if one is, and another one has
/// free slots and nothing left to run, are the laden ones looked at, and no more often than ``lookInterval``.
extension DispatchCore {
    package static let lookInterval: Duration = .milliseconds(5)
    /// No less often than this, if nothing comes of it.
    package static let lookIntervalMax: Duration = .milliseconds(100)
    /// For how long an answer is waited for.
    package static let askPatience: Duration = .milliseconds(500)
    /// How long a node is left alone that had nothing to give.
    package static let askPause: Duration = .milliseconds(100)

    /// Takes note of how much a node has before it.
    mutating func noteLoad(of index: Int, _ standing: NodeStanding, hasSettled: Bool, at now: Instant) {
        let node = self.nodes[index]
        let waiting = node.held - max(node.slots, standing.runningCount)
        if hasSettled || node.load.waiting <= 0 { self.nodes[index].load.turnedAt = now }
        self.nodes[index].load.waiting = waiting
        self.nodes[index].load.meanDuration = standing.meanDuration
        if waiting <= 0 { self.nodes[index].load.isRelieved = false }
        let isLaden = waiting > 0 && !standing.isPaused && !node.isReserved
        if !isLaden {
            self.unladen(index)
        } else if node.load.place < 0 {
            self.nodes[index].load.place = self.steals.laden.count
            self.steals.laden.append(index)
            self.steals.pause = Self.lookInterval
        }
    }

    /// The node holds nothing that others could have.
    mutating func unladen(_ index: Int) {
        let place = self.nodes[index].load.place
        guard place >= 0 else { return }
        self.nodes[index].load.place = -1
        let last = self.steals.laden.removeLast()
        if last != index {
            self.steals.laden[place] = last
            self.nodes[last].load.place = place
        }
        if self.steals.laden.isEmpty { self.steals.looksAgainAt = nil }
    }

    /// The node has answered, or will not: it may be asked again.
    package mutating func askEnded(_ key: NodeKey, number: UInt64, gaveBack: Int, at now: Instant) {
        guard let index = self.nodePlaces[key], self.nodes[index].load.ask?.number == number else { return }
        self.nodes[index].load.ask = nil
        if gaveBack == 0 { self.nodes[index].load.restsUntil = now + Self.askPause }
    }

    mutating func lookForSteals(at now: Instant, into actions: inout [Action]) {
        self.steals.looksAgainAt = nil
        let idle = self.classes.indices.filter { self.classes[$0].hasFreeSlot && !self.classes[$0].hasWork }
        guard !idle.isEmpty else { return }
        guard now >= self.steals.looksAt else {
            self.steals.looksAgainAt = self.steals.looksAt
            return
        }
        let steals = StealPlanner.plan(victims: self.victims(at: now), thieves: self.thieves(of: idle)) {
            self.classes[$0].service.overlaps(self.classes[$1].service)
        }
        for steal in steals { self.ask(steal, at: now, into: &actions) }
        self.steals.looksAt = now + self.steals.pause
        self.steals.looksAgainAt = self.steals.looksAt
        self.steals.pause = steals.isEmpty ? min(self.steals.pause * 2, Self.lookIntervalMax) : Self.lookInterval
    }

    private mutating func ask(_ steal: StealPlanner.Steal, at now: Instant, into actions: inout [Action]) {
        self.steals.lastAsk += 1
        let ask = AskBack(
            number: self.steals.lastAsk, count: steal.count, service: self.classes[steal.service].service,
            until: now + Self.askPatience)
        self.nodes[steal.node].load.ask = (ask.number, ask.until)
        self.nodes[steal.node].load.isRelieved = true
        self.refreshNode(steal.node)
        actions.append(.askBack(self.nodes[steal.node].key, ask))
    }

    /// Those that may be asked now, in the order of their registrations.
    private func victims(at now: Instant) -> [StealPlanner.Victim] {
        self.steals.laden.sorted { self.nodes[$0].key < self.nodes[$1].key }.compactMap { index in
            let node = self.nodes[index]
            if let ask = node.load.ask, now < ask.until { return nil }
            guard now >= node.load.restsUntil else { return nil }
            return StealPlanner.Victim(
                node: index, service: node.serviceClass, slots: node.slots, waiting: node.load.waiting,
                meanDuration: node.load.duration(at: now))
        }
    }

    /// Nodes with free slots of classes that have nothing left for them, those with most first.
    private func thieves(of classes: [Int]) -> [StealPlanner.Thief] {
        var thieves: [(rank: NodeRank, thief: StealPlanner.Thief)] = []
        for place in classes {
            for index in self.classes[place].members where self.nodes[index].freeSlots > 0 && self.nodes[index].room > 0
            {
                let node = self.nodes[index]
                thieves.append(
                    (
                        NodeRank(node),
                        StealPlanner.Thief(
                            service: place, slots: node.slots, freeSlots: min(node.freeSlots, node.room),
                            room: node.room, meanDuration: node.load.meanDuration)
                    ))
            }
        }
        return thieves.sorted { $0.rank < $1.rank }.map(\.thief)
    }

    func checkSteals() {
        for (place, index) in self.steals.laden.enumerated() {
            precondition(self.nodes[index].load.place == place && !self.nodes[index].isGone, "who is laden is here")
            precondition(self.nodes[index].load.waiting > 0, "who is laden has something waiting")
        }
        precondition(
            self.nodes.count { $0.load.place >= 0 } == self.steals.laden.count, "each laden node is listed once")
        precondition(!self.steals.laden.isEmpty || self.steals.looksAgainAt == nil, "nothing is looked for in vain")
    }
}
