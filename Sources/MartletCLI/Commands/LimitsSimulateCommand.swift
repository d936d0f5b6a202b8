import MartletConfiguration
import MartletCore
import MartletJSON

/// `martlet limits simulate`: how long a backlog will take, without asking anybody.
enum LimitsSimulateCommand {
    static let spec = CommandSpec(
        name: "simulate", summary: "predict how long a backlog takes to drain",
        discussion: [
            "Lets the jobs through the same token buckets that the coordinator uses, in virtual time. With a SERVICE "
                + "of cluster.json, its limits hold where no option says otherwise, and both are compared. Nothing is "
                + "changed and no coordinator is asked.",
            "The bucket is taken for empty at first, as it is while jobs wait; --level says otherwise.",
        ],
        operands: [OperandSpec(name: "SERVICE", help: "A service of cluster.json", arity: .optional)],
        options: [
            .option("rate", "TOKENS", "Tokens that flow in a period"),
            .option("per", "DURATION", "The period (1s)"),
            .option("burst", "TOKENS", "Tokens that may be taken at once (a tenth of the rate, at least 1)"),
            .option("concurrency", "COUNT", "Jobs that may use the service at once"),
            .option("backlog", "COUNT", "Jobs that wait"),
            .option("weight", "TOKENS", "Tokens that each job takes (1)"),
            .option("level", "TOKENS", "Tokens that are there at first (0)"),
            .option("slots", "COUNT", "Jobs that the workers run at once (as many as there are)"),
            .option("mean-time", "DURATION", "How long a job runs (0s)"),
        ],
        examples: [
            .init(
                command: "martlet limits simulate --rate 100 --per 1s --burst 20 --backlog 250000 --weight 2",
                meaning: "How long a quarter of a million jobs take at fifty a second."),
            .init(
                command: "martlet limits simulate stripe --rate 200 --backlog 250000 --slots 64 --mean-time 350ms",
                meaning: "What a higher rate would bring, and whether the slots suffice."),
        ],
        action: Self.run)

    /// One forecast and what it is of.
    private struct Case {
        let name: String
        let question: DrainForecast.Question
        let forecast: DrainForecast

        init(_ name: String, _ question: DrainForecast.Question) {
            self.name = name
            self.question = question
            self.forecast = DrainForecast(question)
        }
    }

    @Sendable private static func run(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let service = try Self.service(arguments, context)
        var limits = service ?? ServiceLimits()
        if let rate = try Self.rate(arguments) {
            let others = limits.rates.filter { $0.period != rate.period }
            limits = ServiceLimits(rates: [rate] + others, concurrency: limits.concurrency)
        }
        if let concurrency = try arguments.count("concurrency", in: 1...ServiceLimits.concurrencyMax) {
            limits = ServiceLimits(rates: limits.rates, concurrency: concurrency)
        }
        let question = try Self.question(of: limits, arguments)
        guard !question.rates.isEmpty || question.places != nil else {
            throw CommandError.usage(
                "nothing limits the jobs", fix: "give --rate, --concurrency, --slots or a SERVICE")
        }
        var cases: [Case] = []
        if let service {
            let now = try Self.question(of: service, arguments)
            if now != question { cases.append(Case("now", now)) }
        }
        cases.append(Case(cases.isEmpty ? "" : "then", question))
        Self.show(cases, context)
    }

    // MARK: Input

    private static func service(
        _ arguments: ParsedArguments, _ context: CommandContext
    ) throws(CommandError) -> ServiceLimits? {
        guard let name = arguments.operands.first else { return nil }
        let services = try context.loadConfiguration().configuration.services
        if let limits = services[name] { return limits }
        let nearest = NearestWord.to(name, among: services.keys.sorted())
        throw CommandError(
            .badInput, "cluster.json has no service \"\(HumanText.printable(name))\"",
            fix: nearest.map { "did you mean \"\($0)\"?" } ?? "give --rate and leave the name out")
    }

    private static func rate(_ arguments: ParsedArguments) throws(CommandError) -> RateLimit? {
        let burst = try arguments.count("burst", in: 1...RateLimit.tokensMax)
        let period = try arguments.duration("per", in: RateLimit.periodMin...RateLimit.periodMax)
        guard let tokens = try arguments.count("rate", in: 1...RateLimit.tokensMax) else {
            if burst != nil || period != nil { throw .usage("--rate is missing", fix: "say how many tokens flow") }
            return nil
        }
        return RateLimit(tokens: tokens, per: period ?? .seconds(1), burst: burst)
    }

    private static func question(
        of limits: ServiceLimits, _ arguments: ParsedArguments
    ) throws(CommandError) -> DrainForecast.Question {
        guard let backlog = try arguments.count("backlog", in: 1...1_000_000_000) else {
            throw .usage("--backlog is missing", fix: "say how many jobs wait")
        }
        let weight = try arguments.count("weight", in: 1...ServiceUse.weightMax) ?? 1
        let slots = try arguments.count("slots", in: 1...ServiceLimits.concurrencyMax)
        let question = DrainForecast.Question(
            rates: limits.rates, places: [slots, limits.concurrency].compactMap { $0 }.min(),
            meanTime: try arguments.duration("mean-time", in: .zero ... .seconds(30 * 86400)) ?? .zero,
            backlog: backlog,
            weight: weight, level: try arguments.count("level", in: 0...RateLimit.tokensMax) ?? 0)
        let checked = ServiceLimits(rates: limits.rates, concurrency: question.places)
        if !limits.rates.isEmpty, let problem = checked.problem(weightMax: weight) {
            throw CommandError(.badInput, problem)
        }
        if let problem = question.problem { throw CommandError(.badInput, problem) }
        return question
    }

    // MARK: Output

    private static func show(_ cases: [Case], _ context: CommandContext) {
        if context.isJSON { return context.console.print(lines: cases.map { Self.json($0).text }) }
        let question = cases[0].question
        let tokens = question.weight == 1 ? "" : " of \(HumanText.count(question.weight, "token")) each"
        context.console.print("\(HumanText.count(question.backlog, "job"))\(tokens):")
        var table = Table(columns: [
            .init(title: ""), .init(title: "LIMITS", fit: .shrinking), .init(title: "DRAINED IN", isNumeric: true),
            .init(title: "HALF STARTED", isNumeric: true, fit: .droppable), .init(title: "STARTS/S", isNumeric: true),
            .init(title: "HELD BY"),
        ])
        for row in cases {
            table.append([
                .init(row.name, .dim), .init(Self.limits(row.question)),
                .init(HumanText.duration(row.forecast.drained), .bold),
                .init(HumanText.duration(row.forecast.quarters[1])), .init(Self.startsPerSecond(row)),
                .init(Self.holder(row.forecast.heldBy)),
            ])
        }
        context.console.print(table)
    }

    private static func limits(_ question: DrainForecast.Question) -> String {
        let places = question.places.map { ["\($0) at once"] } ?? []
        return (question.rates.map(\.text) + places).joined(separator: "; ")
    }

    private static func startsPerSecond(_ row: Case) -> String {
        let starts = row.forecast.startsPerSecond(row.question.backlog)
        guard starts.isFinite else { return "-" }
        return starts >= 100 ? HumanText.number(Int(starts.rounded())) : "\((starts * 100).rounded() / 100)"
    }

    private static func holder(_ holder: DrainForecast.Holder) -> String {
        switch holder {
        case .nothing: "nothing"
        case .rate(let rate): "\(rate.tokens) per \(Quantity.text(rate.period))"
        case .places: "places"
        }
    }

    private static func json(_ row: Case) -> JSONOutput {
        let starts = row.forecast.startsPerSecond(row.question.backlog)
        return .object([
            ("case", .string(row.name.isEmpty ? "then" : row.name)),
            ("limits", .array(row.question.rates.map { .string($0.text) })),
            ("places", row.question.places.map { .count($0) } ?? .null), ("backlog", .count(row.question.backlog)),
            ("weight", .count(row.question.weight)), ("drainedSeconds", .seconds(row.forecast.drained)),
            ("lastStartSeconds", .seconds(row.forecast.lastStart)),
            ("quartersSeconds", .array(row.forecast.quarters.map { .seconds($0) })),
            ("startsPerSecond", starts.isFinite ? .number(starts) : .null),
            ("heldBy", .string(Self.holder(row.forecast.heldBy))),
        ])
    }
}
