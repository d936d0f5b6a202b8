/// What one run of a job takes of an external service's limits.
///
/// ```swift
/// options.services = ["stripe", ServiceUse("maps", key: "tenant-7", weight: 2)]
/// ```
public struct ServiceUse: Hashable, Sendable, ExpressibleByStringLiteral {
    /// Names the service in `cluster.json`.
    public var service: String
    /// Whose share of the service it takes, where the service has a limit for each key; up to 128 bytes.
    public var key: String?
    /// Tokens that it takes of each rate: calls that one run makes, say. From 1 up to the smallest burst.
    public var weight: Int

    public init(_ service: String, key: String? = nil, weight: Int = 1) {
        self.service = service
        self.key = key
        self.weight = weight
    }

    public init(stringLiteral name: String) {
        self.init(name)
    }

    /// Services that one job may use.
    package static let usesMax = 4
    package static let weightMax = 1_000_000
}

extension ServiceUse: CustomStringConvertible {
    /// As on the command line: `stripe`, `maps/tenant-7`, `maps/tenant-7:2`.
    public var description: String {
        let key = self.key.map { "/\($0)" } ?? ""
        return "\(self.service)\(key)\(self.weight == 1 ? "" : ":\(self.weight)")"
    }

    /// Reads what ``description`` writes; nil if the weight is no number or nothing stands for a name. Whatever stands
    /// behind the last colon is the weight, so a key that holds a colon needs one.
    package init?(text: String) {
        var rest = Substring(text)
        var weight = 1
        if let colon = rest.lastIndex(of: ":") {
            guard let number = Int(rest[rest.index(after: colon)...]) else { return nil }
            weight = number
            rest = rest[..<colon]
        }
        var key: String?
        if let slash = rest.firstIndex(of: "/") {
            key = String(rest[rest.index(after: slash)...])
            rest = rest[..<slash]
        }
        guard !rest.isEmpty, key?.isEmpty != true else { return nil }
        self.init(String(rest), key: key, weight: weight)
    }
}

extension ServiceUse {
    /// Why a name cannot be a service's, or nil: what parts it from key and weight is not in it.
    package static func problem(name: String) -> String? {
        if let problem = NameRule.problem(name) { return problem }
        return name.contains("/") || name.contains(":") ? "has a / or :" : nil
    }

    /// Why a job cannot use these, whatever limits they have, or nil if it can. For input from outside.
    package static func problem(_ uses: [ServiceUse]) -> String? {
        if uses.count > Self.usesMax { return "a job uses at most \(Self.usesMax) services, not \(uses.count)" }
        for (place, use) in uses.enumerated() {
            if let problem = Self.problem(name: use.service) { return "the service \"\(use.service)\" \(problem)" }
            if let key = use.key, !(1...JobOptions.keyBytesMax).contains(key.utf8.count) {
                return "a key of service \(use.service) has 1 to \(JobOptions.keyBytesMax) bytes, not \(key.utf8.count)"
            }
            guard (1...Self.weightMax).contains(use.weight) else {
                return "a weight on service \(use.service) is 1 to \(Self.weightMax), not \(use.weight)"
            }
            if uses[..<place].contains(where: { $0.service == use.service }) {
                return "service \(use.service) is named twice; say the weights of both in one"
            }
        }
        return nil
    }
}
