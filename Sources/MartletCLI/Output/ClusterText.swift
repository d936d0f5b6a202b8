import MartletCore
import MartletWire

/// Queues and nodes as tables and JSON.
enum ClusterText {
    /// - Parameter now: what ages are counted from.
    static func table(_ queues: [QueueView], pauses: [PauseView] = [], now: WallTime = WallTime(microseconds: 0))
        -> Table
    {
        let isPaused = queues.contains { Self.pause(of: $0, pauses) != nil }
        var table = Table(
            columns: [
                .init(title: "QUEUE", fit: .shrinking), .init(title: "TYPE", fit: .shrinking),
            ] + (isPaused ? [.init(title: "PAUSED")] : []) + [
                .init(title: "READY", isNumeric: true), .init(title: "OLDEST", isNumeric: true),
                .init(title: "RUNNING", isNumeric: true),
                .init(title: "SCHEDULED", isNumeric: true), .init(title: "DEAD", isNumeric: true),
                .init(title: "SUCCEEDED", isNumeric: true), .init(title: "NODES", isNumeric: true),
                .init(title: "RETRIED", isNumeric: true, fit: .droppable),
                .init(title: "SUBMITTED", isNumeric: true, fit: .droppable),
            ])
        for queue in queues {
            let isStranded = queue.nodeCount == 0 && queue.ready > 0
            table.append(
                [
                    .init(queue.queue, .bold), .init(queue.type),
                ] + (isPaused ? [Self.paused(queue, pauses, now: now)] : []) + [
                    Self.count(queue.ready, .cyan),
                    queue.oldestReadyAge.map { .init(HumanText.duration($0)) } ?? .init("-", .dim),
                    Self.count(queue.running, .blue), Self.count(queue.scheduled, .yellow),
                    Self.count(queue.dead, .red),
                    Self.count(queue.succeededTotal, .green),
                    isStranded ? .init("0", .red) : Self.count(queue.nodeCount, .plain),
                    Self.count(queue.retriedTotal, .yellow), Self.count(queue.submittedTotal, .plain),
                ])
        }
        return table
    }

    static func table(_ nodes: [NodeView]) -> Table {
        var table = Table(columns: [
            .init(title: "NODE", fit: .shrinking), .init(title: "STATUS"), .init(title: "SLOTS", isNumeric: true),
            .init(title: "LEASED", isNumeric: true), .init(title: "HEARD", isNumeric: true),
            .init(title: "SUCCEEDED", isNumeric: true), .init(title: "FAILED", isNumeric: true),
            .init(title: "STUCK", isNumeric: true), .init(title: "TYPES", fit: .shrinking),
            .init(title: "QUEUES", fit: .droppable),
            .init(title: "GAVE BACK", isNumeric: true, fit: .droppable),
            .init(title: "TOOK OVER", isNumeric: true, fit: .droppable),
        ])
        for node in nodes {
            table.append([
                .init(node.name, .bold), .init("\(node.status)", Self.ink(node.status)), .init("\(node.slots)"),
                Self.count(node.leased, .blue),
                .init(node.sinceHeard < .seconds(1) ? "now" : "\(HumanText.duration(node.sinceHeard)) ago"),
                Self.count(node.succeededTotal, .green), Self.count(node.failedTotal, .red),
                Self.count(node.stuck, .red), .init(node.types.joined(separator: ",")),
                .init(node.queues.isEmpty ? "all" : node.queues.joined(separator: ",")),
                Self.count(node.steals.gaveBack, .plain), Self.count(node.steals.tookOver, .plain),
            ])
        }
        return table
    }

    /// What keeps its jobs from being started, if anything: the queue's pause before the type's.
    private static func pause(of queue: QueueView, _ pauses: [PauseView]) -> PauseView? {
        pauses.first { $0.name == ($0.target == .queue ? queue.queue : queue.type) }
    }

    private static func paused(_ queue: QueueView, _ pauses: [PauseView], now: WallTime) -> Table.Cell {
        guard let pause = Self.pause(of: queue, pauses) else { return .init("-", .dim) }
        let noun = pause.target == .queue ? "" : "type "
        return .init("\(noun)\(HumanText.relative(pause.since - now))", .yellow)
    }

    private static func ink(_ status: NodeView.Status) -> Style.Ink {
        switch status {
        case .live: .green
        case .silent: .red
        case .draining: .yellow
        case .awaited: .yellow
        }
    }

    /// Zero steps back, so that what matters stands out.
    private static func count(_ value: some BinaryInteger, _ ink: Style.Ink) -> Table.Cell {
        .init(HumanText.number(value), value == 0 ? .dim : ink)
    }
}
