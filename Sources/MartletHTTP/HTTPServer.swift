package import MartletCoordinator
import MartletCore
package import MartletObservability
package import MartletRuntime
import MartletStore
package import MartletTransport
import MartletWire
import Synchronization

/// The coordinator over HTTP: metrics, health, the API under `/v1`.
///
/// It listens from the moment it is made, so that whoever watches the process sees it start; what needs the coordinator is
/// refused until ``begin(_:)``.
package final class HTTPServer: Sendable {
    let settings: HTTPSettings
    /// Where requests are served; not the coordinator's, so that reading and writing JSON holds nobody up.
    package let loop: EventLoop
    let metrics = HTTPMetrics()
    private let log: Log
    private let routes: [Route]
    private let listener: HTTPListener
    private let running = Mutex<Coordinator.Parts?>(nil)
    let keys = IdempotencyKeys()
    let overview = OverviewSampler()
    let streams = StreamCount()

    /// Between looks at connections whose time is up.
    private static let sweepInterval: Duration = .milliseconds(250)

    /// Starts to listen.
    ///
    /// - Throws: why it cannot.
    package init(_ settings: HTTPSettings, loop: EventLoop, log: Log) throws(TransportError) {
        let routes = Route.all
        let gatekeeper = Gatekeeper(settings: settings, routes: routes, port: settings.port)
        let metrics = self.metrics
        self.settings = settings
        self.loop = loop
        self.log = log
        self.routes = routes
        self.listener = try HTTPListener(settings, loop: loop) { head in
            let verdict = gatekeeper.judge(head)
            if case .failure(let refusal) = verdict {
                metrics.answered(head.method, route: refusal.route, status: refusal.problem.status, after: nil)
            }
            return verdict
        }
    }

    /// Where it listens, with the port that was given out.
    package var address: String {
        let host = self.settings.host
        return "http://\(host.contains(":") ? "[\(host)]" : host):\(self.listener.port)"
    }

    /// The coordinator serves.
    package func begin(_ parts: Coordinator.Parts) { self.running.withLock { $0 = parts } }

    var parts: Coordinator.Parts? { self.running.withLock { $0 } }

    /// Serves until cancelled; then nobody who was asked goes unanswered.
    package func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.sweep() }
            while true {
                let arrived = await self.listener.receive()
                guard !arrived.isEmpty else { break }
                for exchange in arrived { group.addTask { await self.serve(exchange) } }
            }
            group.cancelAll()
        }
        self.running.withLock { $0 = nil }
        await self.listener.close()
    }

    private func sweep() async {
        while (try? await self.loop.sleep(for: Self.sweepInterval)) != nil {
            let count = self.listener.connections.cutOverdue(at: self.loop.now)
            if count > 0 { self.log(.debug, "HTTP connections were cut: their peers were too slow", [.count: count]) }
        }
    }

    private func serve(_ exchange: HTTPExchange) async {
        let start = self.loop.now
        let route = self.routes[exchange.ticket.route]
        let query = PercentCoding.query(exchange.head.query) ?? [:]
        let call = HTTPCall(exchange: exchange, route: route, query: query, server: self, running: self.parts)
        var response: HTTPResponse
        do {
            try call.checkQuery()
            response = try await route.serve(call)
        } catch {
            response = Self.response(to: error)
        }
        if let origin = exchange.head.header("origin"), self.settings.origins.contains(origin) {
            response.headers.append(("Access-Control-Allow-Origin", origin))
            response.headers.append(("Vary", "Origin"))
        }
        response.headers.append(("X-Content-Type-Options", "nosniff"))
        self.metrics.answered(
            exchange.head.method, route: route.path, status: response.status, after: self.loop.now - start)
        exchange.answer(response)
        await response.producer?()
    }

    private static func response(to error: any Error) -> HTTPResponse {
        switch error {
        case let problem as Problem: problem.response
        case let refusal as ErrorReply: Problem(refusal).response
        case let error as StoreError: Problem(error).response
        case is CancellationError: Problem.stopping.response
        default: Problem(500, "internal", "The coordinator failed", "\(error)").response
        }
    }

    /// Adds what is known here.
    func writeMetrics(to text: inout MetricsText) {
        ProcessFigures.write(to: &text)
        self.metrics.write(
            to: &text, connections: self.listener.connections, connectionsMax: self.settings.connectionsMax)
    }
}
