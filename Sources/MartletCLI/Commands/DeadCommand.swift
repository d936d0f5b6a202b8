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

    /// Which dead jobs are meant.
    struct Selection: Hashable, Sendable {
        let ids: [JobID]
        let queue: String?
        let type: String?

        /// - Throws: a usage error if the words name nothing, or name it in two ways.
        init(_ arguments: ParsedArguments) throws(CommandError) {
            self.queue = try arguments.name("queue")
            self.type = try arguments.name("type")
            var ids: [JobID] = []
            for text in arguments.operands { ids.append(try ParsedArguments.jobID(text)) }
            self.ids = ids
            let isFiltered = self.queue != nil || self.type != nil
            if ids.isEmpty, !isFiltered, !arguments.flag("all") {
                throw .usage("no jobs are named", fix: "give ids, --type, --queue or --all")
            }
            if !ids.isEmpty, isFiltered || arguments.flag("all") {
                throw .usage("ids cannot be mixed with --all, --type or --queue", fix: "give one or the other")
            }
            if arguments.flag("all"), isFiltered {
                throw .usage("--all cannot be mixed with --type or --queue", fix: "leave --all out")
            }
        }
    }

    @Sendable private static func change(
        _ action: ChangeDead.Action, _ arguments: ParsedArguments, _ context: CommandContext
    ) async throws {
        let selection = try Selection(arguments)
        if action == .delete, !arguments.flag("yes"), !Terminal.isInputTerminal {
            throw CommandError.usage("deleting needs a confirmation, but nobody can be asked here", fix: "add --yes")
        }
        try await CoordinatorSession.use(arguments, context) { session in
            if action == .delete, !arguments.flag("yes") {
                let count = try await Self.count(selection, session.client)
                guard count > 0 else { return context.console.note("No dead job matches.") }
                guard Self.confirm("Delete \(HumanText.count(count, "dead job")) for good?", context.console) else {
                    return context.console.note("Nothing was deleted.")
                }
            }
            let (count, missing) = try await Self.apply(action, selection, session.client)
            try Self.report(action, count: count, missing: missing, context)
        }
    }

    private static func apply(
        _ action: ChangeDead.Action, _ selection: Selection, _ client: AdminClient
    ) async throws(CommandError) -> (count: UInt64, missing: [JobID]) {
        guard !selection.ids.isEmpty else {
            let request = ChangeDead(action: action, queue: selection.queue, type: selection.type)
            return (try await client.changeDead(request).count, [])
        }
        var count: UInt64 = 0
        var missing: [JobID] = []
        for start in stride(from: 0, to: selection.ids.count, by: ChangeDead.idsMax) {
            let ids = Array(selection.ids[start..<min(start + ChangeDead.idsMax, selection.ids.count)])
            let changed = try await client.changeDead(ChangeDead(action: action, ids: ids))
            count += changed.count
            missing += changed.missing
        }
        return (count, missing)
    }

    private static func count(_ selection: Selection, _ client: AdminClient) async throws(CommandError) -> UInt64 {
        guard selection.ids.isEmpty else { return UInt64(selection.ids.count) }
        return try await client.queues()
            .filter { selection.queue ?? $0.queue == $0.queue && selection.type ?? $0.type == $0.type }
            .reduce(0) { $0 + $1.dead }
    }

    private static func confirm(_ question: String, _ console: Console) -> Bool {
        console.raw("\(question) [y/N] ")
        return ["y", "yes"].contains(Terminal.readInputLine()?.lowercased() ?? "")
    }

    private static func report(
        _ action: ChangeDead.Action, count: UInt64, missing: [JobID], _ context: CommandContext
    ) throws(CommandError) {
        if context.isJSON {
            context.console.print(
                JSONOutput.object([("changed", .count(count)), ("missing", .array(missing.map { .id($0) }))]).text)
        } else {
            let verb = action == .retry ? "made ready again" : "deleted"
            context.console.print("\(HumanText.count(count, "dead job")) \(verb)")
        }
        guard missing.isEmpty else {
            let shown = missing.prefix(5).map { "\($0)" } + (missing.count > 5 ? ["..."] : [])
            throw CommandError(
                .failure,
                "\(HumanText.count(missing.count, "job")) not there or not dead: \(shown.joined(separator: ", "))",
                fix: "see martlet dead list")
        }
    }
}
