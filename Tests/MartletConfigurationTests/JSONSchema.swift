import MartletConfiguration

/// The part of JSON Schema 2020-12 that the shipped schema uses. An unknown keyword is a failure, so that none
/// is passed over unchecked.
struct JSONSchema {
    let root: JSONValue

    private static let annotations: Set = ["$schema", "$defs", "title", "description", "default"]

    /// What is wrong with `value`, or nil.
    func problem(in value: JSONValue) -> String? { self.problem(in: value, self.root, at: "$") }

    private func problem(in value: JSONValue, _ schema: JSONValue, at path: String) -> String? {
        if case .boolean(let allowed) = schema.content { return allowed ? nil : "\(path): not allowed" }
        guard case .object(let keywords) = schema.content else { return "\(path): the schema is no object" }
        for keyword in keywords where !Self.annotations.contains(keyword.name) {
            let problem = self.problem(in: value, keyword.name, keyword.value, of: schema, at: path)
            if let problem { return problem }
        }
        return nil
    }

    private func problem(
        in value: JSONValue, _ keyword: String, _ argument: JSONValue, of schema: JSONValue, at path: String
    ) -> String? {
        switch keyword {
        case "$ref": return self.problem(in: value, self.resolve(argument), at: path)
        case "type": return value.hasType(argument.text ?? "") ? nil : "\(path): not of type \(argument.text ?? "?")"
        case "enum": return argument.elements.contains { $0.text == value.text } ? nil : "\(path): not in the list"
        case "const": return argument.text == value.text ? nil : "\(path): another value"
        case "minimum": return value.double >= argument.double ? nil : "\(path): too small"
        case "maximum": return value.double <= argument.double ? nil : "\(path): too big"
        case "minLength": return Double(value.text?.count ?? 0) >= argument.double ? nil : "\(path): too short"
        case "pattern":
            guard let text = value.text, let pattern = try? Regex(argument.text ?? "") else {
                return "\(path): no text"
            }
            return text.contains(pattern) ? nil : "\(path): does not match"
        case "required":
            let isThere = argument.elements.allSatisfy { value.member($0.text ?? "") != nil }
            return isThere ? nil : "\(path): a key is missing"
        case "properties":
            for member in argument.members {
                guard let inner = value.member(member.name) else { continue }
                if let problem = self.problem(in: inner, member.value, at: "\(path).\(member.name)") { return problem }
            }
            return nil
        case "additionalProperties":
            let known = schema.member("properties")?.members.map(\.name) ?? []
            for member in value.members where !known.contains(member.name) {
                let problem = self.problem(in: member.value, argument, at: "\(path).\(member.name)")
                if let problem { return problem }
            }
            return nil
        case "items":
            for (index, element) in value.elements.enumerated() {
                if let problem = self.problem(in: element, argument, at: "\(path)[\(index)]") { return problem }
            }
            return nil
        case "propertyNames":
            for member in value.members {
                let name = JSONValue(content: .string(member.name), range: 0..<0)
                if let problem = self.problem(in: name, argument, at: "\(path).\(member.name)") { return problem }
            }
            return nil
        case "if":
            guard self.problem(in: value, argument, at: path) == nil else { return nil }
            return schema.member("then").flatMap { self.problem(in: value, $0, at: path) }
        case "then": return nil
        case "oneOf":
            let fitting = argument.elements.count { self.problem(in: value, $0, at: path) == nil }
            return fitting == 1 ? nil : "\(path): fits \(fitting) of the shapes"
        default: return "\(path): the schema uses \(keyword), which this check does not know"
        }
    }

    /// Keys by object path, `*` for names of the user's and for the elements of a list.
    func keys() -> [String: [String]] {
        var keys: [String: [String]] = [:]
        self.walk(self.root, at: []) { path, schema in
            guard let properties = schema.member("properties") else { return }
            keys[path.joined(separator: ".")] = properties.members.map(\.name).sorted()
        }
        return keys
    }

    func undescribedKeys() -> [String] {
        var missing: [String] = []
        self.walk(self.root, at: []) { path, schema in
            if path.last != "*", schema.member("description") == nil { missing.append(path.joined(separator: ".")) }
        }
        return missing
    }

    /// The defaults as JSON, with one queue and one job type called `any`.
    func defaults() -> String { self.defaults(of: self.root) ?? "{}" }

    private func defaults(of schema: JSONValue) -> String? {
        if let value = schema.member("default") {
            return if case .string(let text) = value.content { "\"\(text)\"" } else { value.text }
        }
        var members = (schema.member("properties")?.members ?? []).compactMap { member in
            self.defaults(of: member.value).map { "\"\(member.name)\": \($0)" }
        }
        if let inner = schema.member("additionalProperties").flatMap({ self.defaults(of: $0) }) {
            members.append("\"any\": \(inner)")
        }
        return members.isEmpty ? nil : "{\(members.joined(separator: ", "))}"
    }

    private func walk(_ schema: JSONValue, at path: [String], _ visit: ([String], JSONValue) -> Void) {
        visit(path, schema)
        for member in schema.member("properties")?.members ?? [] {
            self.walk(member.value, at: path + [member.name], visit)
        }
        for keyword in ["additionalProperties", "items"] {
            guard let inner = schema.member(keyword), case .object = inner.content else { continue }
            self.walk(inner, at: path + ["*"], visit)
        }
    }

    private func resolve(_ reference: JSONValue) -> JSONValue {
        var schema = self.root
        for name in (reference.text ?? "").split(separator: "/").dropFirst() {
            schema = schema.member(String(name)) ?? JSONValue(content: .boolean(false), range: 0..<0)
        }
        return schema
    }
}

extension JSONValue {
    fileprivate var members: [Member] {
        if case .object(let members) = self.content { members } else { [] }
    }

    fileprivate var elements: [JSONValue] {
        if case .array(let elements) = self.content { elements } else { [] }
    }

    fileprivate func member(_ name: String) -> JSONValue? { self.members.first { $0.name == name }?.value }

    /// A string's or a number's text.
    fileprivate var text: String? {
        switch self.content {
        case .string(let text), .number(let text): text
        default: nil
        }
    }

    fileprivate var double: Double { Double(self.text ?? "") ?? .nan }

    fileprivate func hasType(_ name: String) -> Bool {
        switch (name, self.content) {
        case ("object", .object), ("array", .array), ("string", .string), ("number", .number), ("boolean", .boolean):
            true
        case ("integer", .number(let text)): Int(text) != nil
        default: false
        }
    }
}
