import MartletCore
import MartletWire

/// Why jobs wait, in sentences and as JSON.
enum ExplainText {
    /// For programs.
    static func name(of reason: WaitReason) -> String {
        switch reason {
        case .running: "running"
        case .over: "over"
        case .due: "due later"
        case .dependencies: "dependencies"
        case .unserved: "no node"
        case .queuePaused: "queue paused"
        case .typePaused: "type paused"
        case .queueCap: "queue cap"
        case .typeCap: "type cap"
        case .keyCap: "key cap"
        case .keyOrder: "key order"
        case .recovery: "recovery"
        case .loading: "loading"
        case .order: "order"
        case .slot: "slot"
        case .alone: "alone"
        case .prefetched: "fetched ahead"
        case .askedBack: "asked back"
        case .serviceUnknown: "service unknown"
        case .servicePaused: "service paused"
        case .serviceWeight: "service weight"
        case .serviceBreaker: "service breaker"
        case .serviceClosed: "service closed"
        case .serviceConcurrency: "service concurrency"
        case .serviceKeyConcurrency: "service key concurrency"
        case .serviceKeys: "service keys"
        case .serviceTokens: "service tokens"
        case .serviceKeyTokens: "service key tokens"
        }
    }

    /// What holds a job up, without a full stop.
    static func sentence(_ reason: WaitReason, _ subject: String) -> String {
        let subject = HumanText.printable(subject)
        switch reason {
        case .running: return subject.isEmpty ? "on its way to a worker" : "running on \(subject)"
        case .over: return "has ended"
        case .due: return "due later"
        case .dependencies: return "waits for other jobs to end"
        case .unserved: return "no connected worker serves type \(subject)"
        case .queuePaused: return "queue \(subject) is paused"
        case .typePaused: return "type \(subject) is paused"
        case .queueCap: return "queue \(subject) runs as many jobs as it may"
        case .typeCap: return "type \(subject) runs as many jobs as it may"
        case .keyCap: return "key \(subject) runs as many jobs as it may"
        case .keyOrder: return "an earlier job of key \(subject) has not ended"
        case .recovery: return "the coordinator has just started and waits for its workers"
        case .loading: return "its payload is being read"
        case .order: return "other jobs come first"
        case .slot: return "waits for a free slot"
        case .alone: return "took workers down with it, and waits for one of its own"
        case .prefetched: return "fetched ahead by \(subject), not started yet"
        case .askedBack: return "not started by \(subject), and asked back for a worker that is idle"
        case .serviceUnknown: return "service \(subject) is not configured"
        case .servicePaused: return "service \(subject) is paused"
        case .serviceWeight: return "takes more of service \(subject) than its burst: it will never run"
        case .serviceBreaker: return "service \(subject) was unavailable too often and is left alone"
        case .serviceClosed: return "service \(subject) asked to be left alone"
        case .serviceConcurrency: return "service \(subject) is used by as many jobs as it may"
        case .serviceKeyConcurrency: return "\(subject) is used by as many jobs as it may"
        case .serviceKeys: return "service \(subject) has more keys in use than are remembered"
        case .serviceTokens: return "the tokens of service \(subject) are used up"
        case .serviceKeyTokens: return "the tokens of \(subject) are used up"
        }
    }

    static func lines(_ id: JobID, _ explanation: JobExplanation, now: WallTime, style: Style) -> [String] {
        let sentence = Self.sentence(explanation.reason, explanation.subject)
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

    static func json(_ id: JobID, _ explanation: JobExplanation) -> JSONOutput {
        .object([
            ("id", .id(id)), ("state", .string("\(explanation.state)")),
            ("reason", .string(Self.name(of: explanation.reason))),
            ("subject", .optional(explanation.subject.isEmpty ? nil : explanation.subject)),
            ("text", .string(Self.sentence(explanation.reason, explanation.subject))),
            ("since", .time(explanation.since)), ("ahead", .count(explanation.ahead)),
            ("missingTokens", .count(explanation.missing)),
            ("startsInSeconds", explanation.startsIn.map { .seconds($0) } ?? .null),
        ])
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
            lines.append("  \(padding)\(count)  \(Self.sentence(part.reason, part.subject))\(style.apply(.dim, next))")
        }
        return lines
    }

    static func json(_ queue: String, _ explanation: QueueExplanation) -> JSONOutput {
        .object([
            ("queue", .string(queue)), ("runnable", .count(explanation.runnable)),
            ("blocked", .count(explanation.blocked)), ("running", .count(explanation.running)),
            (
                "waiting",
                .array(
                    explanation.parts.map { part in
                        .object([
                            ("reason", .string(Self.name(of: part.reason))),
                            ("subject", .optional(part.subject.isEmpty ? nil : part.subject)),
                            ("count", .count(part.count)),
                            ("startsInSeconds", part.startsIn.map { .seconds($0) } ?? .null),
                        ])
                    })
            ),
        ])
    }
}
