import MartletJSON

extension Route {
    /// Everything that is served, in the order in which it is described.
    static let all: [Route] =
        Self.described + [
            Route(
                "GET", "/v1/openapi.json", nil,
                Operation(
                    "openAPI", "Health", "This description",
                    [.init(status: 200, description: "OpenAPI 3.1.", schema: "Anything")])
            ) { _ in
                HTTPResponse(200, headers: [("Content-Type", "application/json")], body: OpenAPI.document)
            }
        ] + StaticFile.all.map(\.route)

    /// What the description describes: all but itself, and pages.
    static let described: [Route] =
        Self.jobs + Self.operations + Self.cluster + Self.events + Self.schedules + Self.groups + Self.health
}
