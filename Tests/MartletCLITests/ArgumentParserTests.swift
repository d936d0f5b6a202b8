import MartletCore
import Testing

@testable import MartletCLI

private let tree = CommandSpec(
    name: "tool", summary: "a tool",
    options: [.flag("json", "JSON"), .flag("help", short: "h", "Help"), .flag("version", "Version")],
    subcommands: [
        CommandSpec(
            name: "run", summary: "run", operands: [OperandSpec(name: "WHAT", help: "What to run")],
            options: [
                .option("queue", short: "q", "NAME", "A queue"), .flag("all", short: "a", "All"),
                .flag("brief", short: "b", "Brief"),
                .option("tag", short: "t", "TAG", "A tag", isRepeated: true),
                .option("state", "STATE", "A state", choices: ["ready", "dead"]),
            ],
            action: { _, _ in }),
        CommandSpec(
            name: "jobs", summary: "jobs",
            subcommands: [
                CommandSpec(name: "list", summary: "list", action: { _, _ in }),
                CommandSpec(
                    name: "drop", summary: "drop", operands: [OperandSpec(name: "ID", help: "Ids", arity: .many)],
                    action: { _, _ in }),
            ]),
    ])

private func parse(_ words: String...) throws -> ParsedArguments {
    guard case .run(_, let parsed) = try ArgumentParser(root: tree).parse(words) else {
        throw CommandError(.failure, "nothing to run")
    }
    return parsed
}

private func line(_ words: [String]) -> String? {
    do {
        _ = try ArgumentParser(root: tree).parse(words)
        return nil
    } catch {
        #expect(error.code == .usage)
        return "\(error)"
    }
}

@Suite struct ArgumentParserTests {
    @Test(arguments: [
        ["run", "x", "--queue", "mail"], ["run", "--queue=mail", "x"], ["run", "-q", "mail", "x"],
        ["run", "-qmail", "x"],
        ["run", "-q=mail", "x"], ["run", "-abq", "mail", "x"], ["--json", "run", "x", "-q", "mail"],
    ])
    func readsAnOptionHoweverItIsWritten(words: [String]) throws {
        guard case .run(let command, let parsed) = try ArgumentParser(root: tree).parse(words) else {
            Issue.record("nothing to run")
            return
        }
        #expect(command.name == "run")
        #expect(parsed.string("queue") == "mail")
        #expect(parsed.operands == ["x"])
        #expect(parsed.flag("json") == words.contains("--json"))
        #expect(parsed.flag("all") == words.contains("-abq"))
    }

    @Test func keepsTheOrderOfRepeatedOptions() throws {
        #expect(try parse("run", "x", "-t", "b", "--tag", "a").strings("tag") == ["b", "a"])
    }

    @Test func leavesWordsAfterTwoDashesAlone() throws {
        let parsed = try parse("run", "x", "--", "--queue", "-z", "--")
        #expect(parsed.rest == ["--queue", "-z", "--"])
        #expect(parsed.string("queue") == nil)
    }

    @Test func takesADashAsAWordAndAsAValue() throws {
        #expect(try parse("run", "-").operands == ["-"])
        #expect(try parse("run", "x", "-q", "-").string("queue") == "-")
    }

    @Test func takesAnyNumberOfOperandsOnlyWhereAllowed() throws {
        #expect(try parse("jobs", "drop").operands == [])
        #expect(try parse("jobs", "drop", "1", "2", "3").operands == ["1", "2", "3"])
    }

    @Test(arguments: [
        (["rnu"], "unknown command \"rnu\"; did you mean \"run\"?"),
        (["jobs", "lits"], "unknown command \"jobs lits\"; did you mean \"jobs list\"?"),
        (["frobnicate"], "unknown command \"frobnicate\"; see martlet --help"),
        (["run", "x", "--quue", "a"], "unknown option --quue; did you mean --queue?"),
        (["run", "x", "--xyzzy"], "unknown option --xyzzy; see martlet run --help"),
        (["run", "x", "-z"], "unknown option -z; see martlet run --help"),
        (["run", "x", "--queue"], "--queue needs a value; write --queue NAME"),
        (["run", "x", "--queue", "--all"], "--queue needs a value; write --queue NAME"),
        (["run", "x", "--all=yes"], "--all takes no value; write --all alone"),
        (["run", "x", "-q", "a", "--queue", "b"], "--queue is given twice; give it once"),
        (["run", "x", "--state", "deaad"], "--state: unknown value \"deaad\"; did you mean \"dead\"?"),
        (["run", "x", "--state", "q"], "--state: unknown value \"q\"; use ready or dead"),
        (["run"], "WHAT is missing; usage: tool run [options] WHAT"),
        (["run", "x", "y"], "unexpected argument \"y\"; usage: tool run [options] WHAT"),
        (["jobs"], "\"martlet jobs\" needs a command; use list or drop"),
        (["jobs", "list", "x"], "unexpected argument \"x\"; usage: tool jobs list [options]"),
    ])
    func namesCauseAndFix(words: [String], expected: String) {
        #expect(line(words) == expected)
    }

    @Test(arguments: [["run", "--help"], ["help", "run"], ["run", "-h", "x"], ["-h", "run"]])
    func helpIsAskedForInAnyPlace(words: [String]) throws {
        guard case .help(let path) = try ArgumentParser(root: tree).parse(words) else {
            Issue.record("no help")
            return
        }
        #expect(path.map(\.name) == ["tool", "run"])
    }

    @Test func versionIsTold() throws {
        guard case .version = try ArgumentParser(root: tree).parse(["--version"]) else {
            Issue.record("no version")
            return
        }
    }

    @Test(arguments: [40, 60, 80, 200])
    func helpFitsTheWidth(width: Int) {
        func check(_ path: [CommandSpec]) {
            let text = HelpText.text(path, style: .plain, width: width)
            // Commands to copy are not cut.
            let copied = path[path.count - 1].examples.map { "  \($0.command)" }
            for line in text.split(separator: "\n").map(String.init)
            where !copied.contains(line) && !line.hasPrefix("Usage:") {
                #expect(line.count <= max(width, 60), "\(line)")
            }
            #expect(text.contains(path[path.count - 1].summary.split(separator: " ")[0]))
            for next in path[path.count - 1].subcommands { check(path + [next]) }
        }
        check([CommandTree.root])
    }

    /// A word that two options share would reach only one of them.
    @Test func optionsOfACommandAreDistinct() {
        func check(_ command: CommandSpec, _ inherited: [OptionSpec], _ path: String) {
            let options = inherited + command.options
            let longs = options.map(\.long)
            let shorts = options.compactMap(\.short)
            #expect(Set(longs).count == longs.count, "\(path)")
            #expect(Set(shorts).count == shorts.count, "\(path): \(shorts)")
            #expect(command.action != nil || !command.subcommands.isEmpty, "\(path) does nothing")
            for next in command.subcommands { check(next, options, "\(path) \(next.name)") }
        }
        check(CommandTree.root, [], "martlet")
    }
}

@Suite struct ParsedArgumentsTests {
    @Test func checksValues() throws {
        let parsed = ParsedArguments(values: [
            "limit": ["12"], "delay": ["1m30s"], "bad": ["x y"], "name": ["mail.eu/1"],
        ])
        #expect(try parsed.count("limit", in: 1...100) == 12)
        #expect(try parsed.count("none", in: 1...100) == nil)
        #expect(try parsed.duration("delay", in: .zero ... .seconds(90)) == .seconds(90))
        #expect(try parsed.name("name") == "mail.eu/1")
        #expect(throws: CommandError.self) { try parsed.count("limit", in: 1...11) }
        #expect(throws: CommandError.self) { try parsed.duration("delay", in: .zero ... .seconds(89)) }
        #expect(throws: CommandError.self) { try parsed.count("bad", in: 1...100) }
        #expect(throws: CommandError.self) { try parsed.name("bad") }
        #expect(throws: CommandError.self) { try parsed.address("bad") }
    }

    @Test(arguments: ["", "-1", "abc", "9223372036854775808", "1.5"])
    func refusesWhatIsNoJobID(text: String) {
        #expect(throws: CommandError.self) { try ParsedArguments.jobID(text) }
    }

    @Test func readsTheHighestJobID() throws {
        #expect(try ParsedArguments.jobID("9223372036854775807").rawValue == UInt64(Int64.max))
    }
}
