import MartletConfiguration
import MartletCoordinator
import MartletCore
import MartletJSON
import MartletWire

/// Queues, nodes and services.
extension Route {
    static let cluster: [Route] = [
        Route(
            "GET", "/v1/cluster", .read,
            Operation(
                "showCluster", "Cluster", "The coordinator itself",
                [.init(status: 200, description: "Version, epoch, age and load.", schema: "Cluster")])
        ) { call in
            let pong = try await call.parts().clients.pong()
            return .json(
                200,
                .object([
                    ("version", .string(pong.version)), ("epoch", .count(pong.epoch.rawValue)),
                    ("time", .time(pong.wallTime)), ("uptimeSeconds", .seconds(pong.uptime)),
                    ("recovered", .boolean(pong.isRecovered)), ("nodes", .count(pong.nodeCount)),
                    ("pending", .count(pong.pendingCount)),
                ]))
        },
        Route(
            "GET", "/v1/queues", .read,
            Operation(
                "listQueues", "Queues", "What queues hold, by job type",
                [.init(status: 200, description: "All queues.", schema: "QueueList")])
        ) { call in
            let parts = try call.parts()
            let queues = try await parts.clients.queues().queues
            let pauses = await parts.control.pauseList.pauses
            return .json(200, .object([("queues", .array(queues.map { ViewJSON.queue($0, pauses: pauses) }))]))
        },
        Route(
            "GET", "/v1/queues/{queue}", .read,
            Operation(
                "explainQueue", "Queues", "What the ready jobs of a queue wait for",
                [.init(status: 200, description: "Runnable, blocked and why.", schema: "Backlog")], problems: [404])
        ) { call in
            let name = try call.pathName("queue")
            return .json(200, ViewJSON.backlog(of: name, try await call.parts().clients.explain(name)))
        },
        Self.pause(.queue, "queue", "queues", isPaused: true), Self.pause(.queue, "queue", "queues", isPaused: false),
        Self.pause(.type, "type", "types", isPaused: true), Self.pause(.type, "type", "types", isPaused: false),
        Route(
            "GET", "/v1/nodes", .read,
            Operation(
                "listNodes", "Nodes", "Workers that are connected, or known from before a restart",
                [.init(status: 200, description: "All nodes.", schema: "NodeList")])
        ) { call in
            let nodes = try await call.parts().registry.views()
            return .json(200, .object([("nodes", .array(nodes.map { ViewJSON.node($0) }))]))
        },
        Route(
            "GET", "/v1/services", .read,
            Operation(
                "listServices", "Services", "Services with their limits, levels and last changes",
                query: [
                    .init("changes", "How many of the last changes, 0 to 1000; none if left out.", .integer(0...1000))
                ],
                [.init(status: 200, description: "All services.", schema: "ServiceList")])
        ) { call in
            let changes = try call.count("changes", in: 0...1000) ?? 0
            let list = try await call.parts().services.list(ListServices(changesMax: UInt32(changes)))
            return .json(
                200,
                .object([
                    ("services", .array(list.services.map { ViewJSON.service($0) })),
                    ("changes", .array(list.changes.map { ViewJSON.change($0) })),
                ]))
        },
        Route(
            "PUT", "/v1/services/{service}", .admin, body: .json,
            Operation(
                "setService", "Services", "Change what a service allows, at once and for all workers",
                details:
                    "The body is what `services` in cluster.json has for it. It outlives restarts, until it is reset.",
                query: [
                    .init("new", "Whether one that is not there is added.", .flag),
                    .init("by", "Who changes it, for the record.", .text),
                ],
                request: "ServiceLimits",
                [.init(status: 200, description: "It is in force.", schema: "ServiceChanged")],
                problems: [404, 413, 415])
        ) { call in
            let name = try call.pathName("service")
            let (value, _) = try call.json()
            let limits = try Problem.translating { () throws(ConfigurationError) in
                try ClusterConfiguration.serviceLimits(of: value)
            }
            let parts = try call.parts()
            if try !call.flag("new") {
                let known = await parts.services.list(ListServices()).services
                guard known.contains(where: { $0.name == name }) else {
                    let nearest = NearestWord.to(name, among: known.map(\.name)).map { "; did you mean \($0)?" } ?? ""
                    throw Problem.notFound("there is no service \(name)\(nearest) new=true adds one")
                }
            }
            return try await Self.set(name, .limits(limits), call)
        },
        Self.service("pause", .pause, "Let nothing use a service until it is resumed"),
        Self.service("resume", .resume, "Let a paused service be used again"),
        Self.service("reset", .reset, "Go back to what cluster.json says of a service"),
    ]

    private static func pause(
        _ target: SetPause.Target, _ noun: String, _ plural: String, isPaused: Bool
    ) -> Route {
        let verb = isPaused ? "pause" : "resume"
        return Route(
            "POST", "/v1/\(plural)/{\(noun)}/\(verb)", .admin,
            Operation(
                "\(verb)\(target == .queue ? "Queue" : "Type")", "Queues",
                isPaused ? "Start no more jobs of a \(noun); what runs goes on" : "Let jobs of a \(noun) start again",
                [.init(status: 200, description: "It is durable.", schema: "PauseChanged")], problems: [404])
        ) { call in
            let name = try call.pathName(noun)
            let set = try await call.parts().control.set(SetPause(target, name: name, isPaused: isPaused))
            return .json(
                200,
                .object([
                    ("name", .string(name)), ("paused", .boolean(set.since != nil)), ("since", .time(set.since)),
                    ("changed", .boolean(set.isChanged)),
                ]))
        }
    }

    private static func service(_ word: String, _ action: SetService.Action, _ summary: String) -> Route {
        Route(
            "POST", "/v1/services/{service}/\(word)", .admin,
            Operation(
                "\(word)Service", "Services", summary, query: [.init("by", "Who changes it, for the record.", .text)],
                [.init(status: 200, description: "It is in force.", schema: "ServiceChanged")], problems: [404])
        ) { call in
            try await Self.set(try call.pathName("service"), action, call)
        }
    }

    private static func set(
        _ name: String, _ action: SetService.Action, _ call: HTTPCall
    ) async throws -> HTTPResponse {
        let by = call.text("by") ?? "HTTP"
        guard by.utf8.count <= SetService.byBytesMax else {
            throw Problem.badRequest("by is longer than \(SetService.byBytesMax) bytes")
        }
        let set = try await call.parts().services.set(SetService(name: name, action: action, by: by))
        return .json(
            200,
            .object([
                ("service", .string(name)), ("changed", .boolean(set.isChanged)), ("what", .string(set.what)),
            ]))
    }
}

extension HTTPCall {
    /// A name in the path; one that cannot be is not there.
    func pathName(_ parameter: String) throws(Problem) -> String {
        let name = self.parameter(parameter)
        if let problem = NameRule.problem(name) { throw .notFound("the \(parameter)'s name \(problem)") }
        return name
    }
}
