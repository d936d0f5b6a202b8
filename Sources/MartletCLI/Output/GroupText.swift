import MartletCore
import MartletWire

/// Workflows and batches as tables, pages and JSON.
enum GroupText {
    // MARK: Workflows

    static func table(_ workflows: [WorkflowView], now: WallTime) -> Table {
        var table = Table(columns: [
            .init(title: "ID", isNumeric: true), .init(title: "NAME", fit: .shrinking), .init(title: "STATE"),
            .init(title: "JOBS", isNumeric: true), .init(title: "OPEN", isNumeric: true),
            .init(title: "FAILED", isNumeric: true), .init(title: "AGE", isNumeric: true),
        ])
        for workflow in workflows {
            let isOver = workflow.finishedAt != nil
            let state = isOver ? (workflow.failed > 0 ? "failed" : "succeeded") : "open"
            table.append([
                .init("\(workflow.id)", .bold), .init(workflow.name),
                .init(state, isOver ? (workflow.failed > 0 ? .red : .green) : .cyan),
                .init(HumanText.number(workflow.total)), .init(HumanText.number(workflow.open)),
                .init(HumanText.number(workflow.failed), workflow.failed > 0 ? .red : .dim),
                .init(HumanText.duration(now - workflow.createdAt)),
            ])
        }
        return table
    }

    // MARK: Batches

    static func table(_ batches: [BatchView], now: WallTime) -> Table {
        var table = Table(columns: [
            .init(title: "ID", isNumeric: true), .init(title: "NAME", fit: .shrinking), .init(title: "STATE"),
            .init(title: "TOTAL", isNumeric: true), .init(title: "PENDING", isNumeric: true),
            .init(title: "DONE", isNumeric: true), .init(title: "DEAD", isNumeric: true),
            .init(title: "AGE", isNumeric: true),
        ])
        for batch in batches {
            table.append([
                .init("\(batch.id)", .bold), .init(batch.name), .init(Self.state(of: batch), Self.ink(of: batch)),
                .init(HumanText.number(batch.total)), .init(HumanText.number(batch.pending)),
                .init(Self.percent(of: batch)), .init(HumanText.number(batch.dead), batch.dead > 0 ? .red : .dim),
                .init(HumanText.duration(now - batch.createdAt)),
            ])
        }
        return table
    }

    /// A few lines with a bar.
    static func page(_ batch: BatchView, now: WallTime, width: Int, style: Style) -> [String] {
        let room = max(10, min(40, width - 30))
        let ended = batch.total - batch.pending
        let filled = batch.total == 0 ? (batch.finishedAt == nil ? 0 : room) : Int(ended) * room / Int(batch.total)
        let bar =
            style.apply(batch.dead > 0 ? .yellow : .green, String(repeating: "█", count: filled))
            + style.apply(.dim, String(repeating: "░", count: room - filled))
        let time =
            batch.finishedAt.map { "ended \(HumanText.relative($0 - now))" }
            ?? "opened \(HumanText.relative(batch.createdAt - now))"
        var counts = ["\(HumanText.number(batch.pending)) pending"]
        counts.append(style.apply(.green, "\(HumanText.number(batch.succeeded)) succeeded"))
        if batch.dead > 0 { counts.append(style.apply(.red, "\(HumanText.number(batch.dead)) dead")) }
        if batch.cancelled > 0 { counts.append("\(HumanText.number(batch.cancelled)) cancelled") }
        if batch.expired > 0 { counts.append("\(HumanText.number(batch.expired)) expired") }
        let within = batch.parent.map { ", within batch \($0)" } ?? ""
        return [
            "\(style.apply(.bold, batch.name))  batch \(batch.id), "
                + "\(style.apply(Self.ink(of: batch), Self.state(of: batch))), \(time)\(within)",
            "\(bar)  \(Self.percent(of: batch)) of \(HumanText.number(batch.total)) jobs",
            counts.joined(separator: ", "),
        ]
    }

    private static func percent(of batch: BatchView) -> String {
        guard batch.total > 0 else { return batch.finishedAt == nil ? "0%" : "100%" }
        return "\((batch.total - batch.pending) * 100 / batch.total)%"
    }

    private static func state(of batch: BatchView) -> String {
        if batch.finishedAt != nil { return batch.succeeded == batch.total ? "succeeded" : "ended" }
        return batch.isClosed ? "closed" : "open"
    }

    private static func ink(of batch: BatchView) -> Style.Ink {
        if batch.finishedAt != nil { return batch.succeeded == batch.total ? .green : .yellow }
        return .cyan
    }
}
