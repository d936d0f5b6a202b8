import MartletConfiguration
import MartletCore
import MartletJSON
import MartletSchedule
import MartletWire

/// `martlet schedules put`: defines a schedule, or changes one.
enum SchedulePutCommand {
    static let spec = CommandSpec(
        name: "put", summary: "define a schedule, or change one",
        discussion: [
            "One that is there under that name is replaced as a whole and goes on where it was; with other times it "
                + "counts from now on."
        ],
        operands: [
            SchedulesCommand.name,
            OperandSpec(name: "PAYLOAD", help: "JSON; {} if left out", arity: .optional),
        ],
        options: [
            .option("cron", "EXPRESSION", "When: five or six fields, or a name such as @daily"),
            .option("every", "DURATION", "When: an interval, instead of --cron"),
            .option("zone", "ZONE", "The time zone of --cron (UTC)"),
            .option(
                "daylight-saving", "POLICY", "What becomes of times that the clock skips or repeats (once)",
                choices: DaylightSaving.allCases.map(\.rawValue)),
            .option("type", short: "t", "NAME", "The type of its jobs"),
            .option("queue", short: "q", "NAME", "The queue of its jobs (default)"),
            .option("missed", "POLICY", "What becomes of missed instants: skip, latest, all, all:COUNT (latest)"),
            .option("late-max", "DURATION", "How late an instant may be acted on without being missed (60s)"),
            .option(
                "overlap", "POLICY", "What becomes of an instant while the run before goes on (allow)",
                choices: OverlapPolicy.texts),
            .option("jitter", "DURATION", "Put each instant off by up to this much, up to 24h"),
            .option("start", "TIME", "No instant before it, such as 2026-12-24T18:00:00Z"),
            .option("end", "TIME", "No instant from then on"),
            .option("priority", short: "p", "0-9", "How urgent its jobs are; 9 goes first (5)"),
            .option("timeout", "DURATION", "How long one attempt may run (as in cluster.json, else 30m)"),
            .option("max-attempts", "COUNT", "Attempts in all before a job is dead (as in cluster.json, else 15)"),
            .option("expiry", "DURATION", "Give a job up if it has not started so long after its instant"),
        ] + CommandTree.connectionOptions,
        examples: [
            .init(
                command:
                    "martlet schedules put nightly --cron \"0 3 * * *\" --zone Europe/Berlin --type db.clean --overlap skip",
                meaning: "Each night at three in Berlin."),
            .init(
                command: "martlet schedules put ping --every 90s --type ping '{\"host\": \"a\"}'",
                meaning: "Every ninety seconds."),
        ],
        action: Self.run)

    @Sendable private static func run(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let definition = try Self.definition(arguments, try context.loadConfiguration())
        try await CoordinatorSession.use(arguments, context) { session in
            let put = try await session.client.put(PutSchedule(definition))
            if context.isJSON {
                return context.console.print(ViewJSON.schedule(put.view, isChanged: put.isChanged).text)
            }
            guard put.isChanged else {
                return context.console.note("The schedule \(put.view.name) is just so already.")
            }
            let next = put.view.next.map { instant in
                let zone = (try? TimeZoneName(put.view.zone)) ?? .utc
                return "; next \(zone.text(of: instant)) (\(HumanText.relative(instant - session.wallTime)))"
            }
            context.console.print("schedule \(put.view.name) is stored\(next ?? "")")
        }
    }

    private static func definition(
        _ arguments: ParsedArguments, _ loaded: LoadedConfiguration
    ) throws(CommandError) -> ScheduleDefinition {
        let name = try SchedulesCommand.name(arguments)
        guard let type = try arguments.name("type") else {
            throw .usage("--type is missing", fix: "name the type of the jobs")
        }
        var options = JobOptions(timeout: try arguments.duration("timeout", in: JobDefaults.timeoutRange))
        if let priority = try arguments.count("priority", in: 0...9) {
            options.priority = Priority(rawValue: UInt8(priority))!
        }
        options.expiry = try arguments.duration("expiry", in: .milliseconds(1) ... .seconds(365 * 86400))
        if let attempts = try arguments.count("max-attempts", in: 1...1000) {
            let policy = loaded.configuration.jobTypes[type]?.retry ?? .standard
            options.retry = RetryPolicy(
                maxAttempts: attempts, initialBackoff: policy.initialBackoff, maxBackoff: policy.maxBackoff,
                jitter: policy.jitter)
        }
        let definition = ScheduleDefinition(
            name: name, recurrence: try Self.recurrence(arguments), zone: arguments.string("zone") ?? "UTC",
            daylightSaving: arguments.string("daylight-saving").flatMap { DaylightSaving(rawValue: $0) } ?? .once,
            rules: try Self.rules(arguments),
            template: JobTemplate(type: type, queue: try arguments.name("queue") ?? "default", options: options),
            payload: try Self.payload(arguments))
        if let problem = definition.problem { throw CommandError(.badInput, problem) }
        // Told at once what the coordinator would say.
        do throws(ScheduleError) { _ = try ScheduleTimes(definition) } catch {
            throw CommandError(.badInput, error.description, fix: "nothing was stored")
        }
        return definition
    }

    private static func recurrence(_ arguments: ParsedArguments) throws(CommandError) -> String {
        let every = try arguments.duration("every", in: Recurrence.intervalMin...Recurrence.intervalMax)
        switch (arguments.string("cron"), every) {
        case (let cron?, nil): return cron
        case (nil, let every?): return "@every \(Quantity.text(every))"
        case (nil, nil): throw .usage("nothing says when", fix: "give --cron or --every")
        case (_?, _?): throw .usage("--cron and --every say two things", fix: "give one of them")
        }
    }

    private static func rules(_ arguments: ParsedArguments) throws(CommandError) -> ScheduleRules {
        let standard = ScheduleRules()
        var missed = standard.missed
        if let text = arguments.string("missed") {
            guard let policy = MissedRunPolicy(text: text) else {
                throw .usage("--missed: \"\(text)\" is no policy", fix: "use \(MissedRunPolicy.textHelp)")
            }
            missed = policy
        }
        let start = try arguments.time("start")
        let end = try arguments.time("end")
        if let start, let end, start >= end { throw .usage("--end is not behind --start", fix: "correct one of them") }
        let lateMax = try arguments.duration("late-max", in: .zero ... .seconds(365 * 86400)) ?? standard.lateMax
        let jitter = try arguments.duration("jitter", in: .zero...ScheduleRules.jitterMax) ?? standard.jitter
        return ScheduleRules(
            missed: missed, lateMax: lateMax,
            overlap: arguments.string("overlap").flatMap { OverlapPolicy(text: $0) } ?? standard.overlap,
            jitter: jitter, start: start, end: end)
    }

    private static func payload(_ arguments: ParsedArguments) throws(CommandError) -> Bytes {
        let text = arguments.operands.count > 1 ? arguments.operands[1] : "{}"
        do throws(JSONSyntaxError) { _ = try JSONReader.value(of: Array(text.utf8)) } catch {
            throw CommandError(
                .badInput, "PAYLOAD: not valid JSON: \(error.message)",
                fix: "put JSON in single quotes: '{\"key\": 1}'")
        }
        return Bytes(copying: text.utf8)
    }
}
