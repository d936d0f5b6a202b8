import MartletCore
import MartletJSON
import MartletWire

/// Why jobs wait, in sentences and as JSON.
enum ExplainText {
    static func lines(_ id: JobID, _ explanation: JobExplanation, now: WallTime, style: Style) -> [String] {
        let sentence = WaitSentence.text(explanation.reason, explanation.subject)
        let ink: Style.Ink =
            switch explanation.reason {
            case .running, .over: .green
            case .slot, .order, .due, .loading, .prefetched, .askedBack: .cyan
            default: .yellow
            }
        var lines = ["job \(id) is \(explanation.state): \(style.apply(ink, sentence))"]
        func line(_ name: String, _ value: String) {
            lines.append("  " + style.apply(.dim, name + String(repeating: " ", count: 10 - name.count)) + value)
        }
        if let since = explanation.since { line("since", HumanText.relative(since - now)) }
        if explanation.ahead > 0 {
            let noun = explanation.reason == .dependencies ? "jobs are to end first" : "jobs of its lane come first"
            line("before it", "\(HumanText.number(explanation.ahead)) \(noun)")
        }
        if explanation.missing > 0 {
            line("missing", "\(HumanText.count(explanation.missing, "token")), those for the jobs before it included")
        }
        if let startsIn = explanation.startsIn { line("starts", "\(HumanText.relative(startsIn)) at the earliest") }
        return lines
    }

    static func lines(_ queue: String, _ explanation: QueueExplanation, style: Style) -> [String] {
        let total = explanation.runnable + explanation.blocked
        var lines = [
            "queue \(queue): \(HumanText.count(total, "job")) ready, "
                + style.apply(.green, "\(HumanText.number(explanation.runnable)) runnable") + ", "
                + style.apply(
                    explanation.blocked == 0 ? .dim : .yellow, "\(HumanText.number(explanation.blocked)) blocked")
                + "; \(HumanText.number(explanation.running)) with workers"
        ]
        let width = explanation.parts.map { HumanText.number($0.count).count }.max() ?? 0
        for part in explanation.parts {
            let count = HumanText.number(part.count)
            let padding = String(repeating: " ", count: width - count.count)
            let next = part.startsIn.map { ", the next \(HumanText.relative($0))" } ?? ""
            lines.append(
                "  \(padding)\(count)  \(WaitSentence.text(part.reason, part.subject))\(style.apply(.dim, next))")
        }
        return lines
    }
}
