import MartletConfiguration
import MartletCoordinator
import MartletCore
import MartletJSON
import MartletRuntime
import MartletSchedule
import MartletWire

/// Recurring jobs.
extension Route {
    static let schedules: [Route] = [
        Route(
            "GET", "/v1/schedules", .read,
            Operation(
                "listSchedules", "Schedules", "Schedules in the order of their names",
                query: [.init("after", "Names behind this one: `next` of the page before.", .text), Self.limit],
                [.init(status: 200, description: "A page.", schema: "SchedulePage")])
        ) { call in
            let limit = try call.count("limit", in: 1...1000) ?? 100
            let list = try await call.parts().scheduler.list(
                ListSchedules(after: call.text("after") ?? "", limit: UInt32(limit)))
            let next = list.schedules.count == limit ? list.schedules.last?.name : nil
            return .json(
                200,
                .object([
                    ("schedules", .array(list.schedules.map { ViewJSON.schedule($0) })), ("next", .optional(next)),
                ]))
        },
        Route(
            "GET", "/v1/schedules/{schedule}", .read,
            Operation(
                "showSchedule", "Schedules", "One schedule with its next instants and last runs",
                query: [
                    .init("instants", "How many instants to come, 0 to 1000; 10 if left out.", .integer(0...1000)),
                    .init("runs", "How many runs of the past, 0 to 1000; 10 if left out.", .integer(0...1000)),
                ],
                [.init(status: 200, description: "The schedule.", schema: "ScheduleDetail")], problems: [404])
        ) { call in
            let detail = try await call.parts().scheduler.show(
                ShowSchedule(
                    name: try call.pathName("schedule"),
                    nextMax: UInt32(try call.count("instants", in: 0...1000) ?? 10),
                    runsMax: UInt32(try call.count("runs", in: 0...1000) ?? 10)))
            return .json(200, ViewJSON.schedule(detail))
        },
        Route(
            "PUT", "/v1/schedules/{schedule}", .admin, body: .json,
            Operation(
                "putSchedule", "Schedules", "Define a schedule, or replace the one of that name",
                details: "The body is what `schedules` in cluster.json has for it.", request: "NewSchedule",
                [.init(status: 200, description: "It is durable.", schema: "ScheduleChanged")],
                problems: [404, 413, 415])
        ) { call in
            let name = try call.pathName("schedule")
            let (value, _) = try call.json()
            let definition = try Problem.translating { () throws(ConfigurationError) in
                try ClusterConfiguration.schedule(name, of: value)
            }
            let put = try await call.parts().scheduler.put(definition)
            return .json(200, ViewJSON.schedule(put.view, isChanged: put.isChanged))
        },
        Route(
            "DELETE", "/v1/schedules/{schedule}", .admin,
            Operation(
                "deleteSchedule", "Schedules", "Remove a schedule that cluster.json does not define",
                [.init(status: 204, description: "It is gone.")], problems: [404])
        ) { call in
            _ = try await call.parts().scheduler.change(
                ChangeSchedule(.delete, name: try call.pathName("schedule")))
            return HTTPResponse(204)
        },
        Self.changeSchedule("pause", .pause, "Let no more instants fire"),
        Self.changeSchedule("resume", .resume, "Let instants fire again, those to come"),
        Route(
            "POST", "/v1/schedules/{schedule}/run", .submit,
            Operation(
                "runSchedule", "Schedules", "Run it once, now, beside its instants",
                [.init(status: 200, description: "The run is durable.", schema: "ScheduleRan")], problems: [404, 507])
        ) { call in
            let ran = try await call.parts().scheduler.run(
                RunSchedule(name: try call.pathName("schedule"), wish: .now(call.loop.wallTime)))
            let runs = ran.runs.map {
                JSONOutput.object([("instant", .string($0.instant.rfc3339)), ("job", .id($0.job))])
            }
            return .json(200, .object([("runs", .array(runs))]))
        },
    ]

    private static func changeSchedule(_ word: String, _ action: ChangeSchedule.Action, _ summary: String) -> Route {
        Route(
            "POST", "/v1/schedules/{schedule}/\(word)", .admin,
            Operation(
                "\(word)Schedule", "Schedules", summary,
                [.init(status: 200, description: "It is durable.", schema: "ScheduleToggled")], problems: [404])
        ) { call in
            let changed = try await call.parts().scheduler.change(
                ChangeSchedule(action, name: try call.pathName("schedule")))
            return .json(
                200, .object([("changed", .boolean(changed.isChanged)), ("passed", .count(changed.passed))]))
        }
    }
}
