import MartletCore

/// The members of one JSON object, read by name; what nobody knows is refused at once.
package struct ObjectFields {
    package let path: String
    /// In source order.
    package let members: [(name: String, value: JSONValue)]

    /// - Parameter known: the keys that may occur; nil where users choose the names.
    package init(_ value: JSONValue, path: String, known: [String]?) throws(ConfigurationError) {
        guard case .object(let members) = value.content else {
            throw ConfigurationError(
                path: path, cause: "is \(value.kindName), not an object", fix: "write it as { ... }")
        }
        self.path = path
        self.members = members.map { ($0.name, $0.value) }
        guard let known else { return }
        for member in members where !known.contains(member.name) {
            let keys = known.filter { !$0.hasPrefix("$") }
            let nearest = NearestWord.to(member.name, among: keys)
            throw ConfigurationError(
                path: Self.join(path, member.name), cause: "unknown key",
                fix: nearest.map { "did you mean \"\($0)\"?" } ?? "known here: \(keys.joined(separator: ", "))")
        }
    }

    package func path(_ key: String) -> String { Self.join(self.path, key) }

    package func value(_ key: String) -> JSONValue? { self.members.first { $0.name == key }?.value }

    package func object(_ key: String, known: [String]?) throws(ConfigurationError) -> ObjectFields? {
        guard let value = self.value(key) else { return nil }
        return try ObjectFields(value, path: self.path(key), known: known)
    }

    /// The objects of a list; none if the key is not there.
    package func array(_ key: String, known: [String]?) throws(ConfigurationError) -> [ObjectFields] {
        guard let value = self.value(key) else { return [] }
        guard case .array(let elements) = value.content else {
            throw self.wrongKind(key, value, expected: "a list", fix: "write it as [ { ... } ]")
        }
        var objects: [ObjectFields] = []
        for (index, element) in elements.enumerated() {
            objects.append(try ObjectFields(element, path: "\(self.path(key)).\(index)", known: known))
        }
        return objects
    }

    package func boolean(_ key: String) throws(ConfigurationError) -> Bool? {
        guard let value = self.value(key) else { return nil }
        guard case .boolean(let flag) = value.content else {
            throw self.wrongKind(key, value, expected: "a boolean", fix: "write true or false, without quotes")
        }
        return flag
    }

    package func string(_ key: String) throws(ConfigurationError) -> String? {
        guard let value = self.value(key) else { return nil }
        guard case .string(let text) = value.content else {
            throw self.wrongKind(key, value, expected: "a string", fix: "put it in double quotes")
        }
        return text
    }

    /// A list of strings; none if the key is not there.
    package func strings(_ key: String) throws(ConfigurationError) -> [String] {
        guard let value = self.value(key) else { return [] }
        guard case .array(let elements) = value.content else {
            throw self.wrongKind(key, value, expected: "a list", fix: "write it as [\"...\"]")
        }
        var texts: [String] = []
        for (place, element) in elements.enumerated() {
            guard case .string(let text) = element.content else {
                throw self.wrongKind("\(key).\(place)", element, expected: "a string", fix: "put it in double quotes")
            }
            texts.append(text)
        }
        return texts
    }

    package func count(_ key: String) throws(ConfigurationError) -> Int? {
        guard let value = self.value(key) else { return nil }
        guard case .number(let text) = value.content, let count = Int(text) else {
            throw self.wrongKind(key, value, expected: "a whole number", fix: "write digits only, without quotes")
        }
        return count
    }

    func share(_ key: String) throws(ConfigurationError) -> Double? {
        guard let value = self.value(key) else { return nil }
        guard case .number(let text) = value.content, let share = Double(text) else {
            throw self.wrongKind(key, value, expected: "a number", fix: "write a number from 0 to 1, without quotes")
        }
        return share
    }

    package func duration(_ key: String) throws(ConfigurationError) -> Duration? {
        guard let value = self.value(key) else { return nil }
        let fix = "write a number with a unit, such as \"250ms\", \"15s\", \"30m\" or \"1h\""
        guard case .string(let text) = value.content else {
            throw self.wrongKind(key, value, expected: "a duration", fix: fix)
        }
        guard let duration = Quantity.duration(text) else {
            throw ConfigurationError(path: self.path(key), cause: "\"\(text)\" is no duration", fix: fix)
        }
        return duration
    }

    func size(_ key: String) throws(ConfigurationError) -> Int? {
        guard let value = self.value(key) else { return nil }
        let fix = "write a number with a unit, such as \"512KiB\" or \"64MiB\""
        guard case .string(let text) = value.content else {
            throw self.wrongKind(key, value, expected: "a size", fix: fix)
        }
        guard let size = Quantity.size(text) else {
            throw ConfigurationError(path: self.path(key), cause: "\"\(text)\" is no size", fix: fix)
        }
        return size
    }

    func address(_ key: String) throws(ConfigurationError) -> EndpointAddress? {
        guard let text = try self.string(key) else { return nil }
        if let address = EndpointAddress(text) { return address }
        throw ConfigurationError(
            path: self.path(key), cause: "\"\(text)\" \(EndpointAddress.problem(text) ?? "is no address")",
            fix: "write it as tcp://HOST:PORT")
    }

    /// Runs `make`, whose errors name keys of this object alone, and completes their path.
    func relative<T>(_ make: () throws(ConfigurationError) -> T) throws(ConfigurationError) -> T {
        do {
            return try make()
        } catch {
            var full = error
            full.path = self.path(error.path)
            throw full
        }
    }

    private func wrongKind(_ key: String, _ value: JSONValue, expected: String, fix: String) -> ConfigurationError {
        var found = value.kindName
        if case .number(let text) = value.content { found = "the number \(text)" }
        return ConfigurationError(path: self.path(key), cause: "is \(found), not \(expected)", fix: fix)
    }

    private static func join(_ path: String, _ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
}
