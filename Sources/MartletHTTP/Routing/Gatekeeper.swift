import MartletCore

/// Decides, from its head alone, whether a request is served and by which route.
struct Gatekeeper: Sendable {
    let settings: HTTPSettings
    let routes: [Route]
    /// Where it listens, as a `Host` header names it.
    let port: UInt16

    /// Bodies that no route asks for are thrown away up to this.
    private static let ignoredBodyMax = 64 * 1024

    func judge(_ head: HTTPRequestHead) -> Result<HTTPTicket, HTTPRefusal> {
        do throws(HTTPRefusal) {
            let origin = try self.checkHost(head)
            let (place, parameters) = try self.route(head, isForeign: origin)
            let route = self.routes[place]
            try self.checkAccess(head, route)
            return .success(try self.ticket(head, place, parameters))
        } catch {
            return .failure(error)
        }
    }

    // MARK: Who asks

    /// - Returns: whether a page of another, trusted origin asks.
    private func checkHost(_ head: HTTPRequestHead) throws(HTTPRefusal) -> Bool {
        guard head.count(of: "host") == 1, let host = head.header("host") else {
            throw Self.refusal(.badRequest("the header Host must be there once"))
        }
        guard self.isKnown(host: host) else {
            // A page that had its own name resolved to this address must not get through.
            throw Self.refusal(
                Problem(
                    421, "unknownHost", "Not a name of this server",
                    "\"\(host)\" is not known here; add it to http.hosts in cluster.json"))
        }
        guard let origin = head.header("origin") else {
            if head.header("sec-fetch-site") == "cross-site", head.method != "GET", head.method != "HEAD" {
                throw Self.refusal(Self.foreignOrigin("another site"))
            }
            return false
        }
        if origin == "http://\(host)" || origin == "https://\(host)" { return false }
        guard self.settings.origins.contains(origin) else { throw Self.refusal(Self.foreignOrigin(origin)) }
        return true
    }

    private func isKnown(host: String) -> Bool {
        let name = Self.name(ofHost: host)
        if self.settings.hosts.contains(name) { return true }
        if ["localhost", "[::1]"].contains(name) || name.hasPrefix("127.") && name.allSatisfy(Self.isAddress) {
            return true
        }
        // Who has a token was not led here by a name: a browser sends none by itself.
        return !self.settings.tokens.isEmpty
    }

    private static func isAddress(_ character: Character) -> Bool { character == "." || character.isNumber }

    /// In lower case, without the port.
    private static func name(ofHost host: String) -> String {
        let lower = host.lowercased()
        if lower.hasPrefix("["), let end = lower.firstIndex(of: "]") { return String(lower[...end]) }
        return String(lower.prefix { $0 != ":" })
    }

    private static func foreignOrigin(_ origin: String) -> Problem {
        Problem(
            403, "foreignOrigin", "Not for pages of other sites",
            "pages of \(origin) may not use this; add it to http.origins in cluster.json")
    }

    private func checkAccess(_ head: HTTPRequestHead, _ route: Route) throws(HTTPRefusal) {
        guard let needed = route.role, !self.settings.tokens.isEmpty else { return }
        guard let authorization = head.header("authorization") else {
            throw Self.refusal(Self.unauthorized("send a token: Authorization: Bearer TOKEN"), route.path)
        }
        let parts = authorization.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer",
            let role = self.settings.tokens.role(of: parts[1].trimmingSpaces.utf8)
        else { throw Self.refusal(Self.unauthorized("the token is not known here"), route.path) }
        guard role >= needed else {
            throw Self.refusal(
                Problem(
                    403, "forbidden", "The token does not allow it",
                    "its role is \(role); this needs the role \(needed)"), route.path)
        }
    }

    private static func unauthorized(_ detail: String) -> Problem {
        var problem = Problem(401, "unauthorized", "A token is needed", detail)
        problem.headers.append(("WWW-Authenticate", "Bearer realm=\"martlet\""))
        return problem
    }

    // MARK: What is asked for

    private func route(_ head: HTTPRequestHead, isForeign: Bool) throws(HTTPRefusal) -> (Int, [String]) {
        let parts = head.path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        let wanted = head.method == "HEAD" ? "GET" : head.method
        var allowed: [String] = []
        var known: Route?
        for (place, route) in self.routes.enumerated() {
            guard let parameters = route.match(parts) else { continue }
            if route.method == wanted { return (place, parameters) }
            known = route
            allowed.append(route.method)
        }
        guard let known else {
            throw Self.refusal(.notFound("nothing is served at \(head.path)"))
        }
        if allowed.contains("GET") { allowed.append("HEAD") }
        var problem = Problem(
            405, "methodNotAllowed", "Not a method of this path",
            "\(head.method) is not understood here; allowed: \(allowed.joined(separator: ", "))")
        problem.headers.append(("Allow", allowed.joined(separator: ", ")))
        throw Self.refusal(problem, known.path)
    }

    private func ticket(
        _ head: HTTPRequestHead, _ place: Int, _ parameters: [String]
    ) throws(HTTPRefusal) -> HTTPTicket {
        let route = self.routes[place]
        guard PercentCoding.query(head.query) != nil else {
            throw Self.refusal(.badRequest("the query is malformed or says something twice"), route.path)
        }
        if case .none = route.body {
            return HTTPTicket(
                route: place, parameters: parameters, bodyMax: Self.ignoredBodyMax, isStreamed: false)
        }
        let type = head.contentType
        let takesLines = if case .jsonOrLines = route.body { true } else { false }
        let isLines = takesLines && (type == "application/x-ndjson" || type == "application/jsonl")
        guard type == "application/json" || isLines || (type == nil && !head.hasBody) else {
            let kinds = takesLines ? "application/json or application/x-ndjson" : "application/json"
            throw Self.refusal(
                Problem(
                    415, "unsupportedMediaType", "Not a type of body that is taken here",
                    "send \(kinds), not \(type ?? "an unnamed type")"), route.path)
        }
        if let length = head.contentLength, !isLines, length > self.settings.bodyMax {
            throw Self.refusal(.bodyTooLarge(self.settings.bodyMax), route.path)
        }
        return HTTPTicket(
            route: place, parameters: parameters, bodyMax: self.settings.bodyMax, isStreamed: isLines)
    }

    private static func refusal(_ problem: Problem, _ route: String = "") -> HTTPRefusal {
        HTTPRefusal(problem, route: route)
    }
}
