import Martlet
import MartletConfiguration
import MartletCore
import MartletJSON
import MartletWire

/// `martlet workflow`: jobs that wait for others.
enum WorkflowCommand {
    static let spec = CommandSpec(
        name: "workflow", summary: "submit workflows, jobs that wait for others, and look at them",
        subcommands: [
            CommandSpec(
                name: "submit", summary: "submit a workflow, whole or not at all, and print its number",
                discussion: [
                    "Each line of the file is a job: an object with the keys of \"martlet submit --from\", and "
                        + HumanText.list(WorkflowFile.keys, last: "and") + ". What \"after\" names, a job or a list "
                        + "of them, must succeed before the job may run; otherwise the job is cancelled. \"afterEnd\" "
                        + "waits for an end of any kind, \"afterFailure\" for one that is no success. A line may name "
                        + "a later one. A line without a name is called as its type.",
                    "A job that a program runs is not told of its parents' results; one in Swift is.",
                ],
                operands: [
                    OperandSpec(name: "NAME", help: "What people call it"),
                    OperandSpec(name: "FILE", help: "A JSONL file; - is standard input"),
                ],
                options: [
                    .option("queue", short: "q", "NAME", "The queue of jobs that name none (default)")
                ] + CommandTree.submitOptions,
                examples: [
                    .init(
                        command: "martlet workflow submit \"video 7\" video.jsonl",
                        meaning: "Submit the jobs of a file, and what waits for what.")
                ],
                action: Self.submit),
            CommandSpec(
                name: "list", summary: "list workflows, the latest first",
                options: [.option("limit", short: "n", "COUNT", "How many at most (20)")]
                    + CommandTree.connectionOptions,
                examples: [.init(command: "martlet workflow list", meaning: "The last twenty workflows.")],
                action: Self.list),
            CommandSpec(
                name: "show", summary: "show a workflow's jobs as a tree, with their states",
                discussion: [
                    "Each job stands below one of those that it waits for; if it waits for others too, they are named "
                        + "behind it. \"(end)\" marks a job that goes on however the one above it ended, \"(failure)\" "
                        + "one that runs only if that did not succeed."
                ],
                operands: [OperandSpec(name: "ID", help: "The workflow's number, that of its first job")],
                options: CommandTree.connectionOptions,
                examples: [.init(command: "martlet workflow show 42", meaning: "What is done and what is to come.")],
                action: Self.show),
        ])

    @Sendable private static func submit(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let configuration = try context.loadConfiguration().configuration
        var defaults = JobDefaults()
        if let queue = try arguments.name("queue") { defaults.queue = queue }
        defaults.retryPolicies = configuration.jobTypes.mapValues(\.retry)
        let workflow = try WorkflowFile.workflow(
            arguments.operands[0], path: arguments.operands[1], defaults: defaults,
            payloadMax: configuration.limits.payloadMax)
        try await SubmitCommand.withClient(arguments, context) { client in
            let handle = try await client.submit(workflow)
            let json = JSONOutput.object([("id", .id(handle.id)), ("jobs", .count(workflow.count))])
            context.console.print(context.isJSON ? json.text : "\(handle.id)")
        }
    }

    @Sendable private static func list(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let limit = try arguments.count("limit", in: 1...1000) ?? 20
        try await CoordinatorSession.use(arguments, context) { session in
            let workflows = try await session.client.workflows(ListWorkflows(limit: UInt32(limit)))
            context.show(workflows, none: "There are no workflows.", json: { ViewJSON.workflow($0) }) {
                GroupText.table($0, now: session.wallTime)
            }
        }
    }

    @Sendable private static func show(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let id = try ParsedArguments.jobID(arguments.operands[0])
        try await CoordinatorSession.use(arguments, context) { session in
            var detail = try await session.client.workflow(ShowWorkflow(id: id))
            while let next = detail.next {
                let more = try await session.client.workflow(ShowWorkflow(id: id, after: next))
                detail.members += more.members
                detail.next = more.next
            }
            if context.isJSON {
                context.console.print(ViewJSON.workflow(detail).text)
            } else {
                context.console.print(
                    lines: WorkflowTree(detail).lines(
                        now: session.wallTime, width: context.console.width, style: context.console.output))
            }
        }
    }
}
