import MartletCore
import MartletJSON
import MartletWire

/// `martlet queues`: what each queue holds.
enum QueuesCommand {
    static let spec = CommandSpec(
        name: "queues", summary: "show what each queue holds, by job type",
        discussion: [
            "READY jobs wait for a worker, OLDEST says for how long the one that has waited for longest, RUNNING ones are leased to one, SCHEDULED ones are due later or wait out a "
                + "back-off, DEAD ones were given up. NODES counts connected workers that serve the type; a red 0 "
                + "means that ready jobs have nobody to run them. PAUSED says since when nothing is started."
        ],
        options: [.option("queue", short: "q", "NAME", "Only this queue")] + CommandTree.connectionOptions,
        subcommands: PauseCommand.specs(.queue) + [PurgeCommand.spec],
        examples: [.init(command: "martlet queues", meaning: "All queues at a glance.")],
        action: { arguments, context in
            let name = try arguments.name("queue")
            try await CoordinatorSession.use(arguments, context) { session in
                let pauses = try await session.client.pauses()
                let paused = pauses.filter { $0.target == .queue }
                var queues = try await session.client.queues()
                for pause in paused where !queues.contains(where: { $0.queue == pause.name }) {
                    queues.append(QueueView(queue: pause.name, type: "-"))
                }
                queues = queues.filter { name == nil || $0.queue == name }
                let none = name.map { "No queue \"\($0)\" has held a job." } ?? "No job was submitted yet."
                context.show(queues, none: none, json: { ViewJSON.queue($0, pauses: pauses) }) {
                    ClusterText.table($0, pauses: pauses, now: session.wallTime)
                }
            }
        })
}

/// `martlet nodes`: which workers are connected.
enum NodesCommand {
    static let spec = CommandSpec(
        name: "nodes", summary: "show the workers that the coordinator knows",
        discussion: [
            "A live node sends heartbeats; a silent one gets no more work and loses its jobs when their leases end; a "
                + "draining one finishes its work and leaves; an awaited one is known from before a restart of the "
                + "coordinator and has not come back yet. STUCK counts handlers that were told to stop and have not."
        ],
        options: CommandTree.connectionOptions,
        examples: [.init(command: "martlet nodes", meaning: "All workers with what they hold.")],
        action: { arguments, context in
            try await CoordinatorSession.use(arguments, context) { session in
                let nodes = try await session.client.nodes()
                context.show(nodes, none: "No worker is connected.", json: { ViewJSON.node($0) }) {
                    ClusterText.table($0)
                }
            }
        })
}
