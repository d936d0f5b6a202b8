import Foundation

/// End to end: a client, a coordinator and a node as three processes on this machine, every submit acknowledged after
/// its fsync, every result durable.
///
/// `cluster-benchmark throughput|latency|memory [--jobs N] [--batch N] [--slots N] [--blocked N]`
/// starts itself again in the other roles.
@main
struct ClusterBenchmark {
    static func main() async throws {
        var arguments = Array(CommandLine.arguments.dropFirst())
        let command = arguments.isEmpty ? "throughput" : arguments.removeFirst()
        let settings = Settings(arguments)
        switch command {
        case "coordinator": try await CoordinatorRole.run(settings)
        case "node": try await NodeRole.run(settings)
        case "echo": try EchoRole.run(settings)
        case "throughput": try await Measurement(settings).throughput()
        case "latency": try await Measurement(settings).latency()
        case "memory": try await Measurement(settings).memory()
        default:
            print("cluster-benchmark: throughput, latency or memory, not \(command)")
            exit(2)
        }
    }
}

/// What is measured, as given on the command line: `--name value` pairs.
struct Settings {
    var jobs = 1_000_000
    var batch = 200
    var slots = 16
    var payload = 200
    /// Tasks that submit side by side.
    var producers = 8
    var samples = 500
    /// Jobs that wait for a service of one call a second meanwhile.
    var blocked = 0
    var folder = ""
    var clients = ""
    var nodes = ""
    var echo = ""

    init(_ arguments: [String]) {
        var rest = arguments.makeIterator()
        while let name = rest.next() {
            guard let value = rest.next() else { fatalError("\(name) needs a value") }
            switch name {
            case "--jobs": self.jobs = Int(value)!
            case "--batch": self.batch = Int(value)!
            case "--slots": self.slots = Int(value)!
            case "--payload": self.payload = Int(value)!
            case "--producers": self.producers = Int(value)!
            case "--samples": self.samples = Int(value)!
            case "--blocked": self.blocked = Int(value)!
            case "--folder": self.folder = value
            case "--clients": self.clients = value
            case "--nodes": self.nodes = value
            case "--echo": self.echo = value
            default: fatalError("\(name) is no setting")
            }
        }
    }
}
