import MartletConfiguration
import MartletCoordinator
import MartletCore
import MartletJSON
import MartletRuntime
import MartletStore
import MartletWire

/// Submitting, and single jobs.
extension Route {
    static let limit = Operation.Parameter(
        "limit", "How many at most, 1 to 1000; 100 if left out.", .integer(1...1000))
    static let filters: [Operation.Parameter] = [
        .init("state", "In this state.", .choice(JobState.allCases.map { "\($0)" })),
        .init("queue", "Of this queue.", .name), .init("type", "Of this type.", .name),
        .init("tag", "With this tag.", .text), .init("group", "Of this fairness group.", .text),
        .init("batch", "Members of this batch.", .id), .init("workflow", "Of this workflow.", .id),
        .init("createdBefore", "Submitted before then.", .time),
    ]

    static let jobs: [Route] = [
        Route(
            "POST", "/v1/jobs", .submit, body: .jsonOrLines,
            Operation(
                "submitJobs", "Jobs", "Submit a job, or many",
                details:
                    "Answered once they are durable. An object is one job; a list is all of its jobs or none; JSON "
                    + "lines (application/x-ndjson) are worked on while they come, in groups of 1000, of which each is "
                    + "all or none. The keys of a job are those of `martlet submit --from`.",
                query: [.init("batch", "The open batch that they join.", .id)], request: "JobOrJobs", line: "NewJob",
                takesKey: true,
                [
                    .init(
                        status: 201, description: "One job was created, or all of a list.", schema: "Accepted",
                        hasLocation: true),
                    .init(
                        status: 200, description: "A job with the unique key was there, or lines were taken in.",
                        schema: "Accepted"),
                ], problems: [409, 413, 415, 422, 507]), Self.submit),
        Route(
            "GET", "/v1/jobs", .read,
            Operation(
                "listJobs", "Jobs", "List jobs in the order of their ids",
                query: Self.filters + [
                    .init("after", "Ids behind this one: `next` of the page before.", .id), Self.limit,
                ],
                [
                    .init(
                        status: 200, description: "A page; there may be more while `next` is not null.",
                        schema: "JobPage")
                ]),
            Self.list),
        Route(
            "GET", "/v1/jobs/{job}", .read,
            Operation(
                "showJob", "Jobs", "One job with its payload, result and failed attempts",
                [.init(status: 200, description: "The job.", schema: "JobDetail")], problems: [404])
        ) { call in
            let id = JobID(rawValue: try call.id("job"))
            return .json(200, ViewJSON.job(try await call.parts().clients.detail(id)))
        },
        Route(
            "GET", "/v1/jobs/{job}/explanation", .read,
            Operation(
                "explainJob", "Jobs", "Why a job is not running",
                [.init(status: 200, description: "The reason.", schema: "Explanation")], problems: [404])
        ) { call in
            let id = JobID(rawValue: try call.id("job"))
            return .json(200, ViewJSON.explanation(of: id, try await call.parts().clients.explain(id)))
        },
        Self.change("cancel", .cancel, "Cancel a job, also while it runs", "it has ended"),
        Self.change("retry", .retry, "Run a dead job again", "it is not dead"),
        Route(
            "DELETE", "/v1/jobs/{job}", .admin,
            Operation(
                "deleteJob", "Jobs", "Remove a job that has ended",
                [.init(status: 204, description: "It is gone.")], problems: [404, 409])
        ) { call in
            try await Self.apply(.delete, call, else: "it has not ended")
            return HTTPResponse(204)
        },
    ]

    private static func change(
        _ word: String, _ action: ChangeJobs.Action, _ summary: String, _ otherwise: String
    ) -> Route {
        Route(
            "POST", "/v1/jobs/{job}/\(word)", .admin,
            Operation(
                "\(word)Job", "Jobs", summary, [.init(status: 200, description: "It is done.", schema: "JobChanged")],
                problems: [404, 409])
        ) { call in
            let id = try await Self.apply(action, call, else: otherwise)
            return .json(200, .object([("id", .id(id)), ("changed", .boolean(true))]))
        }
    }

    @discardableResult
    private static func apply(
        _ action: ChangeJobs.Action, _ call: HTTPCall, else otherwise: String
    ) async throws -> JobID {
        let id = JobID(rawValue: try call.id("job"))
        let parts = try call.parts()
        let changed = try await parts.control.change(ChangeJobs(action, ids: [id]))
        guard changed.missing.isEmpty else {
            // Says if it is not there at all.
            let state = try await parts.clients.detail(id).job.state
            throw Problem(409, "wrongState", "The job is not as it must be", "\(otherwise): it is \(state)")
        }
        return id
    }

    // MARK: Submitting

    private static func submit(_ call: HTTPCall) async throws -> HTTPResponse {
        let parts = try call.parts()
        guard !call.exchange.ticket.isStreamed else { return try await Self.submitLines(call, parts) }
        let (value, bytes) = try call.json()
        let name = try call.submitName(body: bytes)?.name ?? .new
        let defaults = try call.defaults(parts)
        var draft = SubmitDraft(at: call.loop.wallTime)
        let isOne: Bool
        switch value.content {
        case .array(let elements):
            isOne = false
            for (place, element) in elements.enumerated() {
                do {
                    if let job = try JobLine.job(from: Array(bytes[element.range]), defaults: defaults) {
                        try draft.add(job)
                    }
                } catch let problem as JobLine.Problem {
                    throw Problem.badRequest("job \(place): \(problem.cause); \(problem.fix)")
                }
            }
        default:
            isOne = true
            do {
                if let job = try JobLine.job(from: bytes, defaults: defaults) { try draft.add(job) }
            } catch let problem as JobLine.Problem {
                throw Problem.line(problem)
            }
        }
        let submitted = try await parts.clients.submit(
            draft.jobs, draft.templates, as: name, bytesCount: draft.bytesCount)
        return Self.answer(submitted, isOne: isOne)
    }

    private static func answer(_ submitted: Submitted, isOne: Bool) -> HTTPResponse {
        var jobs: [JSONOutput] = []
        var ids: [JobID] = []
        var next = submitted.exceptions[...]
        for place in 0..<Int(submitted.count) {
            let exception = next.first.flatMap { Int($0.place) == place ? $0 : nil }
            if exception != nil { next = next.dropFirst() }
            let id = exception?.id ?? submitted.first.advanced(by: place)
            ids.append(id)
            jobs.append(
                .object([
                    ("id", .id(id)), ("created", .boolean(exception == nil)),
                    ("replaced", .boolean(exception?.isReplaced ?? false)),
                ]))
        }
        let created = ids.count - submitted.exceptions.count
        var response = HTTPResponse.json(
            isOne && created == 0 ? 200 : 201,
            .object([
                ("accepted", .count(created)), ("existing", .count(submitted.exceptions.count)),
                ("jobs", .array(jobs)),
            ]))
        if isOne { response.headers.append(("Location", "/v1/jobs/\(ids[0])")) }
        if submitted.isRepeat { response.headers.append(("Idempotent-Replayed", "true")) }
        return response
    }

    private static func submitLines(_ call: HTTPCall, _ parts: Coordinator.Parts) async throws -> HTTPResponse {
        var session: SessionID?
        if let key = call.head.header("idempotency-key") {
            if let problem = IdempotencyKeys.problem(key) { throw Problem.badRequest(problem) }
            session = IdempotencyKeys.session(
                of: key, path: "\(call.head.path) lines", holder: call.head.header("authorization") ?? "")
        }
        var lines = try LineSubmitter(call, parts, session: session)
        try await lines.run()
        let ranges = lines.ranges.map { JSONOutput.object([("first", .id($0.first)), ("count", .count($0.count))]) }
        return .json(
            200,
            .object([
                ("accepted", .count(lines.accepted)), ("existing", .count(lines.existing)), ("ranges", .array(ranges)),
            ]))
    }

    // MARK: Listing

    private static func list(_ call: HTTPCall) async throws -> HTTPResponse {
        let after = try call.number("after").map { JobID(rawValue: $0) }
        let limit = try call.count("limit", in: 1...1000) ?? 100
        let selection = try call.selection()
        let page = try await call.parts().clients.jobs(matching: selection, after: after, limit: limit)
        return .json(
            200,
            .object([
                ("jobs", .array(page.jobs.map { ViewJSON.job($0) })), ("next", page.next.map { .id($0) } ?? .null),
            ]))
    }
}

extension HTTPCall {
    /// The jobs that the query's filters are for.
    func selection() throws(Problem) -> JobSelection {
        var state: JobState?
        if let text = self.text("state") {
            guard let known = JobState.allCases.first(where: { "\($0)" == text }) else {
                let all = JobState.allCases.map { "\($0)" }.joined(separator: ", ")
                throw .badRequest("state \"\(text)\" is unknown; known: \(all)")
            }
            state = known
        }
        return JobSelection(
            state: state, queue: try self.name("queue"), type: try self.name("type"), tag: self.text("tag"),
            createdBefore: try self.time("createdBefore"),
            batch: try self.number("batch").map { BatchID(rawValue: $0) },
            workflow: try self.number("workflow").map { JobID(rawValue: $0) }, group: self.text("group"))
    }
}

extension HTTPResponse {
    static func json(_ status: Int, _ value: JSONOutput) -> HTTPResponse {
        HTTPResponse(status, "application/json", value.text)
    }
}
