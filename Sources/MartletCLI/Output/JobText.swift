import MartletConfiguration
import MartletCore
import MartletJSON
import MartletWire

/// Jobs as tables, pages and JSON.
enum JobText {
    static let stateNames = JobState.allCases.map { "\($0)" }

    static func state(named name: String) -> JobState? { JobState.allCases.first { "\($0)" == name } }

    static func ink(_ state: JobState) -> Style.Ink {
        switch state {
        case .blocked, .scheduled: .yellow
        case .ready: .cyan
        case .running: .blue
        case .succeeded: .green
        case .dead: .red
        case .cancelled, .expired: .dim
        }
    }

    /// - Parameter now: what ages are counted from.
    static func table(_ jobs: [JobView], now: WallTime) -> Table {
        var table = Table(columns: [
            .init(title: "ID", isNumeric: true), .init(title: "STATE"), .init(title: "QUEUE", fit: .shrinking),
            .init(title: "TYPE", fit: .shrinking), .init(title: "FAILED", isNumeric: true),
            .init(title: "AGE", isNumeric: true), .init(title: "NOTE", fit: .shrinking),
        ])
        for job in jobs {
            table.append([
                .init("\(job.id)", .bold), .init("\(job.state)", Self.ink(job.state)), .init(job.template.queue),
                .init(job.template.type), .init("\(job.failures)", job.failures > 0 ? .yellow : .dim),
                .init(HumanText.duration(now - job.createdAt)), .init(Self.note(job, now: now)),
            ])
        }
        return table
    }

    /// The most telling thing about a job in its state.
    private static func note(_ job: JobView, now: WallTime) -> String {
        switch job.state {
        case .blocked: job.waits > 0 ? "waits for \(job.waits) other jobs" : "waits for other jobs"
        case .running:
            [job.node.map { "on \($0)" }, job.progress.map(Self.progress)].compactMap { $0 }.joined(separator: ", ")
        case .scheduled: job.due.map { "due \(HumanText.relative($0 - now))" } ?? ""
        case .ready: job.lastFailure.map { "again after \($0.kind)" } ?? ""
        case .dead: job.lastFailure.map(Self.failure) ?? ""
        case .succeeded, .cancelled, .expired:
            job.finishedAt.map { HumanText.relative($0 - now) } ?? ""
        }
    }

    private static func progress(_ progress: Report.Progress) -> String {
        let percent = "\(Int((progress.fraction * 100).rounded())) %"
        return progress.message.isEmpty ? percent : "\(percent) \(HumanText.printable(progress.message))"
    }

    private static func failure(_ failure: JobFailure) -> String {
        failure.message.isEmpty ? failure.kind : "\(failure.kind): \(failure.message)"
    }

    /// One job in full.
    ///
    /// - Parameter payloadBytesMax: a longer payload is cut, and says so.
    static func page(_ detail: JobDetail, now: WallTime, style: Style, payloadBytesMax: Int = 4096) -> [String] {
        let job = detail.job
        func moment(_ time: WallTime) -> String {
            "\(WallClockText.readable(time)) (\(HumanText.relative(time - now)))"
        }
        var rows: [(String, String)] = [
            ("State", style.apply(Self.ink(job.state), "\(job.state)") + (job.node.map { " on \($0)" } ?? "")),
            ("Type", job.template.type), ("Queue", job.template.queue),
            ("Priority", "\(job.template.options.priority.rawValue)"), ("Created", moment(job.createdAt)),
        ]
        if let due = job.due { rows.append(("Due", moment(due))) }
        if let finished = job.finishedAt { rows.append(("Finished", moment(finished))) }
        rows.append(("Failures", Self.failures(job)))
        if let timeout = job.template.options.timeout { rows.append(("Timeout", HumanText.duration(timeout))) }
        rows += Self.rareRows(job, moment)
        if job.nodeDeaths > 0 { rows.append(("Node deaths", "\(job.nodeDeaths)")) }
        if let failure = job.lastFailure {
            rows.append(("Last failure", style.apply(.red, HumanText.printable(failure.kind))))
        }
        var lines = [style.apply(.bold, "Job \(job.id)")]
        lines += rows.map { "  " + style.apply(.dim, $0.0.padding(to: 14)) + $0.1 }
        for line in (job.lastFailure?.message ?? "").split(separator: "\n") {
            lines.append(String(repeating: " ", count: 16) + HumanText.printable(String(line)))
        }
        lines += Self.attempts(detail.attempts, now: now, style: style)
        if let result = detail.result {
            lines += ["", style.apply(.bold, "Result") + style.apply(.dim, " (\(HumanText.size(result.count)))")]
            lines += Self.payload(result, bytesMax: payloadBytesMax)
        }
        lines.append("")
        lines.append(style.apply(.bold, "Payload") + style.apply(.dim, " (\(HumanText.size(detail.payload.count)))"))
        return lines + Self.payload(detail.payload, bytesMax: payloadBytesMax)
    }

    /// What few jobs have.
    private static func rareRows(_ job: JobView, _ moment: (WallTime) -> String) -> [(String, String)] {
        let options = job.template.options
        var rows: [(String, String)] = []
        if let progress = job.progress { rows.append(("Progress", Self.progress(progress))) }
        if let expires = job.expires { rows.append((job.state.isTerminal ? "Kept until" : "Expires", moment(expires))) }
        if job.waits > 0 { rows.append(("Waits for", "\(job.waits) jobs")) }
        if let workflow = job.workflow { rows.append(("Workflow", "\(workflow)")) }
        if let batch = options.batch { rows.append(("Batch", "\(batch)")) }
        if let unique = options.unique { rows.append(("Unique key", HumanText.printable(unique.key))) }
        if let group = options.group { rows.append(("Group", HumanText.printable(group))) }
        if let key = options.key {
            rows.append(("Key", HumanText.printable(key) + (options.isOrdered ? ", in order" : "")))
        }
        if let services = options.services {
            let text = services.map { HumanText.printable("\($0)") }.joined(separator: ", ")
            rows.append(("Services", services.isEmpty ? "none" : text))
        }
        if !options.tags.isEmpty { rows.append(("Tags", options.tags.joined(separator: ", "))) }
        for (name, value) in options.metadata.sorted(by: { $0.key < $1.key }) {
            rows.append((HumanText.printable(name), HumanText.printable(value)))
        }
        return rows
    }

    private static func attempts(_ attempts: [JobDetail.Attempt], now: WallTime, style: Style) -> [String] {
        guard !attempts.isEmpty else { return [] }
        var lines = ["", style.apply(.bold, "Failed attempts")]
        for attempt in attempts {
            let when = HumanText.relative(attempt.endedAt - now)
            lines.append(
                "  \(attempt.number). " + style.apply(.red, HumanText.printable(Self.failure(attempt.failure)))
                    + style.apply(.dim, " (\(when) on \(attempt.node))"))
            let output = String(decoding: attempt.output.array, as: UTF8.self)
            for line in output.split(separator: "\n").suffix(20) {
                lines.append("     " + style.apply(.dim, "| ") + HumanText.printable(String(line)))
            }
        }
        return lines
    }

    private static func failures(_ job: JobView) -> String {
        guard let retry = job.template.options.retry else { return "\(job.failures)" }
        return "\(job.failures) of at most \(retry.maxAttempts)"
    }

    private static func payload(_ payload: Bytes, bytesMax: Int) -> [String] {
        let shown = payload[0..<min(payload.count, bytesMax)]
        let text = String(decoding: shown.array, as: UTF8.self)
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map {
            HumanText.printable(String($0))
        }
        if shown.count < payload.count {
            lines.append("... and \(HumanText.size(payload.count - shown.count)) more; --payload prints all of it")
        }
        return lines.map { "  \($0)" }
    }

}

extension String {
    func padding(to width: Int) -> String { self + String(repeating: " ", count: max(1, width - self.count)) }
}
