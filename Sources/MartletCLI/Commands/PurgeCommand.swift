import MartletCore
import MartletWire

/// `martlet queues purge`: empties a queue.
enum PurgeCommand {
    static let spec = CommandSpec(
        name: "purge", summary: "remove all jobs of a queue that wait",
        discussion: [
            "Those that a worker has go on; those that have ended stay as long as they are kept. Asks first, unless "
                + "--yes is given."
        ],
        operands: [OperandSpec(name: "NAME", help: "The queue")],
        options: ChangeJobsCommand.changeOptions + [.flag("yes", short: "y", "Do not ask")],
        examples: [.init(command: "martlet queues purge mail --dry-run", meaning: "How many would it be?")],
        action: { arguments, context in
            let name = arguments.operands[0]
            try ParsedArguments.check(name: name, of: "queue")
            try await ChangeJobsCommand.run(
                .init(action: .purge, verb: "removed", noun: "waiting job", isDestructive: true),
                JobSelectionArguments(queue: name), arguments, context)
        })
}
