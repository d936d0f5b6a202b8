import Martlet

@main
struct Main {
    static func main() async {
        let environment = SystemEnvironment.variables()
        let code = await Self.run(Array(CommandLine.arguments.dropFirst()), environment: environment)
        SystemEnvironment.exit(code)
    }

    /// Runs one command line on the process's own terminal.
    static func run(_ words: [String], environment: [String: String]) async -> ExitCode {
        do {
            switch try ArgumentParser(root: CommandTree.root).parse(words) {
            case .version:
                Console.standard(color: nil, environment: environment).print("martlet \(MartletVersion.current)")
            case .help(let path):
                let console = Console.standard(color: nil, environment: environment)
                console.print(text: HelpText.text(path, style: console.output, width: console.width ?? 80))
            case .run(let command, let arguments):
                let console = Console.standard(color: arguments.string("color"), environment: environment)
                let context = CommandContext(console: console, environment: environment, arguments: arguments)
                return await Self.run(command, arguments, context)
            }
            return .success
        } catch {
            Console.standard(color: nil, environment: environment).report(error)
            return error.code
        }
    }

    private static func run(
        _ command: CommandSpec, _ arguments: ParsedArguments, _ context: CommandContext
    ) async -> ExitCode {
        guard let action = command.action else { return .success }
        do {
            try await action(arguments, context)
            return .success
        } catch let error as CommandError {
            context.console.report(error)
            return error.code
        } catch is CancellationError {
            return .interrupted
        } catch {
            context.console.report(CommandError(.failure, "\(error)"))
            return .failure
        }
    }
}
