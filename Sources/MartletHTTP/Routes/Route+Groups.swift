import MartletConfiguration
import MartletCoordinator
import MartletCore
import MartletJSON
import MartletRuntime
import MartletWire

/// Batches and workflows.
extension Route {
    private static let before = Operation.Parameter("before", "Opened before this one: `next` of the page before.", .id)
    private static let callbacks: [(key: String, event: BatchEvent)] = [
        ("onEnd", .end), ("onSuccess", .success), ("onDeath", .death),
    ]
    private static let dependencies: [(key: String, kind: DependencyKind)] = [
        ("after", .onSuccess), ("afterEnd", .onEnd), ("afterFailure", .onFailure),
    ]

    static let groups: [Route] = [
        Route(
            "POST", "/v1/batches", .submit, body: .json,
            Operation(
                "openBatch", "Batches", "Open a batch, with its callbacks", request: "NewBatch", takesKey: true,
                [.init(status: 201, description: "It is open.", schema: "Batch", hasLocation: true)],
                problems: [409, 413, 415, 422, 507]), Self.openBatch),
        Route(
            "GET", "/v1/batches", .read,
            Operation(
                "listBatches", "Batches", "Batches, the latest first", query: [Self.before, Self.limit],
                [.init(status: 200, description: "A page.", schema: "BatchPage")])
        ) { call in
            let limit = try call.count("limit", in: 1...1000) ?? 100
            let before = try call.number("before").map { BatchID(rawValue: $0) }
            let views = try await call.parts().clients.batches(before: before, limit: limit)
            let next = views.count == limit ? views.last?.id : nil
            return .json(
                200,
                .object([
                    ("batches", .array(views.map { ViewJSON.batch($0) })), ("next", .optional(next.map { "\($0)" })),
                ]))
        },
        Route(
            "GET", "/v1/batches/{batch}", .read,
            Operation(
                "showBatch", "Batches", "How far a batch has got",
                [.init(status: 200, description: "The batch.", schema: "Batch")], problems: [404])
        ) { call in
            let id = BatchID(rawValue: try call.id("batch"))
            return .json(200, ViewJSON.batch(try await call.parts().clients.batch(id)))
        },
        Route(
            "POST", "/v1/batches/{batch}/close", .submit,
            Operation(
                "closeBatch", "Batches", "Add no more jobs: its callbacks run when those in it have ended",
                [.init(status: 200, description: "The batch.", schema: "Batch")], problems: [404, 507])
        ) { call in
            let id = BatchID(rawValue: try call.id("batch"))
            return .json(200, ViewJSON.batch(try await call.parts().clients.closeBatch(id)))
        },
        Route(
            "POST", "/v1/workflows", .submit, body: .json,
            Operation(
                "submitWorkflow", "Workflows", "Submit jobs of which some wait for others: all or none",
                request: "NewWorkflow", takesKey: true,
                [.init(status: 201, description: "It is durable.", schema: "WorkflowAccepted", hasLocation: true)],
                problems: [409, 413, 415, 422, 507]), Self.submitWorkflow),
        Route(
            "GET", "/v1/workflows", .read,
            Operation(
                "listWorkflows", "Workflows", "Workflows, the latest first", query: [Self.before, Self.limit],
                [.init(status: 200, description: "A page.", schema: "WorkflowPage")])
        ) { call in
            let limit = try call.count("limit", in: 1...1000) ?? 100
            let before = try call.number("before").map { JobID(rawValue: $0) }
            let views = try await call.parts().clients.workflows(before: before, limit: limit)
            let next = views.count == limit ? views.last?.id : nil
            return .json(
                200,
                .object([
                    ("workflows", .array(views.map { ViewJSON.workflow($0) })), ("next", next.map { .id($0) } ?? .null),
                ]))
        },
        Route(
            "GET", "/v1/workflows/{workflow}", .read,
            Operation(
                "showWorkflow", "Workflows", "A workflow with its jobs and what they wait for",
                query: [.init("after", "Jobs behind this one: `next` of the page before.", .id), Self.limit],
                [.init(status: 200, description: "The workflow.", schema: "WorkflowDetail")], problems: [404])
        ) { call in
            let detail = try await call.parts().clients.workflow(
                ShowWorkflow(
                    id: JobID(rawValue: try call.id("workflow")),
                    after: try call.number("after").map { JobID(rawValue: $0) },
                    limit: UInt32(try call.count("limit", in: 1...1000) ?? 100)))
            guard case .object(let members) = ViewJSON.workflow(detail) else { return HTTPResponse(500) }
            return .json(200, .object(members + [("next", detail.next.map { .id($0) } ?? .null)]))
        },
    ]

    // MARK: Making

    private static func openBatch(_ call: HTTPCall) async throws -> HTTPResponse {
        let parts = try call.parts()
        let (fields, bytes) = try call.fields(known: ["name", "parent"] + Self.callbacks.map(\.key))
        let (name, parentText) = try Problem.translating { () throws(ConfigurationError) in
            (try fields.string("name") ?? "", try fields.string("parent"))
        }
        let parent = try parentText.map { (text) throws(Problem) in BatchID(rawValue: try Self.id(text).rawValue) }
        let defaults = try call.defaults(parts)
        var draft = SubmitDraft(at: call.loop.wallTime)
        var events: [BatchEvent] = []
        for (key, event) in Self.callbacks {
            guard let value = fields.value(key) else { continue }
            do {
                guard let job = try JobLine.job(from: Array(bytes[value.range]), defaults: defaults) else { continue }
                try draft.add(job)
                events.append(event)
            } catch let problem as JobLine.Problem {
                throw Problem.badRequest("\(key): \(problem.cause); \(problem.fix)")
            }
        }
        let batch = try await parts.clients.batch(name, parent: parent, callbacks: events)
        let submitted = try await parts.clients.submit(
            draft.jobs, draft.templates, batch: batch, as: try call.submitName(body: bytes)?.name ?? .new,
            bytesCount: draft.bytesCount)
        let id = BatchID(rawValue: submitted.first.rawValue)
        var response = HTTPResponse.json(201, ViewJSON.batch(try await parts.clients.batch(id)))
        response.headers.append(("Location", "/v1/batches/\(id)"))
        if submitted.isRepeat { response.headers.append(("Idempotent-Replayed", "true")) }
        return response
    }

    private static func submitWorkflow(_ call: HTTPCall) async throws -> HTTPResponse {
        let parts = try call.parts()
        let (fields, bytes) = try call.fields(known: ["name", "jobs"])
        let name = try Problem.translating { () throws(ConfigurationError) in try fields.string("name") ?? "" }
        guard case .array(let elements)? = fields.value("jobs")?.content else {
            throw Problem.badRequest("jobs is not there, or no list")
        }
        let defaults = try call.defaults(parts)
        var draft = SubmitDraft(at: call.loop.wallTime)
        var steps: [Step] = []
        for (place, element) in elements.enumerated() {
            var step = Step()
            do {
                let job = try JobLine.job(
                    from: Array(bytes[element.range]), defaults: defaults, keys: Step.keys(Self.dependencies)
                ) { try step.take($0, $1, Self.dependencies) }
                guard let job else { continue }
                try draft.add(job)
                step.type = job.type
                if step.name.isEmpty { step.name = Self.freeName(job.type, steps) }
                steps.append(step)
            } catch let problem as JobLine.Problem {
                throw Problem.badRequest("job \(place): \(problem.cause); \(problem.fix)")
            }
        }
        let workflow = try await parts.clients.workflow(name, try Self.shape(of: steps))
        let submitted = try await parts.clients.submit(
            draft.jobs, draft.templates, workflow: workflow,
            as: try call.submitName(body: bytes)?.name ?? .new, bytesCount: draft.bytesCount)
        var response = HTTPResponse.json(
            201,
            .object([
                ("id", .id(submitted.first)),
                ("jobs", .array((0..<Int(submitted.count)).map { .id(submitted.first.advanced(by: $0)) })),
            ]))
        response.headers.append(("Location", "/v1/workflows/\(submitted.first)"))
        if submitted.isRepeat { response.headers.append(("Idempotent-Replayed", "true")) }
        return response
    }

    /// What a job of a workflow says beside what a job is.
    private struct Step {
        var name = ""
        var type = ""
        var parents: [(name: String, kind: DependencyKind)] = []

        static func keys(_ dependencies: [(key: String, kind: DependencyKind)]) -> [String] {
            ["name"] + dependencies.map(\.key)
        }

        mutating func take(
            _ key: String, _ value: JSONValue, _ dependencies: [(key: String, kind: DependencyKind)]
        ) throws(JobLine.Problem) {
            guard let kind = dependencies.first(where: { $0.key == key })?.kind else {
                self.name = try JobLine.name(value, key)
                return
            }
            guard case .array(let names) = value.content else {
                return self.parents.append((try JobLine.name(value, key), kind))
            }
            for name in names { self.parents.append((try JobLine.name(name, key), kind)) }
        }
    }

    /// A job that has no name is called like its type, with a number if need be.
    private static func freeName(_ type: String, _ steps: [Step]) -> String {
        let count = steps.count { $0.type == type }
        return count == 0 ? type : "\(type)-\(count + 1)"
    }

    /// A job may wait for one of a later place.
    private static func shape(of steps: [Step]) throws(Problem) -> WorkflowShape {
        var places: [String: Int] = [:]
        for (place, step) in steps.enumerated() where !step.name.isEmpty && places[step.name] == nil {
            places[step.name] = place
        }
        var members: [WorkflowShape.Member] = []
        for step in steps {
            var parents: [WorkflowShape.Dependency] = []
            for parent in step.parents {
                guard let place = places[parent.name] else {
                    let nearest = NearestWord.to(parent.name, among: steps.map(\.name)).map { "; did you mean \($0)?" }
                    throw .badRequest("\"\(parent.name)\" is the name of no job here\(nearest ?? "")")
                }
                parents.append(WorkflowShape.Dependency(parent: place, kind: parent.kind))
            }
            members.append(WorkflowShape.Member(name: step.name, parents: parents))
        }
        return WorkflowShape(members: members)
    }
}
