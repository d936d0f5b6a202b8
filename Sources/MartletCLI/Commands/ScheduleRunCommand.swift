import MartletCore
import MartletJSON
import MartletSchedule
import MartletWire

/// `martlet schedules run` and `backfill`: runs beside the instants to come.
enum ScheduleRunCommand {
    static let run = CommandSpec(
        name: "run", summary: "submit a schedule's job at once",
        discussion: ["The instants to come stay as they are, and the overlap policy does not look at it."],
        operands: [SchedulesCommand.name], options: CommandTree.connectionOptions,
        examples: [.init(command: "martlet schedules run nightly", meaning: "Do not wait for the night.")],
        action: { arguments, context in
            let name = try SchedulesCommand.name(arguments)
            try await CoordinatorSession.use(arguments, context) { session in
                let ran = try await session.client.run(RunSchedule(name: name, wish: .now(session.wallTime)))
                for run in ran.runs {
                    context.console.print(
                        context.isJSON ? JSONOutput.object([("id", .id(run.job))]).text : "\(run.job.rawValue)")
                }
            }
        })

    static let backfill = CommandSpec(
        name: "backfill", summary: "submit the runs of instants that passed and had none",
        discussion: [
            "At most 1,000 instants at once. It can be repeated: an instant gets one run. The cluster remembers the "
                + "last 1,000 runs of a schedule; for instants before those nothing is made."
        ],
        operands: [SchedulesCommand.name],
        options: [
            .option("from", "TIME", "The first instant, such as 2026-12-24T18:00:00Z"),
            .option("to", "TIME", "The end, not included (now)"),
        ] + CommandTree.connectionOptions,
        examples: [
            .init(
                command: "martlet schedules backfill nightly --from 2026-12-01T00:00:00Z",
                meaning: "All that is lacking since the first of December.")
        ],
        action: { arguments, context in
            let name = try SchedulesCommand.name(arguments)
            guard let from = try arguments.time("from") else {
                throw CommandError.usage("--from is missing", fix: "name the first instant")
            }
            let end = try arguments.time("to")
            try await CoordinatorSession.use(arguments, context) { session in
                let to = end ?? session.wallTime
                guard from < to else { throw CommandError.usage("--from is not before --to", fix: "correct one") }
                let ran = try await session.client.run(RunSchedule(name: name, wish: .range(from, to)))
                Self.report(ran, context)
            }
        })

    private static func report(_ ran: ScheduleRan, _ context: CommandContext) {
        if context.isJSON {
            let runs = ran.runs.map {
                JSONOutput.object([("instant", .string($0.instant.rfc3339)), ("id", .id($0.job))])
            }
            return context.console.print(
                JSONOutput.object([
                    ("runs", .array(runs)), ("existing", .count(ran.existing)), ("forgotten", .count(ran.forgotten)),
                    ("pending", .count(ran.pending)),
                ]).text)
        }
        context.console.print("\(HumanText.count(ran.runs.count, "job")) submitted")
        if ran.existing > 0 { context.console.note("\(HumanText.count(ran.existing, "instant")) had a run before.") }
        if ran.pending > 0 {
            context.console.note("\(HumanText.count(ran.pending, "instant")) will be seen to by the schedule itself.")
        }
        if ran.forgotten > 0 {
            context.console.note(
                "\(HumanText.count(ran.forgotten, "instant")) passed too long ago to know whether there was a run; "
                    + "nothing was submitted for them.")
        }
    }
}
