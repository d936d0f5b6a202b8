import MartletCore
import MartletWire

/// `martlet workflow`: jobs that wait for others.
enum WorkflowCommand {
    static let spec = CommandSpec(
        name: "workflow", summary: "look at workflows: jobs that wait for others",
        subcommands: [
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

    @Sendable private static func list(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let limit = try arguments.count("limit", in: 1...1000) ?? 20
        try await CoordinatorSession.use(arguments, context) { session in
            let workflows = try await session.client.workflows(ListWorkflows(limit: UInt32(limit)))
            if context.isJSON {
                context.console.print(lines: workflows.map { GroupText.json($0).text })
            } else if workflows.isEmpty {
                context.console.note("There are no workflows.")
            } else {
                context.console.print(GroupText.table(workflows, now: session.wallTime))
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
                context.console.print(GroupText.json(detail).text)
            } else {
                context.console.print(
                    lines: WorkflowTree(detail).lines(now: session.wallTime, style: context.console.output))
            }
        }
    }
}

/// `martlet batch`: sets of jobs.
enum BatchCommand {
    static let spec = CommandSpec(
        name: "batch", summary: "look at batches: sets of jobs that are counted together",
        subcommands: [
            CommandSpec(
                name: "list", summary: "list batches, the latest first",
                options: [.option("limit", short: "n", "COUNT", "How many at most (20)")]
                    + CommandTree.connectionOptions,
                examples: [.init(command: "martlet batch list", meaning: "The last twenty batches.")],
                action: Self.list),
            CommandSpec(
                name: "show", summary: "show how far a batch has got",
                operands: [OperandSpec(name: "ID", help: "The batch's number")],
                options: [.flag("watch", short: "w", "Go on showing it until it has ended")]
                    + CommandTree.connectionOptions,
                examples: [
                    .init(command: "martlet batch show 42 --watch", meaning: "Watch a batch until it has ended.")
                ],
                action: Self.show),
            CommandSpec(
                name: "close", summary: "let a batch end: it takes no more jobs",
                operands: [OperandSpec(name: "ID", help: "The batch's number")],
                options: CommandTree.connectionOptions,
                examples: [
                    .init(command: "martlet batch close 42", meaning: "Close a batch whose client is gone.")
                ],
                action: { arguments, context in
                    let id = try Self.id(arguments)
                    try await CoordinatorSession.use(arguments, context) { session in
                        Self.print(try await session.client.close(id), session, context)
                    }
                }),
        ])

    private static let watchInterval: Duration = .milliseconds(500)

    @Sendable private static func list(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let limit = try arguments.count("limit", in: 1...1000) ?? 20
        try await CoordinatorSession.use(arguments, context) { session in
            let batches = try await session.client.batches(ListBatches(limit: UInt32(limit)))
            if context.isJSON {
                context.console.print(lines: batches.map { GroupText.json($0).text })
            } else if batches.isEmpty {
                context.console.note("There are no batches.")
            } else {
                context.console.print(GroupText.table(batches, now: session.wallTime))
            }
        }
    }

    @Sendable private static func show(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let id = try Self.id(arguments)
        try await CoordinatorSession.use(arguments, context) { session in
            var batch = try await session.client.batch(id)
            if arguments.flag("watch") {
                let done = Int(clamping: batch.total - batch.pending)
                let bar = ProgressBar(total: Int(clamping: batch.total), noun: "jobs ended")
                var reporter = ProgressReporter(bar, console: context.console)
                while batch.finishedAt == nil {
                    let ended = Int(clamping: batch.total - batch.pending)
                    reporter.show(done: max(0, ended - done), progress: ended, isQuiet: context.isJSON)
                    try await Task.sleep(for: Self.watchInterval)
                    batch = try await session.client.batch(id)
                }
                reporter.clear()
            }
            Self.print(batch, session, context)
        }
    }

    private static func print(_ batch: BatchView, _ session: CoordinatorSession, _ context: CommandContext) {
        if context.isJSON {
            context.console.print(GroupText.json(batch).text)
        } else {
            context.console.print(
                lines: GroupText.page(
                    batch, now: session.wallTime, width: context.console.width ?? 80, style: context.console.output))
        }
    }

    private static func id(_ arguments: ParsedArguments) throws -> BatchID {
        BatchID(rawValue: try ParsedArguments.jobID(arguments.operands[0]).rawValue)
    }
}
