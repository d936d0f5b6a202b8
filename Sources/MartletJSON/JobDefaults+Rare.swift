import MartletConfiguration
package import MartletCore
import MartletSchedule

/// The options that few jobs have.
extension JobDefaults {
    package static let conflicts: [(name: String, conflict: UniqueKey.Conflict)] = [
        ("existing", .existing), ("refuse", .refuse), ("replace", .replace),
    ]

    /// Takes one member of a line.
    mutating func set(_ name: String, _ value: JSONValue) throws(JobLine.Problem) {
        switch name {
        case "at": self.time = try Self.time(Self.text(value, name), name)
        case "expiry": self.rare.expiry = try JobLine.duration(value, name, in: Self.timeoutRange)
        case "retention": self.rare.retention = try JobLine.duration(value, name, in: Self.delayRange)
        case "unique":
            let key = try Self.text(value, name)
            self.changeUnique { $0.key = key }
        case "uniqueFor":
            let window = try JobLine.duration(value, name, in: Self.timeoutRange)
            self.changeUnique { $0.window = .afterSuccess(window) }
        case "onDuplicate":
            let text = try Self.text(value, name)
            guard let known = Self.conflicts.first(where: { $0.name == text }) else {
                throw JobLine.Problem(
                    cause: "\"onDuplicate\" is unknown: \"\(text)\"", fix: "use existing, refuse or replace")
            }
            self.changeUnique { $0.conflict = known.conflict }
        case "group": self.rare.group = try Self.text(value, name)
        case "key": self.rare.key = try Self.text(value, name)
        case "ordered":
            guard case .boolean(let isOrdered) = value.content else {
                throw JobLine.Problem(cause: "\"ordered\" is \(value.kindName), not true or false", fix: "write true")
            }
            self.rare.isOrdered = isOrdered
        case "services": self.rare.services = Boxed(try Self.services(Self.texts(value, name, "[\"stripe\"]")))
        case "tags": self.rare.tags = try Self.texts(value, name, "[\"red\"]")
        default: self.rare.metadata = try Self.metadata(value)
        }
    }

    /// Checks what belongs together.
    package func finish() throws(JobLine.Problem) {
        var options = JobOptions()
        options.rareOptions = self.rare
        if let unique = self.rare.unique, unique.key.isEmpty {
            throw JobLine.Problem(cause: "what is unique is not said", fix: "add a unique key")
        }
        if let problem = options.problem { throw JobLine.Problem(cause: problem, fix: "correct it") }
    }

    package mutating func changeUnique(_ change: (inout UniqueKey) -> Void) {
        var unique = self.rare.unique ?? UniqueKey("")
        change(&unique)
        self.rare.unique = unique
    }

    // MARK: Values

    private static func text(_ value: JSONValue, _ key: String) throws(JobLine.Problem) -> String {
        guard case .string(let text) = value.content else {
            throw JobLine.Problem(
                cause: "\"\(key)\" is \(value.kindName), not a string", fix: "put it in double quotes")
        }
        return text
    }

    private static func time(_ text: String, _ name: String) throws(JobLine.Problem) -> WallTime {
        if let time = WallTime(rfc3339: text) { return time }
        throw JobLine.Problem(
            cause: "\(name): \"\(text)\" is no time", fix: "write it such as 2026-12-24T18:00:00Z")
    }

    private static func texts(
        _ value: JSONValue, _ name: String, _ example: String
    ) throws(JobLine.Problem) -> [String] {
        guard case .array(let elements) = value.content else {
            throw JobLine.Problem(cause: "\"\(name)\" is \(value.kindName), not a list", fix: "write \(example)")
        }
        var texts: [String] = []
        for element in elements { texts.append(try Self.text(element, name)) }
        return texts
    }

    package static func services(_ texts: [String]) throws(JobLine.Problem) -> [ServiceUse] {
        var uses: [ServiceUse] = []
        for text in texts {
            guard let use = ServiceUse(text: text) else {
                throw JobLine.Problem(
                    cause: "the service \"\(text)\" is not NAME/KEY:WEIGHT",
                    fix: "write stripe, stripe/tenant-7 or stripe/tenant-7:2")
            }
            uses.append(use)
        }
        return uses
    }

    private static func metadata(_ value: JSONValue) throws(JobLine.Problem) -> [String: String] {
        guard case .object(let members) = value.content else {
            throw JobLine.Problem(
                cause: "\"metadata\" is \(value.kindName), not an object", fix: "write {\"name\": \"value\"}")
        }
        var metadata: [String: String] = [:]
        for member in members { metadata[member.name] = try Self.text(member.value, "metadata") }
        return metadata
    }
}
