import MartletConfiguration
import MartletCoordinator
import MartletCore
import MartletJSON
import MartletSchedule
import MartletWire

/// Changes of many jobs at once.
extension Route {
    private static let bodyKeys = ["action", "ids", "selection", "all", "priority", "at", "dryRun", "after"]
    private static let selectionKeys = [
        "state", "queue", "type", "tag", "group", "batch", "workflow", "createdBefore",
    ]

    static let operations: [Route] = [
        Route(
            "POST", "/v1/operations", .admin, body: .json,
            Operation(
                "changeJobs", "Operations", "Change named jobs, or all that match",
                details:
                    "What matches is changed in groups beside everything else; one that takes long goes on after the "
                    + "answer.",
                request: "NewOperation",
                [
                    .init(status: 200, description: "It is done, or was counted.", schema: "JobsChanged"),
                    .init(status: 202, description: "It goes on.", schema: "JobsChanged", hasLocation: true),
                ], problems: [413, 415])
        ) { call in
            let request = try Self.request(call)
            let changed = try await call.parts().control.change(request)
            let isOver = changed.isFinished || changed.bulk == nil
            var response = HTTPResponse.json(
                isOver ? 200 : 202,
                .object([
                    ("count", .count(changed.count)), ("missing", .array(changed.missing.map { .id($0) })),
                    ("operation", changed.bulk.map { .string("\($0)") } ?? .null),
                    ("finished", .boolean(changed.isFinished)), ("next", changed.next.map { .id($0) } ?? .null),
                ]))
            if let bulk = changed.bulk { response.headers.append(("Location", "/v1/operations/\(bulk)")) }
            return response
        },
        Route(
            "GET", "/v1/operations", .read,
            Operation(
                "listOperations", "Operations", "Operations under way, and the last that ended",
                [.init(status: 200, description: "In the order of their beginning.", schema: "OperationList")])
        ) { call in
            let list = try await call.parts().control.list(ListBulk())
            return .json(200, .object([("operations", .array(list.operations.map { ViewJSON.operation($0) }))]))
        },
        Route(
            "GET", "/v1/operations/{operation}", .read,
            Operation(
                "showOperation", "Operations", "How far an operation has got",
                [.init(status: 200, description: "The operation.", schema: "Operation")], problems: [404])
        ) { call in
            let list = try await call.parts().control.list(ListBulk(id: try call.id("operation")))
            return .json(200, ViewJSON.operation(list.operations[0]))
        },
    ]

    private static func request(_ call: HTTPCall) throws(Problem) -> ChangeJobs {
        let fields = try call.fields(known: Self.bodyKeys).fields
        let action = try Self.action(fields)
        let (ids, isDryRun, isAll) = try Problem.translating { () throws(ConfigurationError) in
            (try fields.strings("ids"), try fields.boolean("dryRun") ?? false, try fields.boolean("all") ?? false)
        }
        guard ids.count <= ChangeJobs.idsMax else { throw .badRequest("ids are at most \(ChangeJobs.idsMax)") }
        let selection = try Self.selection(fields)
        guard !ids.isEmpty || selection != JobSelection() || isAll else {
            throw .badRequest("nothing says which jobs: give ids, a selection, or \"all\": true")
        }
        let after = try Problem.translating { () throws(ConfigurationError) in try fields.string("after") }
        return ChangeJobs(
            action, ids: try Self.ids(ids), matching: selection, isDryRun: isDryRun,
            after: try after.map { (text) throws(Problem) in try Self.id(text) })
    }

    private static func ids(_ texts: [String]) throws(Problem) -> [JobID] {
        var ids: [JobID] = []
        for text in texts { ids.append(try Self.id(text)) }
        return ids
    }

    static func id(_ text: String) throws(Problem) -> JobID {
        guard let number = HTTPCall.number(text) else { throw .badRequest("\"\(text)\" is no id") }
        return JobID(rawValue: number)
    }

    private static func action(_ fields: ObjectFields) throws(Problem) -> ChangeJobs.Action {
        let (word, at, priority) = try Problem.translating { () throws(ConfigurationError) in
            (try fields.string("action"), try fields.string("at"), try fields.count("priority"))
        }
        guard at == nil || word == "reschedule" else { throw .badRequest("at goes with reschedule") }
        guard priority == nil || word == "prioritize" else { throw .badRequest("priority goes with prioritize") }
        switch word {
        case "cancel"?: return .cancel
        case "retry"?: return .retry
        case "delete"?: return .delete
        case "purge"?: return .purge
        case "reschedule"?:
            guard let at else { return .reschedule(nil) }
            guard let time = WallTime(rfc3339: at) else {
                throw .badRequest("at is no time such as 2026-12-24T18:00:00Z")
            }
            return .reschedule(time)
        case "prioritize"?:
            guard let priority, (0...9).contains(priority), let known = Priority(rawValue: UInt8(priority)) else {
                throw .badRequest("priority must be 0 to 9")
            }
            return .prioritize(known)
        default:
            throw .badRequest("action must be cancel, retry, delete, purge, reschedule or prioritize")
        }
    }

    private static func selection(_ fields: ObjectFields) throws(Problem) -> JobSelection {
        let texts = try Problem.translating { () throws(ConfigurationError) in
            var texts: [String: String] = [:]
            guard let object = try fields.object("selection", known: Self.selectionKeys) else { return texts }
            for key in Self.selectionKeys { texts[key] = try object.string(key) }
            return texts
        }
        var selection = JobSelection(tag: texts["tag"], group: texts["group"])
        if let text = texts["state"] {
            guard let state = JobState.allCases.first(where: { "\($0)" == text }) else {
                throw .badRequest("selection.state \"\(text)\" is unknown")
            }
            selection.state = state
        }
        for key in ["queue", "type"] {
            if let problem = texts[key].flatMap({ NameRule.problem($0) }) {
                throw .badRequest("selection.\(key) \(problem)")
            }
        }
        selection.queue = texts["queue"]
        selection.type = texts["type"]
        if let text = texts["batch"] { selection.batch = BatchID(rawValue: try Self.id(text).rawValue) }
        if let text = texts["workflow"] { selection.workflow = try Self.id(text) }
        if let text = texts["createdBefore"] {
            guard let time = WallTime(rfc3339: text) else { throw .badRequest("selection.createdBefore is no time") }
            selection.createdBefore = time
        }
        return selection
    }
}
