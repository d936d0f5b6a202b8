import Martlet
import MartletConfiguration
import MartletCore
import MartletJSON
import MartletWire

/// `martlet batch`: sets of jobs.
enum BatchCommand {
    static let spec = CommandSpec(
        name: "batch", summary: "open batches, sets of jobs that are counted together, and look at them",
        subcommands: [
            CommandSpec(
                name: "open", summary: "open a batch and print its number",
                discussion: [
                    "Jobs join it by \"martlet submit --batch ID\". It ends once it is closed and all of them have "
                        + "ended. Its callbacks are jobs too: each runs once at most."
                ],
                operands: [OperandSpec(name: "NAME", help: "What people call it")],
                options: callbacks.map { .option($0.option, "TYPE", $0.help) } + [
                    .option("payload", "JSON", "What the callbacks get ({})"),
                    .option("queue", short: "q", "NAME", "The queue of the callbacks (default)"),
                    .option("within", "ID", "Count it as a member of another batch"),
                ] + CommandTree.submitOptions,
                examples: [
                    .init(
                        command: "martlet batch open \"account 7\" --on-end account.report",
                        meaning: "A batch that reports once all of its jobs have ended.")
                ],
                action: Self.open),
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

    private static let callbacks: [(option: String, event: BatchEvent, help: String)] = [
        ("on-end", .end, "A job of this type runs once all have ended"),
        ("on-success", .success, "A job of this type runs once all have succeeded"),
        ("on-death", .death, "A job of this type runs at the first death"),
    ]

    private static let watchInterval: Duration = .milliseconds(500)

    @Sendable private static func open(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let text = arguments.string("payload") ?? "{}"
        do {
            _ = try JSONReader.check(Array(text.utf8))
        } catch {
            throw CommandError(.badInput, "--payload: not valid JSON: \(error.message)", fix: "put it in single quotes")
        }
        let queue = try arguments.name("queue") ?? "default"
        var jobs: [BatchEvent: RawJob] = [:]
        for callback in Self.callbacks {
            guard let type = try arguments.name(callback.option) else { continue }
            jobs[callback.event] = RawJob(type: type, queue: queue, payload: Payload(text))
        }
        let (parent, raw) = (try arguments.batchID("within"), jobs)
        try await SubmitCommand.withClient(arguments, context) { client in
            let batch = try await client.openBatch(
                arguments.operands[0], within: parent.map { client.batch($0) }, raw: raw)
            let json = JSONOutput.object([("id", .string("\(batch.id)"))])
            context.console.print(context.isJSON ? json.text : "\(batch.id)")
        }
    }

    @Sendable private static func list(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let limit = try arguments.count("limit", in: 1...1000) ?? 20
        try await CoordinatorSession.use(arguments, context) { session in
            let batches = try await session.client.batches(ListBatches(limit: UInt32(limit)))
            context.show(batches, none: "There are no batches.", json: { ViewJSON.batch($0) }) {
                GroupText.table($0, now: session.wallTime)
            }
        }
    }

    @Sendable private static func show(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let id = try Self.id(arguments)
        try await CoordinatorSession.use(arguments, context) { session in
            var batch = try await session.client.batch(id)
            if arguments.flag("watch") {
                let before = Int(clamping: batch.total - batch.pending)
                var reporter = ProgressReporter(Self.bar(of: batch, before), console: context.console)
                while batch.finishedAt == nil {
                    let ended = Int(clamping: batch.total - batch.pending)
                    // More jobs may have joined it.
                    reporter.bar = Self.bar(of: batch, before)
                    reporter.show(done: max(0, ended - before), progress: ended, isQuiet: context.isJSON)
                    try await Task.sleep(for: Self.watchInterval)
                    batch = try await session.client.batch(id)
                }
                reporter.clear()
            }
            Self.print(batch, session, context)
        }
    }

    private static func bar(of batch: BatchView, _ before: Int) -> ProgressBar {
        let dead = batch.dead > 0 ? ", \(HumanText.number(batch.dead)) dead" : ""
        let noun = "of \(HumanText.count(batch.total, "job")) ended\(dead)"
        return ProgressBar(total: Int(clamping: batch.total), noun: noun, before: before)
    }

    private static func print(_ batch: BatchView, _ session: CoordinatorSession, _ context: CommandContext) {
        if context.isJSON {
            context.console.print(ViewJSON.batch(batch).text)
        } else {
            context.console.print(
                lines: GroupText.page(
                    batch, now: session.wallTime, width: context.console.width ?? 80, style: context.console.output))
        }
    }

    private static func id(_ arguments: ParsedArguments) throws -> BatchID {
        try ParsedArguments.batchID(arguments.operands[0])
    }
}
