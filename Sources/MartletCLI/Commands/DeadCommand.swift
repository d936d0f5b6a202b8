import MartletCore
import MartletWire

/// `martlet dead`: jobs that were given up.
enum DeadCommand {
    static let spec = CommandSpec(
        name: "dead", summary: "look at, retry or delete jobs that were given up",
        subcommands: [
            CommandSpec(
                name: "list", summary: "list dead jobs with their last failure",
                options: selectionOptions + JobsCommand.pageOptions + CommandTree.connectionOptions,
                examples: [.init(command: "martlet dead list --type mail.send", meaning: "One type's dead jobs.")],
                action: { arguments, context in
                    try await JobsCommand.list(arguments, context, state: .dead)
                }),
            CommandSpec(
                name: "retry", summary: "make dead jobs ready again",
                discussion: ["Their failures are counted from zero again."],
                operands: [OperandSpec(name: "ID", help: "Jobs by id; or say which with the options", arity: .many)],
                options: [.flag("all", "All dead jobs")] + selectionOptions + CommandTree.connectionOptions,
                examples: [
                    .init(command: "martlet dead retry 41 42", meaning: "Retry two jobs."),
                    .init(command: "martlet dead retry --type mail.send", meaning: "Retry a type's dead jobs."),
                ],
                action: { try await Self.change(.retry, $0, $1) }),
            CommandSpec(
                name: "delete", summary: "delete dead jobs for good",
                discussion: ["Asks first, unless --yes is given."],
                operands: [OperandSpec(name: "ID", help: "Jobs by id; or say which with the options", arity: .many)],
                options: [.flag("all", "All dead jobs"), .flag("yes", short: "y", "Do not ask")] + selectionOptions
                    + CommandTree.connectionOptions,
                examples: [
                    .init(command: "martlet dead delete --queue mail --yes", meaning: "Empty a queue's dead list.")
                ],
                action: { try await Self.change(.delete, $0, $1) }),
        ])

    private static let selectionOptions: [OptionSpec] = [
        .option("queue", short: "q", "NAME", "Those of this queue"),
        .option("type", short: "t", "NAME", "Those of this job type"),
    ]

    @Sendable private static func change(
        _ action: ChangeJobs.Action, _ arguments: ParsedArguments, _ context: CommandContext
    ) async throws {
        let selection = try JobSelectionArguments(arguments, now: SystemEnvironment.wallTime())
        let change = ChangeJobsCommand.Change(
            action: action, verb: action == .retry ? "made ready again" : "deleted", noun: "dead job",
            isDestructive: action == .delete, hint: "see martlet dead list", requirement: "dead", state: .dead)
        try await ChangeJobsCommand.run(change, selection, arguments, context)
    }
}
