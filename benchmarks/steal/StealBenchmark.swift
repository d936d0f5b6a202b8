import Foundation

/// Work shared out among nodes of unequal speed, one of which joins late: how long it takes beside an ideal.
///
/// `steal-benchmark run --workload NAME --stealing on|off --nodes SPEC [--late SPEC --after SECONDS]`, where a SPEC is
/// `SLOTSxSPEED` with commas between nodes. Starts itself again as the coordinator and as nodes, and prints one line of
/// JSON. `steal.py` runs it and shows what came of it.
@main
struct StealBenchmark {
    static func main() async throws {
        var arguments = Array(CommandLine.arguments.dropFirst())
        let command = arguments.isEmpty ? "" : arguments.removeFirst()
        let settings = Settings(arguments)
        switch command {
        case "coordinator": try await CoordinatorRole.run(settings)
        case "nodes": try await NodesRole.run(settings)
        case "run": try await Measurement(settings).run()
        default:
            print("steal-benchmark: run, not \"\(command)\"")
            exit(2)
        }
    }
}

/// A node as it is asked for.
struct NodeSpec {
    let slots: Int
    /// A job of a second takes one over this.
    let speed: Double

    static func list(_ text: String) -> [NodeSpec] {
        text.split(separator: ",").map { word in
            let parts = word.split(separator: "x")
            return NodeSpec(slots: Int(parts[0])!, speed: Double(parts[1])!)
        }
    }
}

/// What is measured, as given on the command line: `--name value` pairs.
struct Settings {
    var workload = "mixed"
    var isStealing = true
    var nodes = "4x1"
    var late = ""
    var after = 0.0
    var seconds = 240.0
    /// Of work that nodes fetch ahead at most; as shipped if zero.
    var ahead = 0.0
    var folder = ""
    /// The first of the nodes that a process is to run.
    var first = 0

    init(_ arguments: [String]) {
        var rest = arguments.makeIterator()
        while let name = rest.next() {
            guard let value = rest.next() else { fatalError("\(name) needs a value") }
            switch name {
            case "--workload": self.workload = value
            case "--stealing": self.isStealing = value == "on"
            case "--nodes": self.nodes = value
            case "--late": self.late = value
            case "--after": self.after = Double(value)!
            case "--work": self.seconds = Double(value)!
            case "--ahead": self.ahead = Double(value)!
            case "--folder": self.folder = value
            case "--first": self.first = Int(value)!
            default: fatalError("\(name) is no setting")
            }
        }
    }

    var clients: String { "ipc://\(self.folder)/clients" }
    var nodeAddress: String { "ipc://\(self.folder)/nodes" }
}
