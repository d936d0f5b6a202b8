import MartletCore
import MartletJSON
import MartletWire

/// The commands that change jobs, some by id or all that match: `martlet jobs cancel` and its like.
enum ChangeJobsCommand {
    /// What a command does, and how it speaks of it.
    struct Change: Sendable {
        let action: ChangeJobs.Action
        /// What becomes of the jobs: `cancelled`.
        let verb: String
        /// Which jobs it is for: `dead job`.
        let noun: String
        /// Asks first, unless --yes is given.
        var isDestructive = false
        /// Where to look if a job was not as it must be.
        var hint = "see martlet jobs show ID"
        /// What a job must be for it.
        var requirement = "as needed"
        /// Narrows what is selected.
        var state: JobState?
    }

    static let changeOptions: [OptionSpec] = [
        .flag("dry-run", "Change nothing; say how many jobs match")
    ]

    private static let pending = ["blocked", "scheduled", "ready", "running"]
    private static let ended = ["succeeded", "dead", "cancelled", "expired"]

    static let specs: [CommandSpec] = [
        spec(
            "cancel", "cancel jobs that have not ended, running ones too",
            "Handlers that run are told to stop: a program gets SIGTERM, and SIGKILL if it does not end.", pending,
            [
                .init(command: "martlet jobs cancel 41 42", meaning: "Cancel two jobs."),
                .init(command: "martlet jobs cancel --tag campaign-7 --dry-run", meaning: "How many would it be?"),
            ]
        ) { _, _ in Change(action: .cancel, verb: "cancelled", noun: "job") },
        spec(
            "retry", "make dead jobs ready again", "Their failures are counted from zero again.", [],
            [.init(command: "martlet jobs retry --type mail.send", meaning: "Retry a type's dead jobs.")]
        ) { _, _ in Change(action: .retry, verb: "made ready again", noun: "dead job", state: .dead) },
        spec(
            "delete", "remove jobs that have ended", "Asks first, unless --yes is given.", ended,
            [
                .init(
                    command: "martlet jobs delete --state dead --older-than 30d --yes",
                    meaning: "Remove old dead jobs.")
            ], [.flag("yes", short: "y", "Do not ask")]
        ) { _, _ in Change(action: .delete, verb: "deleted", noun: "job", isDestructive: true) },
        spec(
            "reschedule", "make waiting jobs due at another time", "Jobs that a worker has already go their way.",
            ["scheduled", "ready"],
            [
                .init(command: "martlet jobs reschedule 41", meaning: "Run a job now."),
                .init(command: "martlet jobs reschedule -q mail --in 1h", meaning: "Put a queue's jobs off."),
            ], [.option("in", "DURATION", "How long from now (at once)")]
        ) { (arguments, now) throws(CommandError) in
            let delay = try arguments.duration("in", in: .zero ... .seconds(3650 * 86400)) ?? .zero
            return Change(
                action: .reschedule(delay > .zero ? now + delay : nil), verb: "rescheduled", noun: "waiting job")
        },
        spec(
            "prioritize", "give waiting jobs another priority", "Jobs that a worker has already go their way.",
            ["blocked", "scheduled", "ready"],
            [.init(command: "martlet jobs prioritize --to 9 --tag urgent", meaning: "Let them go first.")],
            [.option("to", short: "p", "PRIORITY", "0 (last) to 9 (first)")]
        ) { (arguments, _) throws(CommandError) in
            guard let to = try arguments.count("to", in: 0...9), let priority = Priority(rawValue: UInt8(to)) else {
                throw .usage("no priority is given", fix: "add --to, 0 (last) to 9 (first)")
            }
            return Change(
                action: .prioritize(priority), verb: "given priority \(to)", noun: "waiting job",
                hint: "they may have it already; see martlet jobs show ID")
        },
    ]

    private static func spec(
        _ name: String, _ summary: String, _ discussion: String, _ states: [String], _ examples: [CommandSpec.Example],
        _ options: [OptionSpec] = [],
        _ change: @escaping @Sendable (ParsedArguments, WallTime) throws(CommandError) -> Change
    ) -> CommandSpec {
        CommandSpec(
            name: name, summary: summary,
            discussion: [
                discussion,
                "An operation on all jobs that match is recorded at once and carried out in groups, while everything "
                    + "else goes on; a long one is followed with \"martlet bulk show\".",
            ],
            operands: JobSelectionArguments.operands,
            options: JobSelectionArguments.options(states: states) + changeOptions + options
                + CommandTree.connectionOptions,
            examples: examples,
            action: { arguments, context in
                let now = SystemEnvironment.wallTime()
                let selection = try JobSelectionArguments(arguments, now: now)
                try await Self.run(try change(arguments, now), selection, arguments, context)
            })
    }

    /// Does it, or says what it would do.
    static func run(
        _ change: Change, _ selected: JobSelectionArguments, _ arguments: ParsedArguments, _ context: CommandContext
    ) async throws {
        let mustAsk = change.isDestructive && !arguments.flag("yes") && !arguments.flag("dry-run")
        if mustAsk, !Terminal.isInputTerminal {
            throw CommandError.usage("this needs a confirmation, but nobody can be asked here", fix: "add --yes")
        }
        var selection = selected.selection
        if let state = change.state { selection.state = state }
        let request = ChangeJobs(change.action, matching: selection)
        try await CoordinatorSession.use(arguments, context) { session in
            if arguments.flag("dry-run") || mustAsk {
                let count = try await Self.count(request, selected.ids, session.client)
                guard mustAsk else { return Self.tell(count, change, context) }
                // Of jobs that were named it is said which are missing.
                guard count > 0 || !selected.ids.isEmpty else {
                    return context.console.note("No \(change.noun) matches.")
                }
                let question = "\(HumanText.count(count, change.noun)) will be \(change.verb)."
                guard count == 0 || Self.confirm(question, context.console) else {
                    return context.console.note("Nothing was changed.")
                }
            }
            let changed =
                selected.ids.isEmpty
                ? try await session.client.change(request)
                : try await Self.changeNamed(request, selected.ids, session.client)
            try Self.report(changed, change, context)
        }
    }

    private static func changeNamed(
        _ request: ChangeJobs, _ ids: [JobID], _ client: AdminClient
    ) async throws(CommandError) -> JobsChanged {
        var all = JobsChanged(count: 0)
        for start in stride(from: 0, to: ids.count, by: ChangeJobs.idsMax) {
            var part = request
            part.ids = RecordList(Array(ids[start..<min(start + ChangeJobs.idsMax, ids.count)]))
            let changed = try await client.change(part)
            all.count += changed.count
            all.missing += changed.missing
        }
        return all
    }

    private static func count(
        _ request: ChangeJobs, _ ids: [JobID], _ client: AdminClient
    ) async throws(CommandError) -> UInt64 {
        var dry = request
        dry.isDryRun = true
        guard ids.isEmpty else { return try await Self.changeNamed(dry, ids, client).count }
        var count: UInt64 = 0
        while true {
            let counted = try await client.change(dry)
            count += counted.count
            guard let next = counted.next else { return count }
            dry.after = next
        }
    }

    private static func tell(_ count: UInt64, _ change: Change, _ context: CommandContext) {
        if context.isJSON {
            context.console.print(JSONOutput.object([("matching", .count(count))]).text)
        } else {
            context.console.print("\(HumanText.count(count, change.noun)) would be \(change.verb)")
        }
    }

    private static func confirm(_ question: String, _ console: Console) -> Bool {
        console.raw("\(question) Go on? [y/N] ")
        return ["y", "yes"].contains(Terminal.readInputLine()?.lowercased() ?? "")
    }

    private static func report(
        _ changed: JobsChanged, _ change: Change, _ context: CommandContext
    ) throws(CommandError) {
        if context.isJSON {
            var members: [(String, JSONOutput)] = [
                ("changed", .count(changed.count)), ("missing", .array(changed.missing.map { .id($0) })),
            ]
            if let bulk = changed.bulk {
                members += [("operation", .string(String(bulk))), ("finished", .boolean(changed.isFinished))]
            }
            context.console.print(JSONOutput.object(members).text)
        } else {
            context.console.print("\(HumanText.count(changed.count, change.noun)) \(change.verb)")
            if let bulk = changed.bulk, !changed.isFinished {
                context.console.note("so far; operation \(bulk) goes on: see martlet bulk show \(bulk)")
            }
        }
        guard changed.missing.isEmpty else {
            let shown = changed.missing.prefix(5).map { "\($0)" } + (changed.missing.count > 5 ? ["..."] : [])
            throw CommandError(
                .failure,
                "\(HumanText.count(changed.missing.count, "job")) not there or not \(change.requirement): "
                    + shown.joined(separator: ", "),
                fix: change.hint)
        }
    }
}
