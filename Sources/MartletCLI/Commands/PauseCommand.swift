import MartletCore
import MartletJSON
import MartletWire

/// `pause` and `resume`, of a queue or a job type.
enum PauseCommand {
    static func specs(_ target: SetPause.Target) -> [CommandSpec] {
        let noun = target == .queue ? "queue" : "type"
        // Those of `queues` hold for what is below it.
        let options = target == .queue ? [] : CommandTree.connectionOptions
        return [
            CommandSpec(
                name: "pause", summary: "start nothing more of a \(noun)",
                discussion: ["Lasts until it is resumed, also over restarts. What workers have already goes on."],
                operands: [OperandSpec(name: "NAME", help: "The \(noun)")],
                options: options,
                examples: [.init(command: "martlet \(noun)s pause mail", meaning: "Hold it.")],
                action: { try await Self.set(target, isPaused: true, $0, $1) }),
            CommandSpec(
                name: "resume", summary: "let a paused \(noun) go on",
                operands: [OperandSpec(name: "NAME", help: "The \(noun)")],
                options: options,
                examples: [.init(command: "martlet \(noun)s resume mail", meaning: "Let it go on.")],
                action: { try await Self.set(target, isPaused: false, $0, $1) }),
        ]
    }

    private static func set(
        _ target: SetPause.Target, isPaused: Bool, _ arguments: ParsedArguments, _ context: CommandContext
    ) async throws {
        let name = arguments.operands[0]
        let noun = target == .queue ? "queue" : "type"
        try ParsedArguments.check(name: name, of: noun)
        try await CoordinatorSession.use(arguments, context) { session in
            let set = try await session.client.set(SetPause(target, name: name, isPaused: isPaused))
            if context.isJSON {
                context.console.print(
                    JSONOutput.object([
                        (noun, .string(name)), ("pausedSince", .time(set.since)), ("changed", .boolean(set.isChanged)),
                    ]).text)
                return
            }
            let verb = isPaused ? "paused" : "resumed"
            guard set.isChanged else {
                let since = set.since.map { " since \(WallClockText.readable($0))" } ?? ""
                return context.console.note(
                    isPaused ? "The \(noun) \(name) is paused already\(since)." : "The \(noun) \(name) is not paused.")
            }
            context.console.print("\(noun) \(name) \(verb)")
        }
    }
}

/// `martlet types`: pauses of job types.
enum TypesCommand {
    static let spec = CommandSpec(
        name: "types", summary: "pause and resume job types, in all queues",
        subcommands: PauseCommand.specs(.type))
}
