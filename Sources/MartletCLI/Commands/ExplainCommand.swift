import MartletCore
import MartletJSON
import MartletWire

/// `martlet explain`: why a job is not running, and what the jobs of a queue wait for.
enum ExplainCommand {
    static let spec = CommandSpec(
        name: "explain", summary: "say why a job is not running, or what a queue waits for",
        discussion: [
            "For a job: what holds it up and since when, how many jobs come before it, and when it can start at the "
                + "earliest. For a queue: how many jobs are runnable, so that more workers would help, and what each of "
                + "the others waits for.",
            "What is said of tokens holds for the rates as they are set; other lanes that use the same service may "
                + "come in between.",
        ],
        operands: [OperandSpec(name: "ID", help: "The job's id, as \"jobs list\" shows it", arity: .optional)],
        options: [.option("queue", short: "q", "NAME", "Explain this queue instead")] + CommandTree.connectionOptions,
        examples: [
            .init(command: "martlet explain 42", meaning: "Why job 42 is not running."),
            .init(
                command: "martlet explain --queue mail --json | jq .runnable",
                meaning: "How much work more workers could do, for an autoscaler."),
        ],
        action: Self.run)

    @Sendable private static func run(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let queue = try arguments.name("queue")
        let id = try arguments.operands.first.map { try ParsedArguments.jobID($0) }
        guard (queue == nil) != (id == nil) else {
            throw CommandError.usage(
                queue == nil ? "ID is missing" : "an id and --queue say two things",
                fix: "write martlet explain ID, or martlet explain --queue NAME")
        }
        try await CoordinatorSession.use(arguments, context) { session in
            if let id {
                let explanation: JobExplanation = try await session.client.ask(ExplainJob(id: id))
                if context.isJSON { return context.console.print(ViewJSON.explanation(of: id, explanation).text) }
                context.console.print(
                    lines: ExplainText.lines(id, explanation, now: session.wallTime, style: context.console.output))
            } else if let queue {
                let explanation: QueueExplanation = try await session.client.ask(ExplainQueue(name: queue))
                if context.isJSON { return context.console.print(ViewJSON.backlog(of: queue, explanation).text) }
                context.console.print(
                    lines: ExplainText.lines(queue, explanation, style: context.console.output))
            }
        }
    }
}
