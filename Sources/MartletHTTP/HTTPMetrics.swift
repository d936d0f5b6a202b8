import MartletCore
import MartletObservability
import Synchronization

/// What the HTTP server did, in numbers.
final class HTTPMetrics: Sendable {
    private struct Key: Hashable, Comparable {
        let route: String
        let method: String
        let status: Int

        static func < (a: Self, b: Self) -> Bool {
            (a.route, a.method, a.status) < (b.route, b.method, b.status)
        }
    }

    private struct State {
        var counts: [Key: UInt64] = [:]
        var times = Histogram(.shortTimes)
    }

    private let state = Mutex(State())
    private static let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

    /// - Parameter route: the path as it is described, with its parameters' names; empty for any other.
    func answered(_ method: String, route: String, status: Int, after time: Duration?) {
        let method = Self.methods.contains(method) ? method : "other"
        let key = Key(route: route.isEmpty ? "other" : route, method: method, status: status)
        self.state.withLock { state in
            state.counts[key, default: 0] += 1
            if let time { state.times.record(time) }
        }
    }

    func write(to text: inout MetricsText, connections: ConnectionTable, connectionsMax: Int) {
        let (counts, times) = self.state.withLock { ($0.counts, $0.times) }
        text.write(
            .httpRequests,
            counts.sorted { $0.key < $1.key }.map { ([$0.key.method, $0.key.route, "\($0.key.status)"], $0.value) })
        text.write(.httpTimes, [([], times)])
        text.write(.httpConnections, connections.count)
        text.write(.httpConnectionsMax, connectionsMax)
        text.write(.httpTimeouts, connections.timeouts.map { ([$0.phase.rawValue], $0.count) })
    }
}
