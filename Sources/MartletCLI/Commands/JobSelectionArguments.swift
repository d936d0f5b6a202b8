import MartletCore
import MartletWire

/// Which jobs a command line means: some by id, or all that match.
struct JobSelectionArguments: Sendable {
    let ids: [JobID]
    let selection: JobSelection

    static let operands = [
        OperandSpec(name: "ID", help: "Jobs by id; or say which with the options", arity: .many)
    ]

    /// - Parameter states: those that make sense; none: there is no choice.
    static func options(states: [String]) -> [OptionSpec] {
        var options: [OptionSpec] = [
            .option("queue", short: "q", "NAME", "Those of this queue"),
            .option("type", short: "t", "NAME", "Those of this job type"),
            .option("tag", "TAG", "Those with this tag"),
            .option("group", "NAME", "Those of this fairness group"),
            .option("batch", "ID", "Those of this batch"),
            .option("older-than", "DURATION", "Those submitted longer ago, such as 7d"),
            .flag("all", "All of them"),
        ]
        if !states.isEmpty {
            options.insert(.option("state", short: "s", "STATE", "Those in this state", choices: states), at: 0)
        }
        return options
    }

    /// All of a queue.
    init(queue: String) {
        self.ids = []
        self.selection = JobSelection(queue: queue)
    }

    /// - Parameter now: what ages are counted from.
    /// - Throws: a usage error if the words name nothing, or name it in two ways.
    init(_ arguments: ParsedArguments, now: WallTime) throws(CommandError) {
        var ids: [JobID] = []
        for text in arguments.operands { ids.append(try ParsedArguments.jobID(text)) }
        var selection = JobSelection()
        selection.state = arguments.string("state").flatMap(JobText.state(named:))
        selection.queue = try arguments.name("queue")
        selection.type = try arguments.name("type")
        selection.tag = arguments.string("tag")
        selection.group = arguments.string("group")
        selection.batch = try arguments.batchID("batch")
        if let age = try arguments.duration("older-than", in: .zero ... .seconds(3650 * 86400)) {
            selection.createdBefore = now - age
        }
        let isFiltered = selection != JobSelection()
        if ids.isEmpty, !isFiltered, !arguments.flag("all") {
            throw .usage("no jobs are named", fix: "give ids, options that say which, or --all")
        }
        if !ids.isEmpty, isFiltered || arguments.flag("all") {
            throw .usage("ids cannot be mixed with options that say which jobs", fix: "give one or the other")
        }
        if arguments.flag("all"), isFiltered {
            throw .usage("--all cannot be mixed with options that say which jobs", fix: "leave --all out")
        }
        self.ids = ids
        self.selection = selection
    }
}
