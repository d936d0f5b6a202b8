import MartletCore

/// One node's queue with what it asked its actor to do.
final class NodeBench {
    var core: NodeQueueCore
    var sequences = LeaseSequence()
    var actions: [NodeQueueCore.Action] = []
    var now = Instant.seconds(0)
    private var lastExchange: UInt64 = 0

    init(slots: Int = 2, lastDelivery: UInt64 = 0, epoch: UInt64 = 5, givesBack: Bool = false) {
        self.core = NodeQueueCore(
            key: NodeKey(rawValue: 1), id: NodeID(name: "n", incarnation: 9), slots: slots,
            epoch: Epoch(rawValue: epoch), times: SessionTimes(), givesBack: givesBack, lastDelivery: lastDelivery,
            at: self.now)
    }

    func exchange() -> NodeQueueCore.ExchangeID {
        self.lastExchange += 1
        return .init(rawValue: self.lastExchange)
    }

    func assign(_ jobs: [QueuedJob]) {
        self.core.assign(jobs, sequences: &self.sequences, into: &self.actions)
    }

    func fetch(received: UInt64, credit: UInt64 = 100) {
        let exchange = self.exchange()
        self.core.fetch(
            exchange, lastDelivery: received, creditTotal: credit, sequences: &self.sequences, at: self.now,
            into: &self.actions)
    }

    func control(lastOrder: UInt64 = 0) {
        self.core.control(self.exchange(), lastOrder: lastOrder, at: self.now, into: &self.actions)
    }

    func revoke(_ id: UInt64) -> Bool { self.core.revoke(JobID(rawValue: id), into: &self.actions) }

    func tick(seconds: Double) {
        self.now = .seconds(seconds)
        self.core.tick(at: self.now, random: { 0 }, into: &self.actions)
    }

    func settle(_ id: UInt64, _ sequence: UInt64, _ result: NodeQueueCore.Result, epoch: UInt64 = 5)
        -> NodeQueueCore.Settlement
    {
        var settlement = NodeQueueCore.Settlement()
        self.core.settle(
            JobID(rawValue: id), under: .init(epoch: Epoch(rawValue: epoch), sequence: sequence), result: result,
            random: { 0 }, into: &settlement)
        return settlement
    }

    /// The actions since the last call, as text.
    func done() -> [String] {
        defer { self.actions = [] }
        self.core.checkInvariants()
        return self.actions.map { action in
            switch action {
            case .deliver(let exchange, let number, let run):
                "deliver \(number) on \(exchange.rawValue): "
                    + run.leases.map { "\($0.job.id)@\($0.sequence)" }.joined(separator: " ")
            case .supersedeFetch(let exchange): "supersede fetch \(exchange.rawValue)"
            case .supersedeControl(let exchange): "supersede control \(exchange.rawValue)"
            case .order(let exchange, let number, let drain, let ended, let ask):
                "order \(number) on \(exchange.rawValue):\(drain ? " drain" : "")"
                    + ended.map { " \($0.sequence)" }.joined()
                    + (ask.map { " ask \($0.number):" + $0.sequences.map { " \($0)" }.joined() } ?? "")
            case .askEnded(let number, let gaveBack): "ask \(number) ended with \(gaveBack)"
            case .giveBack(let jobs): "give back " + jobs.map(\.id.description).joined(separator: " ")
            case .fail(let failed):
                "fail " + failed.map { "\($0.job.id) \($0.failure.kind)" }.joined(separator: ", ")
            case .died: "died"
            }
        }
    }
}

extension LeaseRun {
    var leases: [(sequence: UInt64, job: QueuedJob)] {
        self.places.enumerated().compactMap { offset, job in job.map { (self.first + UInt64(offset), $0) } }
    }
}

func jobs(_ ids: UInt64..., deaths: UInt8 = 0, bytes: Int = 3) -> [QueuedJob] {
    ids.map { .sample($0, nodeDeaths: deaths, bytes: bytes) }
}
