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

    /// - Parameter width: columns of the terminal; nil if lines may be as long as they are.
    func lines(now: WallTime, width: Int?, style: Style) -> [String] {
        var lines = self.head(now: now, width: width).map { $0.text(style: style, width: width) }
        // A stack, since a chain may be 10,000 deep.
        var left = self.siblings(self.roots, indent: "")
        while let next = left.popLast() {
            lines.append(
                self.line(next.place, behind: next.indent + next.branch, now: now).text(style: style, width: width))
            let indent = next.indent + (next.branch == "├─ " ? "│  " : "   ")
            left += self.siblings(self.children[next.place], indent: Self.shortened(indent))
        }
        return lines
    }

    /// One line, or two if the name is long.
    private func head(now: WallTime, width: Int?) -> [StyledLine] {
        let workflow = self.detail.workflow
        let done = workflow.total - workflow.open
        let end =
            workflow.finishedAt.map { "ended \(HumanText.relative($0 - now))" }
            ?? "begun \(HumanText.relative(workflow.createdAt - now))"
        func add(to line: inout StyledLine) {
            line.add(
                "workflow \(workflow.id), \(HumanText.number(done)) of \(HumanText.number(workflow.total)) jobs ended")
            if workflow.failed > 0 { line.add(", \(HumanText.number(workflow.failed)) failed", .red) }
            line.add(", \(end)")
        }
        var line = StyledLine(workflow.name, .bold)
        line.add("  ")
        add(to: &line)
        guard let width, line.width > width else { return [line] }
        var rest = StyledLine()
        add(to: &rest)
        return [StyledLine(workflow.name, .bold), rest]
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

    private func line(_ place: Int, behind branch: String, now: WallTime) -> StyledLine {
        let member = self.detail.members[place]
        let ink = JobText.ink(member.job.state)
        var line = StyledLine(branch)
        line.add(Self.mark(member.job.state), ink)
        line.add(" ")
        line.add(member.name, .bold)
        line.add("  \(member.job.id)  ")
        line.add("\(member.job.state)", ink)
        if let node = member.job.node { line.add(" on \(node)") }
        if let finished = member.job.finishedAt { line.add(" \(HumanText.relative(finished - now))", .dim) }
        line.add(member.parents.last.map { Self.note($0.kind) } ?? "")
        let others = member.parents.dropLast().compactMap { self.placeOf[$0.id] }.map { self.detail.members[$0].name }
        if !others.isEmpty { line.add("  also after \(Self.list(others))", .dim) }
        // Last, since it may be long.
        if let failure = member.job.lastFailure, member.job.state != .succeeded {
            line.add("  \(failure.kind): \(failure.message)", .dim)
        }
        return line
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
