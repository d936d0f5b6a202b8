import MartletCoordinator
import MartletJSON

/// The description of the API, made of the very routes that are served.
enum OpenAPI {
    static let document: [UInt8] = Array(Self.describe(Route.described).text.utf8)

    private static func describe(_ routes: [Route]) -> JSONOutput {
        var paths: [(String, JSONOutput)] = []
        var seen: Set<String> = []
        for route in routes where seen.insert(route.path).inserted {
            let methods = routes.filter { $0.path == route.path }
            paths.append((route.path, .object(methods.map { ($0.method.lowercased(), Self.operation($0)) })))
        }
        return .object([
            ("openapi", .string("3.1.0")),
            (
                "info",
                .object([
                    ("title", .string("Martlet")), ("version", .string(Coordinator.version)),
                    ("description", .string("Background jobs: submit, watch and change them.")),
                    ("license", .object([("name", .string("Apache 2.0")), ("identifier", .string("Apache-2.0"))])),
                ])
            ),
            ("servers", .array([.object([("url", .string("/"))])])),
            ("security", .array([.object([("token", .array([]))]), .object([])])),
            ("paths", .object(paths)),
            (
                "components",
                .object([
                    ("schemas", .raw(String(decoding: PackageResources.schemas_json, as: UTF8.self))),
                    (
                        "securitySchemes",
                        .object([("token", .object([("type", .string("http")), ("scheme", .string("bearer"))]))])
                    ),
                ])
            ),
        ])
    }

    private static func operation(_ route: Route) -> JSONOutput {
        let operation = route.operation
        var members: [(String, JSONOutput)] = [
            ("operationId", .string(operation.id)), ("tags", .array([.string(operation.tag)])),
            ("summary", .string(operation.summary)),
        ]
        var details = operation.details
        if let role = route.role { details += "\(details.isEmpty ? "" : " ")Needs the role \(role)." }
        if !details.isEmpty { members.append(("description", .string(details))) }
        let parameters = Self.parameters(route)
        if !parameters.isEmpty { members.append(("parameters", .array(parameters))) }
        if let schema = operation.requestSchema { members.append(("requestBody", Self.body(operation, schema))) }
        members.append(("responses", .object(Self.responses(route))))
        return .object(members)
    }

    private static func parameters(_ route: Route) -> [JSONOutput] {
        func parameter(
            _ name: String, in place: String, _ description: String, isRequired: Bool, _ schema: JSONOutput
        ) -> JSONOutput {
            .object([
                ("name", .string(name)), ("in", .string(place)), ("description", .string(description)),
                ("required", .boolean(isRequired)), ("schema", schema),
            ])
        }
        let numbered = ["job", "operation", "batch", "workflow"]
        var parameters = route.parameterNames.map { name in
            let kind: Operation.Kind = numbered.contains(name) ? .id : .name
            return parameter(name, in: "path", "The \(name).", isRequired: true, kind.schema)
        }
        parameters += route.operation.query.map {
            parameter($0.name, in: "query", $0.description, isRequired: false, $0.kind.schema)
        }
        if route.operation.takesKey {
            parameters.append(
                parameter(
                    "Idempotency-Key", in: "header",
                    "Sent again with the same body, the request creates nothing and is answered as before.",
                    isRequired: false,
                    .object([
                        ("type", .string("string")), ("pattern", .string("^[!-~]{1,255}$")),
                    ])))
        }
        return parameters
    }

    private static func content(_ type: String, _ schema: String) -> (String, JSONOutput) {
        (type, .object([("schema", .object([("$ref", .string("#/components/schemas/\(schema)"))]))]))
    }

    private static func body(_ operation: Operation, _ schema: String) -> JSONOutput {
        var types = [Self.content("application/json", schema)]
        if operation.lineSchema != nil {
            types.append(
                (
                    "application/x-ndjson",
                    .object([("schema", .object([("type", .string("string"))]))])
                ))
        }
        return .object([("required", .boolean(true)), ("content", .object(types))])
    }

    private static func responses(_ route: Route) -> [(String, JSONOutput)] {
        var responses: [(Int, JSONOutput)] = route.operation.answers.map { answer in
            var members: [(String, JSONOutput)] = [("description", .string(answer.description))]
            if answer.hasLocation {
                members.append(
                    (
                        "headers",
                        .object([
                            (
                                "Location",
                                .object([
                                    ("description", .string("Where it is.")),
                                    ("schema", .object([("type", .string("string"))])),
                                ])
                            )
                        ])
                    ))
            }
            if let schema = answer.schema {
                members.append(("content", .object([Self.content(answer.contentType, schema)])))
            } else if answer.status != 204 {
                members.append(
                    (
                        "content",
                        .object([(answer.contentType, .object([("schema", .object([("type", .string("string"))]))]))])
                    )
                )
            }
            return (answer.status, .object(members))
        }
        let known = Set(responses.map(\.0))
        let usual = route.role == nil ? [400, 403, 421] : [400, 401, 403, 421, 503]
        for status in Set(usual + route.operation.problems).sorted() where !known.contains(status) {
            responses.append(
                (
                    status,
                    .object([
                        ("description", .string("A problem.")),
                        ("content", .object([Self.content(Problem.contentType, "Problem")])),
                    ])
                ))
        }
        return responses.sorted { $0.0 < $1.0 }.map { ("\($0.0)", $0.1) }
    }
}
