import MartletCore
import MartletJSON
import MartletWire

/// `martlet jobs`: looks at jobs and changes them.
enum JobsCommand {
    static let spec = CommandSpec(
        name: "jobs", summary: "look at jobs and change them",
        subcommands: [
            CommandSpec(
                name: "list", summary: "list jobs, oldest first",
                options: filterOptions + pageOptions + CommandTree.connectionOptions,
                examples: [
                    .init(command: "martlet jobs list --state running", meaning: "What runs now, and where."),
                    .init(
                        command: "martlet jobs list --queue mail --json | jq -r .id",
                        meaning: "The ids of a queue's jobs, for a script."),
                ],
                action: { arguments, context in
                    let state = arguments.string("state").flatMap(JobText.state(named:))
                    try await Self.list(arguments, context, state: state)
                }),
            CommandSpec(
                name: "show", summary: "show one job with its payload and last failure",
                operands: [OperandSpec(name: "ID", help: "The job's id, as \"jobs list\" shows it")],
                options: [.flag("payload", "Print the payload alone, byte for byte")] + CommandTree.connectionOptions,
                examples: [
                    .init(command: "martlet jobs show 42 --payload > job.json", meaning: "Save a job's payload.")
                ],
                action: Self.show),
        ] + ChangeJobsCommand.specs + [ExportCommand.spec])

    static let filterOptions: [OptionSpec] = [
        .option("state", short: "s", "STATE", "Only jobs in this state", choices: JobText.stateNames),
        .option("queue", short: "q", "NAME", "Only this queue"),
        .option("type", short: "t", "NAME", "Only this job type"),
    ]

    static let pageOptions: [OptionSpec] = [
        .option("limit", short: "n", "COUNT", "How many at most (100)"),
        .option("after", "ID", "Go on after this job"),
    ]

    /// Lists jobs page by page, so that a long list needs little memory.
    ///
    /// - Parameter state: only jobs in it; nil for all.
    static func list(
        _ arguments: ParsedArguments, _ context: CommandContext, state: JobState?
    ) async throws {
        let queue = try arguments.name("queue")
        let type = try arguments.name("type")
        let count = try arguments.count("limit", in: 1...10_000_000) ?? 100
        let start = try arguments.string("after").map(ParsedArguments.jobID)
        try await CoordinatorSession.use(arguments, context) { session in
            var after = start
            var left = count
            while left > 0 {
                let limit = UInt32(min(left, 1000))
                let page = try await session.client.jobs(
                    ListJobs(state: state, queue: queue, type: type, after: after, limit: limit))
                if context.isJSON {
                    context.console.print(lines: page.jobs.map { ViewJSON.job($0).text })
                } else if !page.jobs.isEmpty {
                    context.console.print(JobText.table(page.jobs, now: session.wallTime))
                }
                left -= page.jobs.count
                guard let next = page.next else {
                    if left == count, !context.isJSON { context.console.note("No jobs match.") }
                    return
                }
                after = next
                if left <= 0, !context.isJSON {
                    context.console.note("There may be more: add --after \(next)")
                }
            }
        }
    }

    @Sendable private static func show(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let id = try ParsedArguments.jobID(arguments.operands[0])
        try await CoordinatorSession.use(arguments, context) { session in
            let detail = try await session.client.job(id)
            if arguments.flag("payload") {
                context.console.print(text: String(decoding: detail.payload.array, as: UTF8.self))
            } else if context.isJSON {
                context.console.print(ViewJSON.job(detail).text)
            } else {
                context.console.print(
                    lines: JobText.page(detail, now: session.wallTime, style: context.console.output))
            }
        }
    }
}
