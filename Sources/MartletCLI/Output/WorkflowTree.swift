import MartletCore
import MartletWire

/// A workflow as a tree: each job below one of those that it waits for.
struct WorkflowTree {
    private let detail: WorkflowDetail
    private let placeOf: [JobID: Int]
    /// Places of the jobs that stand below each.
    private let children: [[Int]]
    private let roots: [Int]

    init(_ detail: WorkflowDetail) {
        self.detail = detail
        var placeOf: [JobID: Int] = [:]
        for (place, member) in detail.members.enumerated() { placeOf[member.job.id] = place }
        var children: [[Int]] = Array(repeating: [], count: detail.members.count)
        var roots: [Int] = []
        for (place, member) in detail.members.enumerated() {
            // Below the last of its parents: it comes after all of them then, as a rule.
            if let parent = member.parents.compactMap({ placeOf[$0.id] }).last {
                children[parent].append(place)
            } else {
                roots.append(place)
            }
        }
        self.placeOf = placeOf
        self.children = children
        self.roots = roots
    }

    func lines(now: WallTime, style: Style) -> [String] {
        let workflow = self.detail.workflow
        let done = workflow.total - workflow.open
        let end =
            workflow.finishedAt.map { "ended \(HumanText.relative($0 - now))" }
            ?? "begun \(HumanText.relative(workflow.createdAt - now))"
        let failed = workflow.failed > 0 ? style.apply(.red, ", \(HumanText.number(workflow.failed)) failed") : ""
        var lines = [
            "\(style.apply(.bold, workflow.name))  workflow \(workflow.id), "
                + "\(HumanText.number(done)) of \(HumanText.number(workflow.total)) jobs ended\(failed), \(end)"
        ]
        // A stack, since a chain may be 10,000 deep.
        var left = self.siblings(self.roots, indent: "")
        while let next = left.popLast() {
            lines.append(next.indent + next.branch + self.text(next.place, now: now, style: style))
            let indent = next.indent + (next.branch == "├─ " ? "│  " : "   ")
            left += self.siblings(self.children[next.place], indent: Self.shortened(indent))
        }
        return lines
    }

    /// Beyond this a line says nothing more by being further to the right.
    private static let indentMax = 60

    private static func shortened(_ indent: String) -> String { String(indent.suffix(Self.indentMax)) }

    /// The last of them first, as a stack wants it.
    private func siblings(_ places: [Int], indent: String) -> [(place: Int, indent: String, branch: String)] {
        places.enumerated().reversed().map { offset, place in
            (place, indent, offset == places.count - 1 ? "└─ " : "├─ ")
        }
    }

    private func text(_ place: Int, now: WallTime, style: Style) -> String {
        let member = self.detail.members[place]
        let mark = style.apply(JobText.ink(member.job.state), Self.mark(member.job.state))
        var text = "\(mark) \(style.apply(.bold, member.name))  \(member.job.id)  "
        text += style.apply(JobText.ink(member.job.state), "\(member.job.state)")
        if let node = member.job.node { text += " on \(node)" }
        if let finished = member.job.finishedAt { text += style.apply(.dim, " \(HumanText.relative(finished - now))") }
        if let failure = member.job.lastFailure, member.job.state != .succeeded {
            text += style.apply(.dim, " " + HumanText.printable("\(failure.kind): \(failure.message)"))
        }
        let kind = member.parents.last.map { Self.note($0.kind) } ?? ""
        let others = member.parents.dropLast().compactMap { self.placeOf[$0.id] }.map { self.detail.members[$0].name }
        if !others.isEmpty { text += style.apply(.dim, "  also after \(Self.list(others))") }
        return text + kind
    }

    private static func list(_ names: [String]) -> String {
        names.count <= 5 ? HumanText.list(names, last: "and") : "\(names.count) others"
    }

    private static func note(_ kind: DependencyKind) -> String {
        switch kind {
        case .onSuccess: ""
        case .onEnd: "  (end)"
        case .onFailure: "  (failure)"
        }
    }

    private static func mark(_ state: JobState) -> String {
        switch state {
        case .blocked, .scheduled: "◌"
        case .ready: "○"
        case .running: "◐"
        case .succeeded: "✓"
        case .dead: "✗"
        case .cancelled, .expired: "–"
        }
    }
}
