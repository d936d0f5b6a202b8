import Martlet
import MartletConfiguration
import MartletCore

/// `martlet worker`: runs a program for each job.
enum WorkerCommand {
    static let spec = CommandSpec(
        name: "worker", summary: "run a program for each job",
        discussion: [
            "The program finds the job's payload on standard input and MARTLET_JOB_ID, MARTLET_IDEMPOTENCY_KEY (the "
                + "same for each attempt), MARTLET_TYPE, MARTLET_QUEUE, MARTLET_ATTEMPT, MARTLET_TAGS and "
                + "MARTLET_META_NAME for each entry of its metadata in its environment.",
            "Exit code 0 is success. Exit code 65 is a failure for good: the job is dead. Exit code 75 says that a "
                + "service of the job is unavailable: it loses no attempt, and nobody calls the service for a while. A "
                + "last line on standard error such as {\"unavailable\": \"stripe\", \"retryAfter\": \"30s\"} says "
                + "which one and for how long, with any code but 0 and 65. Any other exit code, or death "
                + "by a signal, is a failure that is tried again after a back-off. The last 2 KiB written to standard "
                + "error are kept as the reason, and the last 16 KiB of all output with the attempt.",
            "The program leads a process group. When its job is cancelled, its time is up or the worker shuts down, the "
                + "group gets SIGTERM and, after --kill-after, SIGKILL; what the program leaves running ends with it.",
            "SIGTERM or Ctrl-C ends the worker in good order: it starts nothing more, gives back what it fetched, and "
                + "lets running programs finish for --drain-timeout.",
        ],
        operands: [OperandSpec(name: "-- COMMAND ARGUMENTS", help: "A program, run without a shell", arity: .many)],
        options: [
            .option("type", short: "t", "NAME", "A job type to serve; may be repeated", isRepeated: true),
            .option("exec", short: "e", "COMMAND", "A command line, run by /bin/sh; or give it after --"),
            .option("queue", short: "q", "NAME", "A queue to serve; may be repeated (all queues)", isRepeated: true),
            .flag("result", "What the program writes to standard output is the job's result, up to 1 MiB"),
            .option("slots", short: "s", "COUNT", "Programs that may run at once (as in cluster.json, else 16)"),
            .option("name", "NAME", "This worker's name: one for each process (the machine's name and process id)"),
            .option("drain-timeout", "DURATION", "How long programs may finish at the end (30s)"),
            .option("kill-after", "DURATION", "How long a program may go on after SIGTERM (10s)"),
            .option(
                "address", short: "a", "ADDRESS",
                "Where the coordinator serves nodes (MARTLET_NODES_ADDRESS; else cluster.json)"),
        ],
        examples: [
            .init(
                command: "martlet worker --type mail.send --exec 'python3 send.py'",
                meaning: "Run a script for each job of a type."),
            .init(
                command: "martlet worker -t thumbnail -s 4 -- convert - -resize 200x200 -",
                meaning: "Four at a time, without a shell."),
        ],
        action: Self.run)

    private static let killAfterRange: ClosedRange<Duration> = .zero ... .seconds(3600)
    /// How much longer the worker itself waits, so that a program that ignores SIGTERM is gone before the worker leaves.
    private static let killMargin: Duration = .seconds(2)

    private static func killAfter(_ arguments: ParsedArguments) throws(CommandError) -> Duration {
        try arguments.duration("kill-after", in: Self.killAfterRange) ?? .seconds(10)
    }

    @Sendable private static func run(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let types = try arguments.names("type")
        guard !types.isEmpty else {
            throw CommandError.usage("no job type is named", fix: "add --type NAME, once for each type")
        }
        if let repeated = types.enumerated().first(where: { types[..<$0.offset].contains($0.element) })?.element {
            throw CommandError.usage("--type \(repeated) is given twice", fix: "give it once")
        }
        let command = try Self.command(arguments, searchPath: context.environment["PATH"] ?? "/usr/bin:/bin")
        let loaded = try context.loadConfiguration()
        let configuration = try Self.configuration(arguments, context, loaded)
        let supervisor = ProcessSupervisor(grace: try Self.killAfter(arguments))
        let handler = ExecHandler(
            command: command, variables: context.environment, supervisor: supervisor,
            leavesResult: arguments.flag("result"))
        let worker = Worker(configuration)
        for type in types { worker.register(raw: type) { try await handler.run($0, $1) } }
        let signals = ShutdownSignals(Worker.shutdownSignals) { worker.drain() }
        defer { signals.end() }
        let ending: Result<Void, MartletError>
        do throws(MartletError) {
            ending = .success(try await worker.run(gracefulShutdownOn: []))
        } catch {
            ending = .failure(error)
        }
        // Programs of jobs that were taken away may still be at it.
        await supervisor.stop()
        do { try ending.get() } catch { throw CommandError(error) }
    }

    /// What to run: the words after `--`, or `--exec` through the shell.
    static func command(_ arguments: ParsedArguments, searchPath: String) throws(CommandError) -> [String] {
        if let word = arguments.operands.first {
            throw .usage(
                "unexpected argument \"\(word)\"", fix: "write the command after --, or as one word after --exec")
        }
        let rest = arguments.rest ?? []
        switch (arguments.string("exec"), rest.first) {
        case (nil, nil):
            throw .usage("no command is named", fix: "add --exec COMMAND, or -- COMMAND ARGUMENTS")
        case (.some, .some):
            throw .usage("--exec and -- both name a command", fix: "use one of them")
        case (let line?, nil):
            guard line.contains(where: { !$0.isWhitespace }) else {
                throw .usage("--exec is empty", fix: "write the command line to run")
            }
            return ["/bin/sh", "-c", line]
        case (nil, let program?):
            guard FileCheck.isExecutable(program, searchPath: searchPath) else {
                throw CommandError(
                    .noInput, "cannot run \(program): no such program", fix: "check the name, its rights and PATH")
            }
            return rest
        }
    }

    private static func configuration(
        _ arguments: ParsedArguments, _ context: CommandContext, _ loaded: LoadedConfiguration
    ) throws(CommandError) -> WorkerConfiguration {
        let defaults = loaded.configuration.worker
        let token = try loaded.token().map { String(decoding: $0, as: UTF8.self) }
        return WorkerConfiguration(
            name: try arguments.name("name"), address: try Self.address(arguments, context, loaded).description,
            queues: try arguments.names("queue"),
            slots: try arguments.count("slots", in: 1...4096) ?? defaults.slots, prefetchMax: defaults.prefetchMax,
            drainTimeout: try arguments.duration("drain-timeout", in: .zero ... .seconds(86400))
                ?? defaults.drainTimeout,
            cancelGrace: try Self.killAfter(arguments) + Self.killMargin,
            stuckHandlers: .keepSlot(after: try Self.killAfter(arguments) + Self.killMargin), token: token,
            logHandler: Self.logHandler(context))
    }

    private static func address(
        _ arguments: ParsedArguments, _ context: CommandContext, _ loaded: LoadedConfiguration
    ) throws(CommandError) -> EndpointAddress {
        if let address = try arguments.address("address") { return address }
        guard let text = context.environment["MARTLET_NODES_ADDRESS"], !text.isEmpty else {
            return loaded.configuration.connect.nodes
        }
        guard let address = EndpointAddress(text) else {
            throw .usage(
                "MARTLET_NODES_ADDRESS: \"\(text)\" \(EndpointAddress.problem(text) ?? "is no address")",
                fix: "write it as tcp://HOST:PORT")
        }
        return address
    }

    private static func logHandler(_ context: CommandContext) -> LogHandler {
        let console = context.console
        let isJSON = context.isJSON
        return { record in
            guard record.level > .debug else { return }
            let level = LogLine.Level(rawValue: "\(record.level)") ?? .info
            let time = SystemEnvironment.wallTime()
            console.note(
                isJSON
                    ? LogLine.json(level, record.message, record.fields, at: time)
                    : LogLine.text(level, record.message, record.fields, at: time, style: console.errors))
        }
    }
}
