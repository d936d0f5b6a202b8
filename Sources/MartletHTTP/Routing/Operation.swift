import MartletJSON

/// How a route is described in the OpenAPI document. What is checked of a request is checked against the same.
package struct Operation: Sendable {
    /// One value of the query.
    struct Parameter: Sendable {
        let name: String
        let description: String
        let kind: Kind

        init(_ name: String, _ description: String, _ kind: Kind) {
            self.name = name
            self.description = description
            self.kind = kind
        }
    }

    /// What a value may be.
    enum Kind: Sendable {
        case text, name, id, time, flag
        case integer(ClosedRange<Int>)
        case choice([String])

        var schema: JSONOutput {
            switch self {
            case .text: .object([("type", .string("string"))])
            case .name: .object([("$ref", .string("#/components/schemas/Name"))])
            case .id: .object([("$ref", .string("#/components/schemas/ID"))])
            case .time: .object([("type", .string("string")), ("format", .string("date-time"))])
            case .flag: .object([("type", .string("boolean"))])
            case .integer(let range):
                .object([
                    ("type", .string("integer")), ("minimum", .count(range.lowerBound)),
                    ("maximum", .count(range.upperBound)),
                ])
            case .choice(let values):
                .object([("type", .string("string")), ("enum", .array(values.map { .string($0) }))])
            }
        }
    }

    let id: String
    let tag: String
    let summary: String
    var details = ""
    var query: [Parameter] = []
    /// The name of the body's schema among the components.
    var requestSchema: String?
    /// The name of a line's schema, where JSON lines are taken.
    var lineSchema: String?
    /// Whether `Idempotency-Key` is understood.
    var takesKey = false
    /// Status, what it means, and the name of the schema; nil for an answer without a JSON body.
    var answers: [Answer]
    /// Statuses of problems beside those that every route may answer with.
    var problems: [Int] = []

    struct Answer: Sendable {
        let status: Int
        let description: String
        var schema: String?
        var contentType = "application/json"
        var hasLocation = false
    }

    init(
        _ id: String, _ tag: String, _ summary: String, details: String = "", query: [Parameter] = [],
        request: String? = nil, line: String? = nil, takesKey: Bool = false, _ answers: [Answer], problems: [Int] = []
    ) {
        self.id = id
        self.tag = tag
        self.summary = summary
        self.details = details
        self.query = query
        self.requestSchema = request
        self.lineSchema = line
        self.takesKey = takesKey
        self.answers = answers
        self.problems = problems
    }
}
