import MartletCore
import MartletJSON
import MartletWire

/// Operations on many jobs as tables, pages and JSON.
enum BulkText {
    /// - Parameter now: what ages are counted from.
    static func table(_ operations: [BulkView], now: WallTime) -> Table {
        var table = Table(columns: [
            .init(title: "ID", isNumeric: true), .init(title: "OPERATION"), .init(title: "STATE"),
            .init(title: "CHANGED", isNumeric: true), .init(title: "DONE", isNumeric: true),
            .init(title: "BEGUN", isNumeric: true), .init(title: "JOBS", fit: .shrinking),
        ])
        for operation in operations {
            let isDone = operation.finishedAt != nil
            table.append([
                .init("\(operation.id)", .bold), .init(Self.name(operation.action)),
                .init(isDone ? "done" : "running", isDone ? .green : .blue),
                .init(HumanText.number(operation.changed), operation.changed == 0 ? .dim : .plain),
                .init(Self.share(operation)), .init(HumanText.relative(operation.startedAt - now)),
                .init(Self.selection(operation.selection)),
            ])
        }
        return table
    }

    static func page(_ operation: BulkView, now: WallTime, style: Style) -> [String] {
        func moment(_ time: WallTime) -> String {
            "\(WallClockText.readable(time)) (\(HumanText.relative(time - now)))"
        }
        var rows: [(String, String)] = [
            ("State", operation.finishedAt == nil ? style.apply(.blue, "running") : style.apply(.green, "done")),
            ("Operation", Self.name(operation.action)), ("Jobs", Self.selection(operation.selection)),
            ("Begun", moment(operation.startedAt)),
        ]
        if let finishedAt = operation.finishedAt { rows.append(("Finished", moment(finishedAt))) }
        rows.append(("Changed", HumanText.number(operation.changed)))
        if operation.missed > 0 {
            rows.append(("Missed", "\(HumanText.number(operation.missed)), not as needed when their turn came"))
        }
        if operation.finishedAt == nil { rows.append(("Looked through", Self.share(operation))) }
        return [style.apply(.bold, "Operation \(operation.id)")]
            + rows.map { "  " + style.apply(.dim, $0.0.padding(to: 16)) + $0.1 }
    }

    private static func name(_ action: ChangeJobs.Action) -> String {
        switch action {
        case .prioritize(let priority): "prioritize to \(priority.rawValue)"
        case .reschedule(let due?): "reschedule to \(WallClockText.readable(due))"
        case .reschedule(nil): "reschedule to now"
        default: ViewJSON.word(action)
        }
    }

    /// How much of what was there at its beginning it has looked through.
    private static func share(_ operation: BulkView) -> String {
        guard operation.finishedAt == nil else { return "100 %" }
        guard let cursor = operation.cursor, let through = operation.through, through.sequence > 0 else { return "0 %" }
        return "\(min(99, cursor.sequence * 100 / through.sequence)) %"
    }

    private static func selection(_ selection: JobSelection) -> String {
        var words: [String] = []
        if let state = selection.state { words.append("\(state)") }
        if let queue = selection.queue { words.append("queue \(queue)") }
        if let type = selection.type { words.append("type \(type)") }
        if let tag = selection.tag { words.append("tag \(tag)") }
        if let group = selection.group { words.append("group \(group)") }
        if let batch = selection.batch { words.append("batch \(batch)") }
        if let time = selection.createdBefore { words.append("submitted before \(WallClockText.readable(time))") }
        return words.isEmpty ? "all" : HumanText.printable(words.joined(separator: ", "))
    }
}
