/// Writes the text of `--help` from a command's description.
enum HelpText {
    /// `martlet jobs show [options] ID`.
    static func usage(_ path: [CommandSpec]) -> String {
        guard let command = path.last else { return "" }
        var words = path.map(\.name)
        if !command.subcommands.isEmpty { words.append("COMMAND") }
        words.append("[options]")
        words += command.operands.map(\.usage)
        return words.joined(separator: " ")
    }

    /// - Parameter width: columns to fill, at least 40.
    static func text(_ path: [CommandSpec], style: Style, width: Int) -> String {
        guard let command = path.last else { return "" }
        let width = max(40, min(width, 100))
        var lines: [String] = []
        let title = path.map(\.name).joined(separator: " ")
        let head = Self.wrap("\(title): \(command.summary)", width: width)
        lines.append(style.apply(.bold, title) + head[0].dropFirst(title.count))
        lines += head.dropFirst()
        lines += ["", "\(style.apply(.bold, "Usage:")) \(Self.usage(path))"]
        for paragraph in command.discussion { lines += [""] + Self.wrap(paragraph, width: width) }
        if !command.subcommands.isEmpty {
            let entries = command.subcommands.map { ($0.name, $0.summary) }
            lines += Self.section("Commands:", entries, style: style, width: width)
        }
        if !command.operands.isEmpty {
            let entries = command.operands.map { ($0.name, $0.help) }
            lines += Self.section("Arguments:", entries, style: style, width: width)
        }
        if !command.options.isEmpty, path.count > 1 {
            lines += Self.section("Options:", command.options.map(Self.entry), style: style, width: width)
        }
        if let root = path.first {
            lines += Self.section("Everywhere:", root.options.map(Self.entry), style: style, width: width)
        }
        if !command.examples.isEmpty {
            lines += ["", style.apply(.bold, "Examples:")]
            for example in command.examples {
                lines.append("  \(style.apply(.cyan, example.command))")
                lines += Self.wrap(example.meaning, width: width - 6).map { "      \($0)" }
            }
        }
        if path.count == 1 {
            let entries = ExitCode.allCases.map { (String($0.rawValue), $0.meaning) }
            lines += Self.section("Exit codes:", entries, style: style, width: width)
            lines += ["", "martlet COMMAND --help tells more about a command."]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func entry(_ option: OptionSpec) -> (String, String) {
        var label = option.short.map { "-\($0), " } ?? "    "
        label += "--\(option.long)"
        if let value = option.value { label += " \(value)" }
        var help = option.help
        if !option.choices.isEmpty { help += ": \(HumanText.list(option.choices))" }
        return (label, help)
    }

    private static func section(
        _ title: String, _ entries: [(String, String)], style: Style, width: Int
    ) -> [String] {
        let labelWidth = min(entries.map(\.0.count).max() ?? 0, 30)
        var lines = ["", style.apply(.bold, title)]
        for (label, help) in entries {
            let wrapped = Self.wrap(help, width: width - labelWidth - 4)
            let padded = label + String(repeating: " ", count: max(0, labelWidth - label.count))
            if label.count > labelWidth {
                lines.append("  \(label)")
                lines += wrapped.map { String(repeating: " ", count: labelWidth + 4) + $0 }
            } else {
                lines.append("  \(padded)  \(wrapped.first ?? "")")
                lines += wrapped.dropFirst().map { String(repeating: " ", count: labelWidth + 4) + $0 }
            }
        }
        return lines
    }

    static func wrap(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += line.isEmpty ? String(word) : " \(word)"
        }
        if !line.isEmpty { lines.append(line) }
        return lines
    }
}
