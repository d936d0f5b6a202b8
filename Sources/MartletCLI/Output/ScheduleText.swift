import MartletCore
import MartletSchedule
import MartletWire

/// Schedules as tables, pages and JSON.
enum ScheduleText {
    static func table(_ schedules: [ScheduleView], now: WallTime) -> Table {
        var table = Table(columns: [
            .init(title: "SCHEDULE", fit: .shrinking), .init(title: "WHEN", fit: .shrinking),
            .init(title: "TYPE", fit: .shrinking), .init(title: "NEXT"), .init(title: "FIRED", isNumeric: true),
            .init(title: "SKIPPED", isNumeric: true), .init(title: "MISSED", isNumeric: true),
            .init(title: "LAST JOB", isNumeric: true, fit: .droppable), .init(title: "FROM", fit: .droppable),
        ])
        for schedule in schedules {
            table.append([
                .init(schedule.name, .bold), .init(Self.when(schedule)), .init(schedule.type),
                Self.next(schedule, now: now), Self.count(schedule.firedTotal, .green),
                Self.count(schedule.skippedTotal, .yellow), Self.count(schedule.missedTotal, .red),
                schedule.lastJob.map { .init("\($0.rawValue)") } ?? .init("-", .dim),
                .init(schedule.origin == .file ? "file" : "client", .dim),
            ])
        }
        return table
    }

    private static func when(_ schedule: ScheduleView) -> String {
        schedule.recurrence.lowercased().hasPrefix("@every")
            ? schedule.recurrence : "\(schedule.recurrence) \(schedule.zone)"
    }

    private static func next(_ schedule: ScheduleView, now: WallTime) -> Table.Cell {
        if !schedule.problem.isEmpty { return .init("broken", .red) }
        if schedule.isPaused { return .init("paused", .yellow) }
        guard let next = schedule.next else { return .init("never", .dim) }
        let wait = next - now
        return .init(wait < .zero ? "now" : HumanText.relative(wait), .cyan)
    }

    private static func count(_ value: UInt64, _ ink: Style.Ink) -> Table.Cell {
        .init(HumanText.number(value), value == 0 ? .dim : ink)
    }

    /// - Parameter now: what ages are counted from.
    static func page(_ detail: ScheduleDetail, now: WallTime, style: Style) -> [String] {
        let (view, definition) = (detail.view, detail.definition)
        let rules = definition.rules
        let zone = (try? TimeZoneName(definition.zone)) ?? .utc
        func line(_ name: String, _ value: String) -> String {
            style.apply(.dim, name + String(repeating: " ", count: 12 - name.count)) + HumanText.printable(value)
        }
        var lines = [style.apply(.bold, "schedule \(view.name)")]
        lines.append(line("when", Self.when(view)))
        if definition.daylightSaving != .once {
            lines.append(line("clock change", definition.daylightSaving.rawValue))
        }
        lines.append(line("job", "\(view.type) in queue \(view.queue)"))
        lines.append(line("defined", view.origin == .file ? "in cluster.json" : "by a client"))
        if view.isPaused { lines.append(style.apply(.yellow, line("paused", "fires nothing until it is resumed"))) }
        if !view.problem.isEmpty { lines.append(style.apply(.red, line("broken", view.problem))) }
        lines.append(line("missed", "\(rules.missed.text), later than \(HumanText.duration(rules.lateMax))"))
        lines.append(line("overlap", rules.overlap.text))
        if rules.jitter > .zero { lines.append(line("jitter", "up to \(HumanText.duration(rules.jitter))")) }
        if let start = rules.start { lines.append(line("start", zone.text(of: start))) }
        if let end = rules.end { lines.append(line("end", zone.text(of: end))) }
        lines.append(
            line(
                "instants",
                "\(HumanText.number(view.firedTotal)) fired, \(HumanText.number(view.skippedTotal)) skipped, "
                    + "\(HumanText.number(view.missedTotal)) missed"))
        lines.append(line("seen to", "through \(zone.text(of: view.handledThrough))"))
        if let queued = view.queued {
            let last = view.lastJob.map { " for job \($0.rawValue)" } ?? ""
            lines.append(line("waiting", "\(zone.text(of: queued)) waits\(last)"))
        }
        lines.append(line("payload", Self.payload(definition.payload)))
        for (place, instant) in detail.next.enumerated() {
            lines.append(
                line(place == 0 ? "next" : "", "\(zone.text(of: instant))  \(HumanText.relative(instant - now))"))
        }
        for (place, run) in detail.runs.enumerated() {
            lines.append(line(place == 0 ? "runs" : "", "\(zone.text(of: run.instant))  job \(run.job.rawValue)"))
        }
        return lines
    }

    private static let payloadShown = 200

    private static func payload(_ payload: Bytes) -> String {
        let text = String(decoding: payload.array.prefix(Self.payloadShown), as: UTF8.self)
        return payload.count > Self.payloadShown ? text + "…" : text
    }
}
