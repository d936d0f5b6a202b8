import MartletConfiguration
import MartletCoordinator
import MartletCore
import MartletJSON
import MartletWire

/// Jobs from a request, gathered for one submit.
struct SubmitDraft {
    private(set) var templates: [JobTemplate] = []
    private(set) var jobs: [Submit.Job] = []
    private(set) var bytesCount = 0
    private var places: [JobTemplate: Int] = [:]
    private let now: WallTime

    /// - Parameter now: what delays count from.
    init(at now: WallTime) {
        self.now = now
    }

    mutating func add(_ draft: JobDraft) throws(Problem) {
        let template = draft.template
        var place = self.places[template]
        if place == nil {
            guard self.templates.count < Submit.templatesMax else {
                throw .badRequest("a submit has jobs of at most \(Submit.templatesMax) kinds; make several of it")
            }
            place = self.templates.count
            self.places[template] = place
            self.templates.append(template)
        }
        let due = draft.time ?? draft.delay.map { self.now + $0 }
        self.jobs.append(Submit.Job(template: UInt16(place!), due: due, payload: Bytes(copying: draft.payload)))
        self.bytesCount += draft.payload.count + 64
    }
}

extension HTTPCall {
    /// What jobs get where they do not say otherwise.
    func defaults(_ parts: Coordinator.Parts) throws(Problem) -> JobDefaults {
        var defaults = JobDefaults(retryPolicies: parts.settings.typeDefaults.compactMapValues(\.retry))
        if self.route.operation.query.contains(where: { $0.name == "batch" }), let batch = try self.number("batch") {
            defaults.rare.batch = BatchID(rawValue: batch)
        }
        return defaults
    }

    /// The body as JSON, with its bytes.
    func json() throws(Problem) -> (value: JSONValue, bytes: [UInt8]) {
        let bytes = self.exchange.takeBody()
        do throws(JSONSyntaxError) {
            return (try JSONReader.value(of: bytes), bytes)
        } catch {
            let place = TextPosition(offset: error.offset, in: bytes)
            throw .badRequest("not valid JSON: \(error.message) (line \(place.line), column \(place.column))")
        }
    }

    /// The members of the body, an object.
    func fields(known: [String]) throws(Problem) -> (fields: ObjectFields, bytes: [UInt8]) {
        let (value, bytes) = try self.json()
        return (
            try Problem.translating { () throws(ConfigurationError) in
                try ObjectFields(value, path: "", known: known)
            }, bytes
        )
    }

    /// The name under which a submit is made, by the header `Idempotency-Key` if it is there.
    func submitName(body: [UInt8]) throws(Problem) -> (session: SessionID, name: ClientService.SubmitName)? {
        guard let key = self.head.header("idempotency-key") else { return nil }
        if let problem = IdempotencyKeys.problem(key) { throw .badRequest(problem) }
        let session = IdempotencyKeys.session(
            of: key, path: self.head.path, holder: self.head.header("authorization") ?? "")
        guard self.server.keys.note(session, body: body) else {
            throw Problem(
                422, "keyReused", "The idempotency key was used for something else",
                "\"\(key)\" came with another body before")
        }
        return (session, .known(session, sequence: 1))
    }
}

extension Problem {
    /// Has what is wrong with a configuration be a problem of the request.
    static func translating<Value>(
        _ body: () throws(ConfigurationError) -> Value
    ) throws(Problem) -> Value {
        do throws(ConfigurationError) {
            return try body()
        } catch {
            let place = error.path.isEmpty ? "" : "\(error.path) "
            throw .badRequest("\(place)\(error.cause); \(error.fix)")
        }
    }

    static func line(_ problem: JobLine.Problem) -> Problem { .badRequest("\(problem.cause); \(problem.fix)") }
}
