package import MartletJSON
package import MartletStore
package import MartletWire

/// An error as RFC 9457 has it: `application/problem+json`.
package struct Problem: Error, Sendable {
    package static let contentType = "application/problem+json"

    package let status: Int
    /// Names the kind of error for programs; stable.
    package let code: String
    package let title: String
    /// What was wrong this time.
    package let detail: String
    package var headers: [(name: String, value: String)] = []
    /// Further members.
    package var members: [(String, JSONOutput)] = []

    package init(_ status: Int, _ code: String, _ title: String, _ detail: String) {
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
    }

    package var response: HTTPResponse {
        let object = JSONOutput.object(
            [
                ("type", .string("urn:martlet:problem:\(self.code)")), ("title", .string(self.title)),
                ("status", .count(self.status)), ("code", .string(self.code)), ("detail", .string(self.detail)),
            ] + self.members)
        var response = HTTPResponse(self.status, Self.contentType, object.text)
        response.headers += self.headers
        return response
    }
}

extension Problem {
    static func bodyTooLarge(_ bodyMax: Int) -> Problem {
        Problem(413, "bodyTooLarge", "The body is too large", "at most \(bodyMax) bytes are taken here")
    }

    static let bodiesTooMany = Problem(
        503, "overloaded", "The coordinator is busy", "too many bodies are being read; retry after a delay"
    ).retrying(after: 1)

    static let stopping = Problem(503, "unavailable", "The coordinator is not available", "it is stopping")
        .retrying(after: 1)

    static let starting = Problem(503, "unavailable", "The coordinator is not available", "it is starting")
        .retrying(after: 1)

    static func badRequest(_ detail: String) -> Problem {
        Problem(400, "invalidRequest", "The request makes no sense", detail)
    }

    static func notFound(_ detail: String) -> Problem { Problem(404, "notFound", "Not found", detail) }

    func retrying(after seconds: Int) -> Problem {
        var problem = self
        problem.headers.append(("Retry-After", "\(seconds)"))
        return problem
    }

    /// What the coordinator's parts refuse.
    package init(_ refusal: ErrorReply) {
        let (status, title) = Self.status(of: refusal.code)
        self.init(status, "\(refusal.code)", title, refusal.message)
        if status == 503 || status == 507 { self.headers.append(("Retry-After", "1")) }
        if let existing = refusal.existing { self.members.append(("existing", .id(existing))) }
    }

    package init(_ error: StoreError) {
        if error.code == .diskFull {
            self.init(507, "storeFull", "The store has no space", "nothing was changed: \(error.message)")
        } else {
            self.init(503, "storeUnavailable", "The store refused", "nothing was changed: \(error.message)")
        }
        self.headers.append(("Retry-After", "1"))
    }

    private static func status(of code: ErrorReply.Code) -> (Int, String) {
        switch code {
        case .invalidRequest, .badSchedule: (400, "The request makes no sense")
        case .payloadTooLarge: (413, "A payload is too large")
        case .overloaded: (503, "The coordinator is busy")
        case .storeFull: (507, "The store has no space")
        case .storeUnavailable: (503, "The store refused")
        case .unavailable: (503, "The coordinator is not available")
        case .notFound: (404, "Not found")
        case .duplicate: (409, "Another job has the unique key")
        case .batchClosed: (409, "The batch takes no more jobs")
        case .sessionExpired: (409, "The idempotency key was used in another way")
        default: (500, "The coordinator failed")
        }
    }
}
