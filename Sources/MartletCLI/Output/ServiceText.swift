import MartletCore
import MartletJSON
import MartletWire

/// Services and their limits as tables, lines and JSON.
enum ServiceText {
    static func table(_ services: [ServiceView], now: WallTime) -> Table {
        var table = Table(columns: [
            .init(title: "SERVICE", fit: .shrinking), .init(title: "LIMITS", fit: .shrinking),
            .init(title: "TOKENS", isNumeric: true), .init(title: "RUNNING", isNumeric: true),
            .init(title: "WAITING", isNumeric: true), .init(title: "STATE", fit: .shrinking),
            .init(title: "CHANGED", fit: .droppable),
        ])
        for service in services {
            table.append([
                .init(service.name, .bold), .init(service.limits.text), .init(Self.level(service)),
                Self.count(UInt64(service.held), .green), Self.count(service.waiting, .yellow), Self.state(service),
                Self.changed(service, now: now),
            ])
        }
        return table
    }

    private static func level(_ service: ServiceView) -> String { service.level.map { HumanText.number($0) } ?? "-" }

    private static func count(_ value: UInt64, _ ink: Style.Ink) -> Table.Cell {
        .init(HumanText.number(value), value == 0 ? .dim : ink)
    }

    static func state(_ service: ServiceView) -> Table.Cell {
        if service.isPaused { return .init("paused", .yellow) }
        let opens = service.opensIn.map { " for \(HumanText.duration($0))" } ?? ""
        switch service.closing {
        case .serviceBreaker?: return .init("broken\(opens)", .red)
        case .serviceClosed?: return .init("closed\(opens)", .red)
        case .serviceConcurrency?: return .init("full", .cyan)
        case .serviceTokens?: return .init("used up", .cyan)
        default: break
        }
        if service.rateShare < 1000 { return .init("at \(service.rateShare / 10) % of its rate", .yellow) }
        return .init("open", .green)
    }

    private static func changed(_ service: ServiceView, now: WallTime) -> Table.Cell {
        guard let at = service.changedAt else {
            return .init(service.isConfigured ? "as in cluster.json" : "-", .dim)
        }
        return .init("\(HumanText.relative(at - now)) by \(service.changedBy)", .dim)
    }

    static func table(_ changes: [ServiceChange]) -> Table {
        var table = Table(columns: [
            .init(title: "WHEN"), .init(title: "WHO", fit: .shrinking), .init(title: "SERVICE", fit: .shrinking),
            .init(title: "WHAT", fit: .shrinking),
        ])
        for change in changes {
            table.append([
                .init(WallClockText.readable(change.at), .dim), .init(change.by), .init(change.name, .bold),
                .init(change.what),
            ])
        }
        return table
    }

    // MARK: Watching

    /// What happened to a service within a time.
    struct Motion {
        let service: ServiceView
        let before: ServiceView?
        let elapsed: Duration

        /// Per second.
        func rate(_ count: (ServiceView) -> UInt64) -> Double {
            guard let before, count(self.service) >= count(before) else { return 0 }
            return Double(count(self.service) - count(before)) / max(self.elapsed / .seconds(1), 0.001)
        }
    }

    static func watchTable(_ motions: [Motion], style: Style) -> Table {
        var table = Table(columns: [
            .init(title: "SERVICE", fit: .shrinking), .init(title: "TOKENS"), .init(title: "GRANTS/S", isNumeric: true),
            .init(title: "HELD UP/S", isNumeric: true), .init(title: "REJECTED/S", isNumeric: true),
            .init(title: "RUNNING", isNumeric: true), .init(title: "WAITING", isNumeric: true),
            .init(title: "STATE", fit: .shrinking),
        ])
        for motion in motions {
            let service = motion.service
            table.append([
                .init(service.name, .bold), .init(Self.gauge(service), service.closing == nil ? .green : .cyan),
                Self.perSecond(motion.rate(\.grants), .green), Self.perSecond(motion.rate(\.waits), .dim),
                Self.perSecond(motion.rate(\.rejections), .red), Self.count(UInt64(service.held), .green),
                Self.count(service.waiting, .yellow), Self.state(service),
            ])
        }
        return table
    }

    /// How full the bucket is that has least: `▓▓▓▓▓░░░░░ 12/20`.
    static func gauge(_ service: ServiceView, width: Int = 10) -> String {
        guard let level = service.level, let burst = service.limits.rates.map(\.burst).min() else { return "no rate" }
        let filled = min(width, Int(Double(level) / Double(max(burst, 1)) * Double(width)))
        let bar = String(repeating: "▓", count: filled) + String(repeating: "░", count: width - filled)
        return "\(bar) \(HumanText.number(level))/\(HumanText.number(burst))"
    }

    private static func perSecond(_ value: Double, _ ink: Style.Ink) -> Table.Cell {
        let tenths = (value * 10).rounded() / 10
        let text = tenths >= 100 ? HumanText.number(Int(tenths.rounded())) : "\(tenths)"
        return .init(text, tenths == 0 ? .dim : ink)
    }

    static func json(_ motion: Motion, at now: WallTime) -> JSONOutput {
        let service = motion.service
        return .object([
            ("at", .time(now)), ("service", .string(service.name)),
            ("tokens", service.level.map { .count($0) } ?? .null), ("running", .count(service.held)),
            ("waiting", .count(service.waiting)), ("grantsPerSecond", .number(motion.rate(\.grants))),
            ("tokensPerSecond", .number(motion.rate(\.tokens))), ("waitsPerSecond", .number(motion.rate(\.waits))),
            ("rejectionsPerSecond", .number(motion.rate(\.rejections))), ("paused", .boolean(service.isPaused)),
            ("closedBy", .optional(service.closing.map { $0.name })),
            ("opensInSeconds", service.opensIn.map { .seconds($0) } ?? .null),
        ])
    }
}
