/// What the coordinator wants of the node: numbered, one at a time, said again if it was lost.
extension NodeQueueCore {
    /// The node asks for orders.
    ///
    /// - Parameter received: number of the last order that it received; a lower one than was sent proves a loss.
    package mutating func control(
        _ exchange: ExchangeID, lastOrder received: UInt64, at now: Instant, into actions: inout [Action]
    ) {
        self.heard(at: now)
        if let parked = self.parkedControl { actions.append(.supersedeControl(parked)) }
        self.parkedControl = exchange
        if received < self.lastOrder.number {
            self.isDrainWanted = self.isDrainWanted || self.lastOrder.drain
            self.endedToTell.insert(contentsOf: self.lastOrder.ended, at: 0)
            if let lost = self.lastOrder.ask, lost == self.ask?.number { self.isAskToTell = true }
        }
        self.lastOrder.drain = false
        self.lastOrder.ended = []
        self.lastOrder.ask = nil
        self.tell(into: &actions)
    }

    /// Ended leases kept for a node that does not ask; it hears of the others when it reports on them.
    private static let endedToTellMax = 4096

    mutating func tellEnded(_ sequence: UInt64) {
        guard self.endedToTell.count < Self.endedToTellMax else { return }
        self.endedToTell.append(LeaseToken(epoch: self.epoch, sequence: sequence))
    }

    mutating func tell(into actions: inout [Action]) {
        guard let exchange = self.parkedControl,
            self.isDrainWanted || !self.endedToTell.isEmpty || self.isAskToTell
        else { return }
        self.parkedControl = nil
        let ask = self.isAskToTell ? self.ask : nil
        self.lastOrder = (self.lastOrder.number + 1, self.isDrainWanted, self.endedToTell, ask?.number)
        actions.append(
            .order(
                exchange, number: self.lastOrder.number, drain: self.lastOrder.drain, ended: self.lastOrder.ended,
                ask: ask))
        self.endedToTell = []
        self.isDrainWanted = false
        self.isAskToTell = false
    }
}
