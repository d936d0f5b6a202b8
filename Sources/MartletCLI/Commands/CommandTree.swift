/// All commands.
enum CommandTree {
    static let root = CommandSpec(
        name: "martlet",
        summary: "background jobs for a cluster of machines",
        discussion: [
            "One coordinator keeps every job safe and decides what runs where; workers run them; this command starts "
                + "both, submits jobs and shows what goes on. The cluster is described by cluster.json in the working "
                + "directory, or the file that --config or MARTLET_CONFIG names; without one, defaults hold."
        ],
        options: [
            .option("config", short: "c", "FILE", "The cluster's configuration (MARTLET_CONFIG; else cluster.json)"),
            .flag("json", "Print JSON, one value a line, for programs"),
            .option("color", "WHEN", "Colours", choices: ["auto", "always", "never"]),
            .flag("help", short: "h", "Explain a command"),
            .flag("version", "Print the version"),
        ],
        subcommands: [
            CoordinatorCommand.spec, WorkerCommand.spec, SubmitCommand.spec, JobsCommand.spec, QueuesCommand.spec,
            TypesCommand.spec, NodesCommand.spec, DeadCommand.spec, BulkCommand.spec, SchedulesCommand.spec,
            WorkflowCommand.spec, BatchCommand.spec, LimitsCommand.spec, ExplainCommand.spec, DoctorCommand.spec,
        ],
        examples: [
            .init(command: "martlet coordinator", meaning: "Start a cluster on this machine."),
            .init(
                command: "martlet worker --type mail.send --exec ./send-mail",
                meaning: "Run a program for each job of a type."),
            .init(
                command: "martlet submit mail.send '{\"to\": \"ann@example.com\"}'",
                meaning: "Submit a job and print its id."),
        ])

    /// Options of the commands that ask the coordinator something.
    static let connectionOptions = [
        Self.address, .option("wait", "DURATION", "How long to wait for an answer (5s)"),
    ]

    /// Where to submit, and how long to try: a coordinator that is away for a moment is waited for.
    static let submitOptions = [
        Self.address, .option("wait", "DURATION", "How long to go on trying (30s)"),
    ]

    private static let address = OptionSpec.option(
        "address", short: "a", "ADDRESS", "Where the coordinator is (MARTLET_ADDRESS; else as in cluster.json)")
}
