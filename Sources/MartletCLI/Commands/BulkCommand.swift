import MartletCore
import MartletJSON
import MartletWire

/// `martlet bulk`: operations on many jobs, under way or done.
enum BulkCommand {
    static let spec = CommandSpec(
        name: "bulk", summary: "follow operations on many jobs",
        subcommands: [
            CommandSpec(
                name: "list", summary: "list operations, the latest last",
                options: CommandTree.connectionOptions,
                examples: [.init(command: "martlet bulk list", meaning: "What is under way, and what was done.")],
                action: { arguments, context in
                    try await CoordinatorSession.use(arguments, context) { session in
                        let operations = try await session.client.bulk(nil)
                        context.show(
                            operations, none: "There was no operation on many jobs.", json: { ViewJSON.operation($0) }
                        ) {
                            BulkText.table($0, now: session.wallTime)
                        }
                    }
                }),
            CommandSpec(
                name: "show", summary: "show how far an operation has got",
                operands: [OperandSpec(name: "ID", help: "The operation's number")],
                options: CommandTree.connectionOptions,
                examples: [.init(command: "martlet bulk show 3", meaning: "Is it done?")],
                action: { arguments, context in
                    guard let id = UInt64(arguments.operands[0]) else {
                        throw CommandError.usage(
                            "\"\(arguments.operands[0])\" is no operation", fix: "see martlet bulk list")
                    }
                    try await CoordinatorSession.use(arguments, context) { session in
                        guard let operation = try await session.client.bulk(id).first else { return }
                        if context.isJSON {
                            context.console.print(ViewJSON.operation(operation).text)
                        } else {
                            context.console.print(
                                lines: BulkText.page(operation, now: session.wallTime, style: context.console.output))
                        }
                    }
                }),
        ])
}
