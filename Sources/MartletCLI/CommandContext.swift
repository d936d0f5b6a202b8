import MartletConfiguration
import MartletCore
import MartletJSON

/// What every command is given: where to print, and how to find the cluster.
struct CommandContext: Sendable {
    let console: Console
    let environment: [String: String]
    /// `--json`.
    let isJSON: Bool
    /// `--config`, if given.
    let configurationFile: String?

    init(console: Console, environment: [String: String], arguments: ParsedArguments) {
        self.console = console
        self.environment = environment
        self.isJSON = arguments.flag("json")
        self.configurationFile = arguments.string("config")
    }

    /// Reads cluster.json.
    func loadConfiguration() throws(CommandError) -> LoadedConfiguration {
        do {
            let (configuration, file) = try ConfigurationLoader.load(
                file: self.configurationFile, environment: self.environment)
            return LoadedConfiguration(configuration: configuration, file: file, environment: self.environment)
        } catch {
            throw CommandError(error)
        }
    }
}

extension CommandContext {
    /// Prints a list: a table for people, or a remark that there is none, and a JSON object a line for programs.
    func show<Row>(_ rows: [Row], none: String, json: (Row) -> JSONOutput, table: ([Row]) -> Table) {
        if self.isJSON {
            self.console.print(lines: rows.map { json($0).text })
        } else if rows.isEmpty {
            self.console.note(none)
        } else {
            self.console.print(table(rows))
        }
    }
}

/// A configuration with where it came from.
struct LoadedConfiguration: Sendable {
    let configuration: ClusterConfiguration
    /// Nil for the defaults.
    let file: String?
    let environment: [String: String]

    /// The cluster token, if there is one.
    func token() throws(CommandError) -> [UInt8]? {
        do {
            return try ConfigurationLoader.token(
                for: self.configuration, configurationFile: self.file, environment: self.environment)
        } catch {
            throw CommandError(error)
        }
    }
}

extension CommandError {
    init(_ error: ConfigurationError) {
        let code: ExitCode = error.cause.hasPrefix("cannot read") ? .noInput : .badConfiguration
        self.init(code, error.causeWithPlace, fix: error.fix)
    }
}
