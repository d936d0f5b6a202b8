import MartletCore
import MartletJSON
import MartletSchedule
import MartletWire

/// `martlet schedules`: recurring jobs.
enum SchedulesCommand {
    static let spec = CommandSpec(
        name: "schedules", summary: "define, watch and run recurring jobs",
        discussion: [
            "A schedule submits a job for each instant of a cron expression or an interval, each instant once, also "
                + "over crashes. Those in cluster.json are changed there; all others by these commands."
        ],
        subcommands: [
            CommandSpec(
                name: "list", summary: "list schedules with their next instant and what became of those before",
                options: CommandTree.connectionOptions,
                examples: [.init(command: "martlet schedules list", meaning: "All schedules at a glance.")],
                action: Self.list),
            CommandSpec(
                name: "show", summary: "show all about one schedule",
                operands: [Self.name],
                options: [
                    .option("count", "COUNT", "How many instants to come (5)"),
                    .option("runs", "COUNT", "How many runs of the past (10)"),
                ] + CommandTree.connectionOptions,
                examples: [.init(command: "martlet schedules show nightly", meaning: "When did it run, when will it?")],
                action: Self.show),
            SchedulePutCommand.spec,
            Self.change("delete", .delete, "delete a schedule; its jobs stay"),
            Self.change("pause", .pause, "let a schedule fire no more"),
            Self.change("resume", .resume, "let a paused schedule go on; what passed meanwhile is left out"),
            ScheduleRunCommand.run, ScheduleRunCommand.backfill, ScheduleNextCommand.spec,
        ])

    static let name = OperandSpec(name: "NAME", help: "The schedule")

    @Sendable private static func list(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        try await CoordinatorSession.use(arguments, context) { session in
            let schedules = try await session.client.schedules()
            context.show(schedules, none: "There is no schedule.", json: { ViewJSON.schedule($0) }) {
                ScheduleText.table($0, now: session.wallTime)
            }
        }
    }

    @Sendable private static func show(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let name = try Self.name(arguments)
        let count = try arguments.count("count", in: 0...ShowSchedule.listMax) ?? 5
        let runs = try arguments.count("runs", in: 0...ShowSchedule.listMax) ?? 10
        try await CoordinatorSession.use(arguments, context) { session in
            let detail = try await session.client.schedule(
                ShowSchedule(name: name, nextMax: UInt32(count), runsMax: UInt32(runs)))
            if context.isJSON {
                context.console.print(ViewJSON.schedule(detail).text)
            } else {
                context.console.print(
                    lines: ScheduleText.page(detail, now: session.wallTime, style: context.console.output))
            }
        }
    }

    private static func change(_ verb: String, _ action: ChangeSchedule.Action, _ summary: String) -> CommandSpec {
        CommandSpec(
            name: verb, summary: summary, operands: [Self.name], options: CommandTree.connectionOptions,
            examples: [.init(command: "martlet schedules \(verb) nightly", meaning: "Do so.")],
            action: { arguments, context in
                let name = try Self.name(arguments)
                try await CoordinatorSession.use(arguments, context) { session in
                    let changed = try await session.client.change(ChangeSchedule(action, name: name))
                    if context.isJSON {
                        context.console.print(
                            JSONOutput.object([
                                ("schedule", .string(name)), ("changed", .boolean(changed.isChanged)),
                                ("passed", .count(changed.passed)),
                            ]).text)
                        return
                    }
                    guard changed.isChanged else {
                        let state = action == .pause ? "is paused already" : "is not paused"
                        return context.console.note("The schedule \(name) \(state).")
                    }
                    let verb = action == .delete ? "deleted" : action == .pause ? "paused" : "resumed"
                    let passed =
                        changed.passed > 0
                        ? "; \(HumanText.count(changed.passed, "instant")) passed meanwhile and \(changed.passed == 1 ? "is" : "are") left out"
                        : ""
                    context.console.print("schedule \(name) \(verb)\(passed)")
                }
            })
    }

    static func name(_ arguments: ParsedArguments) throws(CommandError) -> String {
        try ParsedArguments.check(name: arguments.operands[0], of: "NAME")
        return arguments.operands[0]
    }
}

/// `martlet schedules next`: a preview, also of an expression that nobody has defined.
enum ScheduleNextCommand {
    static let spec = CommandSpec(
        name: "next", summary: "say when a schedule, or an expression, fires next",
        discussion: [
            "An expression (it has spaces, or begins with @) is computed here: no coordinator is asked."
        ],
        operands: [OperandSpec(name: "NAME|EXPRESSION", help: "A schedule, or a cron expression or @every interval")],
        options: [
            .option("zone", "ZONE", "The time zone of an expression (UTC)"),
            .option("count", "COUNT", "How many instants (5)"),
            .option("from", "TIME", "After which time, for an expression (now)"),
            .option(
                "daylight-saving", "POLICY", "Of an expression (once)", choices: DaylightSaving.allCases.map(\.rawValue)
            ),
        ] + CommandTree.connectionOptions,
        examples: [
            .init(command: "martlet schedules next nightly", meaning: "Of a schedule."),
            .init(
                command: "martlet schedules next \"0 3 * * *\" --zone Europe/Berlin --count 5",
                meaning: "Try an expression out."),
        ],
        action: Self.run)

    @Sendable private static func run(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let count = try arguments.count("count", in: 1...ShowSchedule.listMax) ?? 5
        let text = arguments.operands[0]
        guard text.contains(" ") || text.hasPrefix("@") else {
            for option in ["zone", "from", "daylight-saving"] where arguments.string(option) != nil {
                throw CommandError.usage("--\(option) goes with an expression", fix: "leave it out")
            }
            let name = try SchedulesCommand.name(arguments)
            return try await CoordinatorSession.use(arguments, context) { session in
                let detail = try await session.client.schedule(
                    ShowSchedule(name: name, nextMax: UInt32(count), runsMax: 0))
                let zone = try? TimeZoneName(detail.definition.zone)
                Self.print(detail.next, zone ?? .utc, now: session.wallTime, context)
            }
        }
        let now = SystemEnvironment.wallTime()
        let zone: TimeZoneName
        let recurrence: Recurrence
        do throws(ScheduleError) {
            zone = try TimeZoneName(arguments.string("zone") ?? "UTC")
            recurrence = try Recurrence(
                text, zone: zone,
                daylightSaving: arguments.string("daylight-saving").flatMap { DaylightSaving(rawValue: $0) } ?? .once,
                anchor: WallTime(microseconds: 0))
        } catch {
            throw CommandError(.badInput, "\(error.description)")
        }
        let from = try arguments.time("from") ?? now
        Self.print(recurrence.previews(after: from, count: count), zone, now: now, context)
    }

    private static func print(
        _ instants: [WallTime], _ zone: TimeZoneName, now: WallTime, _ context: CommandContext
    ) {
        if context.isJSON {
            context.console.print(
                lines: instants.map {
                    JSONOutput.object([("instant", .string($0.rfc3339)), ("local", .string(zone.text(of: $0)))]).text
                })
        } else if instants.isEmpty {
            context.console.note("It never fires.")
        } else {
            let style = context.console.output
            context.console.print(
                lines: instants.map {
                    "\(zone.text(of: $0))  \(style.apply(.dim, HumanText.relative($0 - now)))"
                })
        }
    }
}
