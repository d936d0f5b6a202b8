import Foundation

/// End to end: a client, a coordinator and nodes as processes of their own on this machine, every submit acknowledged
/// after its fsync, every result durable.
///
///     cluster-benchmark throughput|latency|memory|restart [--jobs N] [--batch N] [--slots N] ...
///
/// starts itself again in the other roles. Each command prints what it found for people, and with `--json yes` as one
/// JSON object behind that; see ``Settings`` for what can be set.
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
        case "throughput": try await Throughput(Cluster(settings)).measure()
        case "latency": try await Latency(Cluster(settings)).measure()
        case "memory": try await Growth(Cluster(settings)).memory()
        case "restart": try await Growth(Cluster(settings)).restart()
        default:
            print("cluster-benchmark: throughput, latency, memory or restart, not \(command)")
            exit(2)
        }
    }
}
