/// One command of the tree: what it is called, what it takes and what it does.
struct CommandSpec: Sendable {
    typealias Action = @Sendable (ParsedArguments, CommandContext) async throws -> Void

    struct Example: Sendable {
        let command: String
        let meaning: String
    }

    let name: String
    /// One line, without a full stop.
    let summary: String
    /// Paragraphs for `--help`.
    var discussion: [String] = []
    var operands: [OperandSpec] = []
    var options: [OptionSpec] = []
    var subcommands: [CommandSpec] = []
    var examples: [Example] = []
    /// Nil for a command that only groups others.
    var action: Action?

    func subcommand(_ name: String) -> CommandSpec? { self.subcommands.first { $0.name == name } }
}

/// A word that is not an option.
struct OperandSpec: Sendable {
    enum Arity: Sendable {
        case one
        case optional
        /// Any number, none included.
        case many
    }

    /// As shown: `TYPE`.
    let name: String
    let help: String
    var arity = Arity.one

    var usage: String {
        switch self.arity {
        case .one: self.name
        case .optional: "[\(self.name)]"
        case .many: "[\(self.name)...]"
        }
    }
}

/// A flag (`--json`) or an option with a value (`--queue NAME`).
struct OptionSpec: Sendable {
    /// Without dashes.
    let long: String
    var short: Character?
    /// As shown: `NAME`. Nil makes it a flag.
    var value: String?
    let help: String
    /// May be given several times.
    var isRepeated = false
    /// The only values allowed; empty for any.
    var choices: [String] = []

    static func flag(_ long: String, short: Character? = nil, _ help: String) -> OptionSpec {
        OptionSpec(long: long, short: short, value: nil, help: help)
    }

    static func option(
        _ long: String, short: Character? = nil, _ value: String, _ help: String, isRepeated: Bool = false,
        choices: [String] = []
    ) -> OptionSpec {
        OptionSpec(long: long, short: short, value: value, help: help, isRepeated: isRepeated, choices: choices)
    }
}
