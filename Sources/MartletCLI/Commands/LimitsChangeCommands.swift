import MartletConfiguration
import MartletCore
import MartletJSON
import MartletWire

/// `martlet limits set|reset|pause|resume`: changes what services allow, at once and for all workers.
enum LimitsChangeCommands {
    static let specs = [
        CommandSpec(
            name: "set", summary: "change what a service allows, at once and for all workers",
            discussion: [
                "What no option names stays as it is; with --only it goes. The change outlives restarts and comes "
                    + "before cluster.json until it is reset. No token is given for it: a bucket keeps what it has, and "
                    + "what is let through in any time never exceeds the limits in force.",
                "Limits that contradict each other, or that a job type could never meet, are refused, and the old ones "
                    + "stay in force.",
            ],
            operands: [Self.operand],
            options: [
                .option("rate", "TOKENS", "Tokens that flow in a period"),
                .option("per", "DURATION", "The period (1s, or that of the only rate there is)"),
                .option("burst", "TOKENS", "Tokens that may be taken at once (as before, else a tenth of the rate)"),
                .option("also", "RATE/PERIOD/BURST", "A further rate, such as 50000/1d/1000", isRepeated: true),
                .option("concurrency", "COUNT", "Jobs that may use it at once; none lifts the limit"),
                .option("key-rate", "RATE/PERIOD/BURST", "The rate of each key; none lifts it"),
                .option("key-concurrency", "COUNT", "Jobs of each key at once; none lifts the limit"),
                .flag("only", "Drop every limit that is not named here"),
                .flag("new", "Add a service that nobody has named before"),
            ] + Self.options,
            examples: [
                .init(command: "martlet limits set stripe --rate 200 --burst 40", meaning: "Twice as fast."),
                .init(
                    command: "martlet limits set maps --new --rate 50 --also 50000/1d/1000 --key-rate 5/1s/2",
                    meaning: "A daily limit beside the rate, and one for each tenant."),
            ],
            action: Self.set),
        Self.change("reset", .reset, "go back to what cluster.json says of a service"),
        Self.change("pause", .pause, "let nothing use a service until it is resumed; what runs goes on"),
        Self.change("resume", .resume, "let a paused service be used again"),
    ]

    private static let operand = OperandSpec(name: "SERVICE", help: "The service's name")
    private static let options =
        [.option("as", "NAME", "Who changes it, for the record (USER)")] + CommandTree.connectionOptions

    private static func change(_ name: String, _ action: SetService.Action, _ summary: String) -> CommandSpec {
        CommandSpec(
            name: name, summary: summary, operands: [Self.operand], options: Self.options,
            examples: [.init(command: "martlet limits \(name) stripe", meaning: "For Stripe.")],
            action: { arguments, context in
                try await Self.send(action, arguments, context)
            })
    }

    private static func send(
        _ action: SetService.Action, _ arguments: ParsedArguments, _ context: CommandContext
    ) async throws {
        let name = arguments.operands[0]
        try await CoordinatorSession.use(arguments, context) { session in
            try await Self.send(action, to: name, session, arguments, context)
        }
    }

    private static func send(
        _ action: SetService.Action, to name: String, _ session: CoordinatorSession, _ arguments: ParsedArguments,
        _ context: CommandContext
    ) async throws {
        if let problem = ServiceUse.problem(name: name) {
            throw CommandError.usage(
                "SERVICE: \"\(HumanText.printable(name))\" \(problem)", fix: "use up to 128 letters, digits and . _ -")
        }
        let by = arguments.string("as") ?? context.environment["USER"] ?? ""
        guard by.utf8.count <= SetService.byBytesMax else {
            throw CommandError.usage(
                "--as: the name is longer than \(SetService.byBytesMax) bytes", fix: "shorten it")
        }
        let request = SetService(name: name, action: action, by: by.isEmpty ? "somebody" : by)
        let set: ServiceSet = try await session.client.ask(request)
        if context.isJSON {
            let members: [(String, JSONOutput)] = [
                ("service", .string(name)), ("changed", .boolean(set.isChanged)), ("what", .string(set.what)),
            ]
            return context.console.print(JSONOutput.object(members).text)
        }
        guard set.isChanged else { return context.console.note("\(name): \(HumanText.printable(set.what))") }
        context.console.print("\(name): \(HumanText.printable(set.what))")
    }

    // MARK: Limits

    @Sendable private static func set(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let name = arguments.operands[0]
        try await CoordinatorSession.use(arguments, context) { session in
            let list: ServiceList = try await session.client.ask(ListServices())
            let known = list.services.first { $0.name == name }?.limits
            guard known != nil || arguments.flag("new") else {
                let nearest = NearestWord.to(name, among: list.services.map(\.name))
                throw CommandError(
                    .badInput, "there is no service \(HumanText.printable(name))",
                    fix: nearest.map { "did you mean \($0)? --new adds one" } ?? "--new adds one")
            }
            let limits = try Self.limits(arguments, from: arguments.flag("only") ? nil : known)
            if let problem = limits.problem() {
                throw CommandError(.badInput, "\(name): \(problem)", fix: "the limits stay as they are")
            }
            try await Self.send(.limits(limits), to: name, session, arguments, context)
        }
    }

    /// What the options make of limits.
    static func limits(
        _ arguments: ParsedArguments, from known: ServiceLimits?
    ) throws(CommandError) -> ServiceLimits {
        var rates = known?.rates ?? []
        if let rate = try Self.rate(arguments, from: rates) { Self.put(rate, into: &rates) }
        for text in arguments.strings("also") { Self.put(try Self.rate(text, "also"), into: &rates) }
        guard rates.count <= ServiceLimits.ratesMax else {
            throw .usage(
                "there are \(rates.count) rates, \(ServiceLimits.ratesMax) at most", fix: "use --only to drop others")
        }
        return ServiceLimits(
            rates: rates, concurrency: try Self.count(arguments, "concurrency", from: known?.concurrency),
            perKey: try Self.perKey(arguments, from: known?.perKey),
            adaptive: known.map { $0.adaptive } ?? .standard, breaker: known.map { $0.breaker } ?? .standard)
    }

    /// One of the same period is replaced.
    private static func put(_ rate: RateLimit, into rates: inout [RateLimit]) {
        if let place = rates.firstIndex(where: { $0.period == rate.period }) {
            rates[place] = rate
        } else {
            rates.append(rate)
        }
    }

    private static func rate(
        _ arguments: ParsedArguments, from known: [RateLimit]
    ) throws(CommandError) -> RateLimit? {
        let burst = try arguments.count("burst", in: 1...RateLimit.tokensMax)
        let named = try arguments.duration("per", in: RateLimit.periodMin...RateLimit.periodMax)
        let period = named ?? (known.count == 1 ? known[0].period : .seconds(1))
        let before = known.first { $0.period == period }
        guard let tokens = try Self.tokens(arguments) ?? (burst == nil ? nil : before?.tokens) else {
            if burst != nil || named != nil { throw .usage("--rate is missing", fix: "say how many tokens flow") }
            return nil
        }
        return RateLimit(tokens: tokens, per: period, burst: burst ?? before?.burst)
    }

    /// Whether it makes sense, the limits themselves say.
    private static func tokens(_ arguments: ParsedArguments) throws(CommandError) -> Int? {
        guard let text = arguments.string("rate") else { return nil }
        guard let tokens = Int(text) else {
            throw .usage("--rate: \"\(HumanText.printable(text))\" is no number", fix: "say how many tokens flow")
        }
        return tokens
    }

    private static func rate(_ text: String, _ name: String) throws(CommandError) -> RateLimit {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (2...3).contains(parts.count), let tokens = Int(parts[0]), let period = Quantity.duration(parts[1]),
            parts.count == 2 || Int(parts[2]) != nil
        else {
            throw .usage(
                "--\(name): \"\(HumanText.printable(text))\" is no RATE/PERIOD/BURST",
                fix: "write it such as 50000/1d/1000")
        }
        return RateLimit(tokens: tokens, per: period, burst: parts.count == 3 ? Int(parts[2]) : nil)
    }

    private static func count(
        _ arguments: ParsedArguments, _ name: String, from known: Int?
    ) throws(CommandError) -> Int? {
        guard let text = arguments.string(name) else { return known }
        if text == "none" { return nil }
        guard let count = Int(text) else {
            throw .usage(
                "--\(name): \"\(HumanText.printable(text))\" is no number", fix: "write a number, or none")
        }
        return count
    }

    private static func perKey(
        _ arguments: ParsedArguments, from known: KeyedLimits?
    ) throws(CommandError) -> KeyedLimits? {
        var rates = known?.rates ?? []
        if let text = arguments.string("key-rate") {
            if text == "none" { rates = [] } else { Self.put(try Self.rate(text, "key-rate"), into: &rates) }
        }
        let concurrency = try Self.count(arguments, "key-concurrency", from: known?.concurrency)
        guard !rates.isEmpty || concurrency != nil else { return nil }
        return KeyedLimits(
            rates: rates, concurrency: concurrency, keysMax: known?.keysMax ?? KeyedLimits().keysMax)
    }
}
