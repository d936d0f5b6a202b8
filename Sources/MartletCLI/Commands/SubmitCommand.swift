import Martlet
import MartletConfiguration
import MartletCore
import MartletJSON

/// `martlet submit`: one job, or a file of them.
enum SubmitCommand {
    static let spec = CommandSpec(
        name: "submit", summary: "submit a job, or a file of jobs",
        discussion: [
            "A job that was submitted is on the coordinator's disk: it survives a crash. The id of a single job is "
                + "printed.",
            "With --from, each line of the file is a job: a payload if --type is given, else an object with the keys "
                + JobLine.keys.joined(separator: ", ") + ", of which only type is needed. The "
                + "whole file is checked before the first job is submitted. If the coordinator goes away meanwhile, "
                + "submits are repeated without doubling jobs until --wait has passed.",
        ],
        operands: [
            OperandSpec(name: "TYPE", help: "The job's type, such as mail.send", arity: .optional),
            OperandSpec(
                name: "PAYLOAD", help: "JSON; - reads it from standard input; {} if left out", arity: .optional),
        ],
        options: [
            .option("from", short: "f", "FILE", "Submit the jobs of a JSONL file; - is standard input"),
            .option("type", short: "t", "NAME", "The job type of every line of --from"),
            .option("queue", short: "q", "NAME", "The queue (default)"),
            .option("delay", short: "d", "DURATION", "How long to wait before the job may run"),
            .option("priority", short: "p", "0-9", "How urgent the job is in its queue; 9 goes first (5)"),
            .option("max-attempts", "COUNT", "Attempts in all before the job is dead (as in cluster.json, else 15)"),
            .option("timeout", "DURATION", "How long one attempt may run (as in cluster.json, else 30m)"),
            .option("at", "TIME", "When the job may run, such as 2026-12-24T18:00:00Z"),
            .option("expiry", "DURATION", "Give the job up if it has not started so long after it was due"),
            .option("unique", "KEY", "Create no second job of this type with the same key"),
            .option("unique-for", "DURATION", "Keep the unique key for so long after the job succeeded"),
            .option(
                "on-duplicate", "WHAT", "What a job gets whose key is taken (existing)",
                choices: JobDefaults.conflicts.map(\.name)),
            .option("group", "NAME", "Whose job it is: the groups of a queue share its nodes fairly"),
            .option("key", "KEY", "What it works on: jobs of a queue with the same key may be capped or ordered"),
            .flag("ordered", "Jobs with the same --key run one after the other"),
            .option(
                "service", "NAME", "A service whose limits it counts against, NAME/KEY:WEIGHT; may be repeated",
                isRepeated: true),
            .option("retain", "DURATION", "How long the job and its result stay visible after it succeeded"),
            .option("tag", "NAME", "A tag to find the job by; may be repeated", isRepeated: true),
            .option("meta", "NAME=VALUE", "Metadata for the handler; may be repeated", isRepeated: true),
            .option("batch", "ID", "Add the job, or each job of --from, to an open batch"),
            .flag("await", "Wait until the job has ended and print its result; --retain is 1m unless given"),
            .option("skip", "LINES", "Pass over lines at the start of --from, to go on after a failure"),
        ] + CommandTree.submitOptions,
        examples: [
            .init(
                command: "martlet submit mail.send '{\"to\": \"ann@example.com\"}' --delay 10m",
                meaning: "One job, due in ten minutes."),
            .init(
                command: "martlet submit --from signups.jsonl --type mail.welcome --queue mail",
                meaning: "A job for each line, the line being its payload."),
            .init(command: "generate | martlet submit --from -", meaning: "Jobs from another program."),
        ],
        action: Self.run)

    @Sendable private static func run(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        var defaults = try Self.defaults(arguments)
        let loaded = try context.loadConfiguration()
        defaults.retryPolicies = loaded.configuration.jobTypes.mapValues(\.retry)
        if let path = arguments.string("from") {
            if let operand = arguments.operands.first {
                throw CommandError.usage("--from and \"\(operand)\" say two things", fix: "use --type with --from")
            }
            if arguments.flag("await") {
                throw CommandError.usage("--await goes with one job", fix: "leave it out, or submit one job")
            }
            defaults.type = try arguments.name("type")
            try await Self.submit(file: path, defaults, loaded, arguments, context)
        } else {
            try await Self.submitOne(defaults, loaded, arguments, context)
        }
    }

    private static func defaults(_ arguments: ParsedArguments) throws(CommandError) -> JobDefaults {
        var defaults = JobDefaults()
        if let queue = try arguments.name("queue") { defaults.queue = queue }
        defaults.delay = try arguments.duration("delay", in: JobDefaults.delayRange)
        defaults.priority = try arguments.count("priority", in: 0...9).flatMap { Priority(rawValue: UInt8($0)) }
        defaults.maxAttempts = try arguments.count("max-attempts", in: 1...1000)
        defaults.timeout = try arguments.duration("timeout", in: JobDefaults.timeoutRange)
        try defaults.read(arguments)
        return defaults
    }

    // MARK: One job

    private static func submitOne(
        _ defaults: JobDefaults, _ loaded: LoadedConfiguration, _ arguments: ParsedArguments, _ context: CommandContext
    ) async throws {
        guard let type = arguments.operands.first else {
            throw CommandError.usage("TYPE is missing", fix: "write martlet submit TYPE PAYLOAD, or --from FILE")
        }
        if arguments.flag("type") || arguments.flag("skip") {
            throw CommandError.usage("--type and --skip go with --from", fix: "leave them out")
        }
        try ParsedArguments.check(name: type, of: "TYPE")
        let text = arguments.operands.count > 1 ? arguments.operands[1] : "{}"
        let payload = text == "-" ? try Self.standardInput() : Array(text.utf8)
        let payloadMax = loaded.configuration.limits.payloadMax
        var typed = defaults
        typed.type = type
        // A job that is not kept may be over before anybody asks for its result.
        if arguments.flag("await"), typed.rare.retention == nil { typed.rare.retention = .seconds(60) }
        let job: RawJob?
        do {
            job = try JobLine.rawJob(from: payload, defaults: typed, payloadMax: payloadMax)
        } catch {
            let isUnquoted = error.cause.hasPrefix("not valid JSON")
            throw CommandError(
                .badInput, "PAYLOAD: \(error.cause)",
                fix: isUnquoted ? "put JSON in single quotes: '{\"key\": 1}'" : error.fix)
        }
        guard let job else {
            throw CommandError(.badInput, "PAYLOAD is empty", fix: "write {} for no payload")
        }
        try await Self.withClient(arguments, context) { client in
            let id = try await client.submit(raw: job)
            guard arguments.flag("await") else {
                context.console.print(context.isJSON ? JSONOutput.object([("id", .id(id))]).text : "\(id)")
                return
            }
            try Self.show(try await client.outcome(of: id), context)
        }
    }

    /// How an awaited job ended.
    ///
    /// - Throws: if it ended other than well.
    private static func show(_ outcome: JobOutcome, _ context: CommandContext) throws(CommandError) {
        if context.isJSON {
            context.console.print(
                JSONOutput.object([
                    ("id", .id(outcome.id)), ("state", .string("\(outcome.state)")),
                    ("result", outcome.result.map { ViewJSON.payload($0.bytes) } ?? .null),
                ]).text)
        } else if let result = outcome.result {
            let text = result.text ?? "\(result.count) bytes that are no text"
            // What a program printed ends its own line.
            context.console.print(text.hasSuffix("\n") ? String(text.dropLast()) : text)
        }
        guard outcome.state != .succeeded else { return }
        let cause = outcome.failure.map { ": \($0.kind) \($0.message)" } ?? ""
        throw CommandError(.failure, "job \(outcome.id) is \(outcome.state)\(cause)")
    }

    private static func standardInput() throws(CommandError) -> [UInt8] {
        let reader = try LineReader(path: "-")
        var text: [UInt8] = []
        while let line = try reader.next() {
            if !text.isEmpty { text.append(UInt8(ascii: "\n")) }
            text += line
            if text.count > LineReader.lineBytesMax {
                throw CommandError(.badInput, "standard input is longer than 8 MiB", fix: "send one payload")
            }
        }
        return text
    }

    // MARK: A file of jobs

    private static func submit(
        file path: String, _ defaults: JobDefaults, _ loaded: LoadedConfiguration, _ arguments: ParsedArguments,
        _ context: CommandContext
    ) async throws {
        let skipped = try arguments.count("skip", in: 0...Int.max) ?? 0
        let limits = loaded.configuration.limits
        func open() throws(CommandError) -> JobFile {
            try JobFile(
                path: path, defaults: defaults, payloadMax: limits.payloadMax, submitJobsMax: limits.submitJobsMax,
                skippedLines: skipped)
        }
        // What comes from a pipe can be read only once.
        let file = try open()
        if let total = file.reader.total {
            let isSlow = total > 16 << 20 && context.console.showsProgress
            if isSlow { context.console.raw("Checking \(HumanText.printable(path)) ...") }
            defer { if isSlow { context.console.raw("\r\u{1B}[K") } }
            do {
                try open().check()
            } catch {
                throw CommandError(error.code, "\(error.cause); no job was submitted", fix: error.fix)
            }
        }
        let total = file.reader.total
        let feed = JobFeed(file)
        try await Self.withClient(arguments, context) { client in
            var reporter = ProgressReporter(ProgressBar(total: total, noun: "jobs"), console: context.console)
            var count = 0
            var lastLine = skipped
            do {
                var batch = try await feed.next()
                while let current = batch {
                    // The next batch is read while this one is being made durable.
                    async let following = feed.next()
                    try await client.submit(raw: current.jobs)
                    count += current.jobs.count
                    lastLine = current.lastLine
                    reporter.show(done: count, progress: current.progress, isQuiet: context.isJSON)
                    batch = try await following
                }
            } catch {
                reporter.clear()
                throw Self.interrupted(error, count: count, lastLine: lastLine)
            }
            reporter.clear()
            Self.report(count, reporter.elapsed, context)
        }
    }

    /// Says how much was done before something went wrong, and how to go on.
    private static func interrupted(_ error: any Error, count: Int, lastLine: Int) -> CommandError {
        let reason = (error as? CommandError) ?? CommandError(error as? MartletError ?? .init(.refused, "\(error)"))
        var state =
            count == 0
            ? "no job was submitted" : "\(HumanText.count(count, "job")) up to line \(lastLine) were submitted"
        if (error as? MartletError)?.code == .outcomeUnknown {
            state = "the jobs up to line \(lastLine) were submitted, the next \(JobFile.batchJobsMax) perhaps"
        }
        var fix = reason.fix
        if count > 0 { fix = (fix.map { "\($0), then " } ?? "") + "go on with --skip \(lastLine)" }
        return CommandError(reason.code, "\(reason.cause); \(state)", fix: fix)
    }

    private static func report(_ count: Int, _ elapsed: Duration, _ context: CommandContext) {
        let seconds = Double(elapsed.wholeMicroseconds) / 1e6
        if context.isJSON {
            context.console.print(
                JSONOutput.object([("submitted", .count(count)), ("seconds", .seconds(elapsed))]).text)
            return
        }
        let rate = HumanText.number(Int(Double(count) / max(seconds, 0.001)))
        context.console.print(
            "\(HumanText.count(count, "job")) submitted in \(HumanText.duration(elapsed)) (\(rate)/s)")
    }

    /// Runs `body` with a client that goes on trying for as long as `--wait` says.
    static func withClient(
        _ arguments: ParsedArguments, _ context: CommandContext, _ body: @Sendable (Client) async throws -> Void
    ) async throws {
        let wait = try arguments.duration("wait", in: CoordinatorSession.waitRange) ?? .seconds(30)
        try await CoordinatorSession.use(arguments, context) { session in
            let configuration = ClientConfiguration(timeout: wait, attemptTimeout: min(wait, .seconds(5)))
            let client = Client(connection: session.connection, loop: session.loop, configuration: configuration)
            do {
                try await body(client)
                await client.close()
            } catch {
                await client.close()
                if let error = error as? MartletError { throw CommandError(error) }
                throw error
            }
        }
    }
}

/// Hands out a file's batches to one task at a time, away from the task that submits.
private actor JobFeed {
    private let file: JobFile

    init(_ file: sending JobFile) {
        self.file = file
    }

    func next() throws(CommandError) -> JobFile.Batch? { try self.file.nextBatch() }
}

extension CommandError {
    /// An error of the client library, with the exit code and the fix that belong to it.
    init(_ error: MartletError) {
        switch error.code {
        case .unreachable, .timedOut, .outcomeUnknown, .closed:
            self.init(.unreachable, error.message, fix: "check that the coordinator runs, or wait longer with --wait")
        case .overloaded, .storeFull, .storeUnavailable:
            self.init(.tryLater, "the coordinator is busy: \(error.message)", fix: "try again later")
        case .authenticationFailed:
            self.init(.denied, error.message, fix: "compare tokenFile or MARTLET_TOKEN with the coordinator's")
        case .payloadTooLarge, .invalidRequest:
            self.init(.badInput, error.message, fix: "correct the job")
        case .cancelled: self.init(.interrupted, "interrupted")
        case .nodeNameTaken:
            self.init(.failure, error.message, fix: "give this worker another --name")
        case .tooManyNodes:
            self.init(.failure, error.message, fix: "raise limits.nodesMax")
        default: self.init(.failure, error.message)
        }
    }
}
