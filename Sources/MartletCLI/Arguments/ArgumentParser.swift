import MartletConfiguration
import MartletCore

/// Takes a command line apart after the command tree. Pure: it neither prints nor exits.
struct ArgumentParser: Sendable {
    enum Outcome: Sendable {
        case run(CommandSpec, ParsedArguments)
        /// The commands from the root to the one that help was asked for.
        case help([CommandSpec])
        case version
    }

    let root: CommandSpec

    /// - Parameter words: the command line without the program's name.
    func parse(_ words: [String]) throws(CommandError) -> Outcome {
        var state = State(path: [self.root], words: words[...])
        while let word = state.words.popFirst() {
            if word == "--" {
                state.parsed.rest = Array(state.words)
                break
            } else if word.hasPrefix("--") {
                try state.takeLong(word)
            } else if word.hasPrefix("-"), word.count > 1 {
                try state.takeShorts(word)
            } else {
                try state.takeWord(word)
            }
        }
        if state.parsed.flag("help") { return .help(state.path) }
        if state.parsed.flag("version") { return .version }
        return try state.finish()
    }
}

extension ArgumentParser {
    private struct State {
        /// From the root to the command named so far.
        var path: [CommandSpec]
        var words: ArraySlice<String>
        var parsed = ParsedArguments()
        var isHelpCommand = false

        var command: CommandSpec { self.path[self.path.count - 1] }

        /// The options of the command and of every command above it.
        var options: [OptionSpec] { self.path.reversed().flatMap(\.options) }

        var label: String { self.path.dropFirst().map(\.name).joined(separator: " ") }

        mutating func takeWord(_ word: String) throws(CommandError) {
            if !self.command.subcommands.isEmpty {
                if self.path.count == 1, word == "help", !self.isHelpCommand {
                    self.isHelpCommand = true
                } else if let next = self.command.subcommand(word) {
                    self.path.append(next)
                } else {
                    throw self.unknownCommand(word)
                }
                return
            }
            self.parsed.operands.append(word)
        }

        mutating func takeLong(_ word: String) throws(CommandError) {
            let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            guard let option = self.options.first(where: { $0.long == name }) else {
                let names = self.options.map(\.long)
                let nearest = NearestWord.to(name, among: names)
                throw .usage("unknown option --\(name)", fix: nearest.map { "did you mean --\($0)?" } ?? self.helpHint)
            }
            try self.take(option, as: "--\(name)", attached: parts.count > 1 ? String(parts[1]) : nil)
        }

        /// `-q mail`, `-qmail`, or several flags in one word.
        mutating func takeShorts(_ word: String) throws(CommandError) {
            var letters = word.dropFirst()
            while let letter = letters.popFirst() {
                guard let option = self.options.first(where: { $0.short == letter }) else {
                    throw .usage("unknown option -\(letter)", fix: self.helpHint)
                }
                if option.value == nil {
                    try self.take(option, as: "-\(letter)", attached: nil)
                } else {
                    if letters.first == "=" { letters = letters.dropFirst() }
                    try self.take(option, as: "-\(letter)", attached: letters.isEmpty ? nil : String(letters))
                    return
                }
            }
        }

        mutating func take(_ option: OptionSpec, as shown: String, attached: String?) throws(CommandError) {
            var value = ""
            if let name = option.value {
                if let attached {
                    value = attached
                } else if let next = self.words.first, next == "-" || !next.hasPrefix("-") {
                    value = next
                    self.words = self.words.dropFirst()
                } else {
                    throw .usage("\(shown) needs a value", fix: "write \(shown) \(name)")
                }
                if !option.choices.isEmpty, !option.choices.contains(value) {
                    let nearest = NearestWord.to(value, among: option.choices)
                    throw .usage(
                        "\(shown): unknown value \"\(value)\"",
                        fix: nearest.map { "did you mean \"\($0)\"?" } ?? "use \(HumanText.list(option.choices))")
                }
            } else if attached != nil {
                throw .usage("\(shown) takes no value", fix: "write \(shown) alone")
            }
            if !option.isRepeated, option.value != nil, self.parsed.flag(option.long) {
                throw .usage("\(shown) is given twice", fix: "give it once")
            }
            self.parsed.values[option.long, default: []].append(value)
        }

        func finish() throws(CommandError) -> Outcome {
            if self.isHelpCommand || self.path.count == 1 { return .help(self.path) }
            guard self.command.action != nil else {
                let names = self.command.subcommands.map(\.name)
                throw .usage("\"martlet \(self.label)\" needs a command", fix: "use \(HumanText.list(names))")
            }
            let specs = self.command.operands
            let required = specs.filter { if case .one = $0.arity { true } else { false } }
            if self.parsed.operands.count < required.count {
                let missing = required[self.parsed.operands.count]
                throw .usage("\(missing.name) is missing", fix: "usage: \(HelpText.usage(self.path))")
            }
            let takesMany = specs.contains { if case .many = $0.arity { true } else { false } }
            if !takesMany, self.parsed.operands.count > specs.count {
                throw .usage(
                    "unexpected argument \"\(self.parsed.operands[specs.count])\"",
                    fix: "usage: \(HelpText.usage(self.path))")
            }
            return .run(self.command, self.parsed)
        }

        func unknownCommand(_ word: String) -> CommandError {
            let names = self.command.subcommands.map(\.name)
            let nearest = NearestWord.to(word, among: names)
            let prefix = self.label.isEmpty ? "" : "\(self.label) "
            return .usage(
                "unknown command \"\(prefix)\(word)\"",
                fix: nearest.map { "did you mean \"\(prefix)\($0)\"?" } ?? self.helpHint)
        }

        var helpHint: String { "see martlet \(self.label.isEmpty ? "" : "\(self.label) ")--help" }
    }
}
