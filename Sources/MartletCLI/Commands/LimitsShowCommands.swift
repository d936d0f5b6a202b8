import MartletCore
import MartletJSON
import MartletRuntime
import MartletWire

/// `martlet limits list|history|watch`: what services allow, who changed it, and what goes on.
enum LimitsShowCommands {
    static let specs = [
        CommandSpec(
            name: "list", summary: "show what each service allows and what waits for it",
            discussion: [
                "TOKENS are those that can be taken now; RUNNING jobs use the service, WAITING ones are ready and wait for "
                    + "it or for their turn. A service that was changed shows when and by whom; what was set goes before "
                    + "cluster.json until it is reset."
            ],
            options: CommandTree.connectionOptions,
            examples: [.init(command: "martlet limits list", meaning: "All services at a glance.")],
            action: Self.list),
        CommandSpec(
            name: "history", summary: "show who changed which limits, the latest first",
            options: [.option("limit", short: "n", "COUNT", "How many at most (20)")] + CommandTree.connectionOptions,
            examples: [.init(command: "martlet limits history", meaning: "Who did what.")],
            action: Self.history),
        CommandSpec(
            name: "watch", summary: "show what goes through each service as it happens",
            discussion: [
                "How full each bucket is, and per second: jobs let through, times that something was held up, and times "
                    + "that the service said it was unavailable. Ends on Ctrl-C, or after --count times."
            ],
            operands: [OperandSpec(name: "SERVICE", help: "Only this one", arity: .optional)],
            options: [
                .option("interval", "DURATION", "How often (1s)"),
                .option("count", short: "n", "TIMES", "How many times (until it is interrupted)"),
            ] + CommandTree.connectionOptions,
            examples: [
                .init(command: "martlet limits watch", meaning: "All services, once a second."),
                .init(
                    command: "martlet limits watch stripe --json --count 60",
                    meaning: "A minute of Stripe, for a program."),
            ],
            action: Self.watch),
    ]

    @Sendable private static func list(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        try await CoordinatorSession.use(arguments, context) { session in
            let list: ServiceList = try await session.client.ask(ListServices())
            if context.isJSON {
                context.console.print(lines: list.services.map { ViewJSON.service($0).text })
            } else if list.services.isEmpty {
                context.console.note("No service is configured.")
            } else {
                context.console.print(ServiceText.table(list.services, now: session.wallTime))
            }
        }
    }

    @Sendable private static func history(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let limit = try arguments.count("limit", in: 1...1000) ?? 20
        try await CoordinatorSession.use(arguments, context) { session in
            let list: ServiceList = try await session.client.ask(ListServices(changesMax: UInt32(limit)))
            if context.isJSON {
                context.console.print(lines: list.changes.map { ViewJSON.change($0).text })
            } else if list.changes.isEmpty {
                context.console.note("Nobody has changed any limits.")
            } else {
                context.console.print(ServiceText.table(list.changes))
            }
        }
    }

    @Sendable private static func watch(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let interval = try arguments.duration("interval", in: .milliseconds(100) ... .seconds(3600)) ?? .seconds(1)
        let count = try arguments.count("count", in: 1...1_000_000_000) ?? .max
        let name = arguments.operands.first
        try await CoordinatorSession.use(arguments, context) { session in
            var display = ServiceDisplay(name: name, context: context)
            for turn in 0..<count {
                if turn > 0 { try await session.loop.sleep(for: interval) }
                let list: ServiceList = try await session.client.ask(ListServices())
                let services = list.services.filter { name == nil || $0.name == name }
                if let name, services.isEmpty {
                    throw CommandError(.failure, "there is no service \"\(HumanText.printable(name))\"")
                }
                display.show(services, at: session.loop.now, session.wallTime)
            }
        }
    }
}

/// What `limits watch` shows: on a terminal the same lines drawn over, else one after the other.
private struct ServiceDisplay {
    let name: String?
    let context: CommandContext
    private var before: (services: [String: ServiceView], at: Instant)?
    private var drawnLines = 0

    init(name: String?, context: CommandContext) {
        self.name = name
        self.context = context
    }

    mutating func show(_ services: [ServiceView], at now: Instant, _ time: WallTime) {
        let motions = services.map {
            ServiceText.Motion(
                service: $0, before: self.before?.services[$0.name],
                elapsed: self.before.map { now - $0.at } ?? .seconds(1))
        }
        self.before = (Dictionary(uniqueKeysWithValues: services.map { ($0.name, $0) }), now)
        let console = self.context.console
        if self.context.isJSON {
            return console.print(lines: motions.map { ServiceText.json($0, at: time).text })
        }
        guard !motions.isEmpty else { return console.note("No service is configured.") }
        let table = ServiceText.watchTable(motions, style: console.output)
        var lines = table.lines(style: console.output, width: console.width)
        lines.insert(console.output.apply(.dim, WallClockText.readable(time)), at: 0)
        guard console.width != nil else { return console.print(lines: lines) }
        // Over what stands there, so that nothing flickers and the lines before stay.
        let up = self.drawnLines > 0 ? "\u{1B}[\(self.drawnLines)A" : ""
        console.print(text: up + lines.map { "\u{1B}[K\($0)\n" }.joined() + "\u{1B}[J")
        self.drawnLines = lines.count
    }
}
