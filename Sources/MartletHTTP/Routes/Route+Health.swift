import MartletCoordinator
import MartletCore
import MartletJSON
import MartletObservability

extension Route {
    /// Whether it lives, whether it can work, and its metrics.
    static let health: [Route] = [
        Route(
            "GET", "/healthz", nil,
            Operation(
                "health", "Health", "Whether the process is alive",
                [.init(status: 200, description: "It is.", schema: "Health")])
        ) { _ in
            HTTPResponse(200, "application/json", JSONOutput.object([("status", .string("alive"))]).text)
        },
        Route(
            "GET", "/readyz", nil,
            Operation(
                "readiness", "Health", "Whether the coordinator can take jobs and hand them out",
                details: "Recovered, and a transaction became durable just now.",
                [
                    .init(status: 200, description: "It can.", schema: "Readiness"),
                    .init(status: 503, description: "Not (yet).", schema: "Readiness"),
                ])
        ) { call in
            let (isRecovered, isWritable) = await Readiness.look(call)
            let isReady = isRecovered && isWritable
            return HTTPResponse(
                isReady ? 200 : 503, "application/json",
                JSONOutput.object([
                    ("status", .string(isReady ? "ready" : "not ready")), ("recovered", .boolean(isRecovered)),
                    ("storeWritable", .boolean(isWritable)),
                ]).text)
        },
        Route(
            "GET", "/metrics", .read,
            Operation(
                "metrics", "Health", "Metrics as Prometheus reads them",
                [.init(status: 200, description: "Text format 0.0.4.", contentType: "text/plain")])
        ) { call in
            var text = await call.running?.metrics.collect() ?? MetricsText()
            call.server.writeMetrics(to: &text)
            return HTTPResponse(200, MetricsText.contentType, text.text)
        },
    ]
}

private enum Readiness {
    /// How long a transaction may take.
    static let commitTimeout: Duration = .seconds(2)

    static func look(_ call: HTTPCall) async -> (isRecovered: Bool, isWritable: Bool) {
        guard let parts = call.running else { return (false, false) }
        let isRecovered = await !parts.dispatcher.isRecovering
        return (isRecovered, await parts.clients.canCommit(within: Self.commitTimeout))
    }
}
