import Martlet
import MartletConfiguration
import MartletCore
import MartletJSON

/// A workflow as a JSONL file: each line is a job as for `submit --from`, with a name and what it waits for.
enum WorkflowFile {
    /// How a line says what its job waits for.
    private static let dependencies: [(key: String, kind: DependencyKind)] = [
        ("after", .onSuccess), ("afterEnd", .onEnd), ("afterFailure", .onFailure),
    ]
    /// Keys of a line beside those of ``JobLine``.
    static let keys = ["name"] + dependencies.map(\.key)

    private struct Line {
        let number: Int
        var name: String?
        var parents: [(name: String, kind: DependencyKind)] = []
    }

    /// Reads a file. Blocks.
    ///
    /// - Parameter path: `-` for standard input.
    static func workflow(
        _ name: String, path: String, defaults: JobDefaults, payloadMax: Int
    ) throws(CommandError) -> Workflow {
        let reader = try LineReader(path: path)
        let file = path == "-" ? "standard input" : path
        var workflow = Workflow(name)
        var lines: [Line] = []
        var steps: [Workflow.Step] = []
        var bytes = 0
        while let text = try reader.next() {
            var line = Line(number: reader.lineNumber)
            do {
                let job = try JobLine.rawJob(from: text, defaults: defaults, payloadMax: payloadMax, keys: Self.keys) {
                    try Self.take($0, $1, into: &line)
                }
                guard let job else { continue }
                bytes += job.payload.count
                steps.append(workflow.add(raw: job, name: line.name))
                lines.append(line)
            } catch {
                throw CommandError(.badInput, "\(file):\(line.number): \(error.cause)", fix: error.fix)
            }
            guard lines.count <= WorkflowShape.jobsMax, bytes <= Workflow.payloadsMax else {
                throw CommandError(
                    .badInput,
                    "\(file):\(line.number): a workflow has at most \(WorkflowShape.jobsMax) jobs and "
                        + "\(HumanText.size(Workflow.payloadsMax)) of payloads", fix: "make several of it")
            }
        }
        try Self.join(steps, as: lines, of: file, in: &workflow)
        return workflow
    }

    private static func take(_ key: String, _ value: JSONValue, into line: inout Line) throws(JobLine.Problem) {
        guard let kind = Self.dependencies.first(where: { $0.key == key })?.kind else {
            line.name = try JobLine.name(value, key)
            return
        }
        guard case .array(let names) = value.content else {
            return line.parents.append((try JobLine.name(value, key), kind))
        }
        for name in names { line.parents.append((try JobLine.name(name, key), kind)) }
    }

    /// A job may wait for one of a later line.
    private static func join(
        _ steps: [Workflow.Step], as lines: [Line], of file: String, in workflow: inout Workflow
    ) throws(CommandError) {
        var known: [String: Workflow.Step] = [:]
        for step in steps where known[step.name] == nil { known[step.name] = step }
        for (step, line) in zip(steps, lines) {
            for parent in line.parents {
                guard let other = known[parent.name] else {
                    let nearest = NearestWord.to(parent.name, among: steps.map(\.name))
                    throw CommandError(
                        .badInput,
                        "\(file):\(line.number): \"\(step.name)\" waits for \"\(parent.name)\", which no line is called",
                        fix: nearest.map { "did you mean \"\($0)\"?" } ?? "name a line so")
                }
                switch parent.kind {
                case .onSuccess: workflow.order(step, after: other)
                case .onEnd: workflow.order(step, after: .onEnd(other))
                case .onFailure: workflow.order(step, after: .onFailure(of: other))
                }
            }
        }
    }
}
