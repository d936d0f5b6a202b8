/// `martlet limits`: what external services allow.
enum LimitsCommand {
    static let spec = CommandSpec(
        name: "limits", summary: "see and change what external services allow",
        discussion: [
            "A service is named in cluster.json, with its rate, burst and concurrency; jobs say by their type or at "
                + "submit what they take of it. All of it holds for the cluster, whatever number of workers runs."
        ],
        subcommands: LimitsShowCommands.specs + LimitsChangeCommands.specs + [LimitsSimulateCommand.spec])
}
