/// What the dispatcher keeps so that it can tell, at hardly any cost, whether there is something to steal.
struct StealState: Sendable {
    let isOn: Bool
    /// Nodes that hold more jobs than they run, in no order.
    var laden: ContiguousArray<Int> = []
    /// Nodes are looked at no sooner than this.
    var looksAt = Instant(nanoseconds: 0)
    /// Grows while nothing comes of looking.
    var pause = DispatchCore.lookInterval
    /// When to look although nothing happens: somebody is idle while others are laden. Nil if there is no such time.
    var looksAgainAt: Instant?
    var lastAsk: UInt64 = 0

    init(isOn: Bool) {
        self.isOn = isOn
    }
}

/// How much one node has before it, and what was asked of it.
struct NodeLoad: Sendable {
    /// Jobs that wait there for a slot, as far as can be told: held beyond those that run.
    var waiting = 0
    var meanDuration: Duration?
    /// Since when all of its slots have been busy with the same jobs, at least.
    var turnedAt = Instant(nanoseconds: 0)
    /// Where it is among those that are laden; -1 if it is not.
    var place = -1
    /// The ask that it has not answered, and until when an answer is waited for.
    var ask: (number: UInt64, until: Instant)?
    /// It had nothing to give and is not asked before then.
    var restsUntil = Instant(nanoseconds: 0)
    var isRelieved = false

    /// How long a job takes there: at least as long as those take that run now.
    func duration(at now: Instant) -> Duration {
        max(self.meanDuration ?? .zero, now > self.turnedAt ? now - self.turnedAt : .zero)
    }
}
