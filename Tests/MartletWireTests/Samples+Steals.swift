import MartletCore
import MartletWire

extension Sample {
    /// What came with nodes that give jobs back for others.
    static let steals = [
        Sample(
            "register-gives-back",
            Register(
                name: "worker-1", incarnation: 0xABCD, slots: 16, prefetchMax: 256, queues: [], types: ["mail/welcome"],
                holdsNameLock: false, givesBack: true, lastDelivery: 0, number: 1, inventory: [])),
        Sample(
            "order-ask",
            Order(
                number: 4, drain: false, ended: [Samples.token],
                ask: Order.Ask(
                    number: 17, until: Instant(nanoseconds: 5_500_000_000),
                    wanted: [78, 79].map { LeaseToken(epoch: Epoch(rawValue: 3), sequence: $0) }))),
        Sample(
            "report-standing",
            Report(
                key: 0x99, number: 16, lastDelivery: 7, creditTotal: 302, isDraining: false, isLast: false,
                running: [JobID(shard: 1, sequence: 44)],
                items: [Report.Item(id: JobID(shard: 1, sequence: 46), token: Samples.token, result: .returned)],
                standing: Report.Standing(meanDuration: .microseconds(1250), answeredAsk: 17))),
        Sample(
            "report-standing-stuck",
            Report(
                key: 0x99, number: 17, lastDelivery: 7, creditTotal: 302, isDraining: false, isLast: false,
                running: [], items: [], stuck: 3, standing: Report.Standing(meanDuration: .zero, answeredAsk: 0))),
        Sample("node-list-steals", NodeList(nodes: [Samples.robbed, Samples.idle])),
    ]
}

extension Samples {
    static let robbed: NodeView = {
        var view = Samples.idle
        view.name = "worker-1"
        view.steals.asks = 2
        view.steals.asked = 40
        view.steals.gaveBack = 37
        view.steals.tookOver = 5
        return view
    }()

    static let idle = NodeView(
        name: "worker-2", incarnation: 0xABCE, status: .live, slots: 4, queues: [], types: ["bill"], leased: 0,
        sinceHeard: .zero, succeededTotal: 0, failedTotal: 0)
}
