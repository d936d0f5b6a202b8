import MartletCoordinator
import MartletRuntime

/// What is done with one method of one path, and how it is described.
package struct Route: Sendable {
    package enum Body: Sendable {
        case none
        /// JSON, taken in whole.
        case json
        /// JSON, or JSON lines that are worked on while they come.
        case jsonOrLines
    }

    let method: String
    /// `/v1/jobs/{id}`.
    let path: String
    /// What one must be allowed to do; nil for everybody.
    let role: AccessRole?
    let body: Body
    let operation: Operation
    let serve: @Sendable (HTTPCall) async throws -> HTTPResponse

    let segments: [Segment]

    enum Segment: Sendable {
        case literal(Substring)
        case parameter(String)
    }

    init(
        _ method: String, _ path: String, _ role: AccessRole?, body: Body = .none, _ operation: Operation,
        _ serve: @escaping @Sendable (HTTPCall) async throws -> HTTPResponse
    ) {
        self.method = method
        self.path = path
        self.role = role
        self.body = body
        self.operation = operation
        self.serve = serve
        self.segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map {
            $0.hasPrefix("{") ? .parameter(String($0.dropFirst().dropLast())) : .literal($0)
        }
    }

    /// The values of the path's parameters, decoded; nil if it is another path.
    func match(_ parts: [Substring]) -> [String]? {
        guard parts.count == self.segments.count else { return nil }
        var values: [String] = []
        for (segment, part) in zip(self.segments, parts) {
            switch segment {
            case .literal(let text): guard text == part else { return nil }
            case .parameter:
                guard let value = PercentCoding.decode(part), !value.isEmpty else { return nil }
                values.append(value)
            }
        }
        return values
    }

    var parameterNames: [String] {
        self.segments.compactMap { if case .parameter(let name) = $0 { name } else { nil } }
    }
}

/// A request that is being served.
package struct HTTPCall: Sendable {
    package let exchange: HTTPExchange
    let route: Route
    let query: [String: String]
    let server: HTTPServer
    /// Nil while the coordinator starts.
    let running: Coordinator.Parts?

    package var head: HTTPRequestHead { self.exchange.head }
    var loop: EventLoop { self.server.loop }

    /// The coordinator.
    func parts() throws(Problem) -> Coordinator.Parts {
        guard let running = self.running else { throw .starting }
        return running
    }

    func parameter(_ name: String) -> String {
        let place = self.route.parameterNames.firstIndex(of: name)
        precondition(place != nil, "a route asks for its own parameters")
        return self.exchange.ticket.parameters[place!]
    }
}
