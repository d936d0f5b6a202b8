import MartletConfiguration
import MartletCore
import MartletSchedule

/// What the command line said, for one command. Its accessors check the form of values.
struct ParsedArguments: Sendable {
    /// Values by long name; a flag has one empty value.
    var values: [String: [String]] = [:]
    var operands: [String] = []
    /// Words after `--`, if it was there.
    var rest: [String]?

    func flag(_ name: String) -> Bool { self.values[name] != nil }

    func string(_ name: String) -> String? { self.values[name]?.last }

    func strings(_ name: String) -> [String] { self.values[name] ?? [] }

    func time(_ name: String) throws(CommandError) -> WallTime? {
        guard let text = self.string(name) else { return nil }
        guard let time = WallTime(rfc3339: text) else {
            throw .usage("--\(name): \"\(text)\" is no time", fix: "write it such as 2026-12-24T18:00:00Z")
        }
        return time
    }

    func duration(_ name: String, in range: ClosedRange<Duration>) throws(CommandError) -> Duration? {
        guard let text = self.string(name) else { return nil }
        guard let duration = Quantity.duration(text) else {
            throw .usage(
                "--\(name): \"\(text)\" is no duration", fix: "write a number with a unit, such as 250ms or 15s")
        }
        guard range.contains(duration) else {
            throw .usage(
                "--\(name): \(text) is out of range",
                fix: "use \(Quantity.text(range.lowerBound)) to \(Quantity.text(range.upperBound))")
        }
        return duration
    }

    func count(_ name: String, in range: ClosedRange<Int>) throws(CommandError) -> Int? {
        guard let text = self.string(name) else { return nil }
        guard let count = Int(text), range.contains(count) else {
            throw .usage(
                "--\(name): \"\(text)\" is not a number from \(range.lowerBound) to \(range.upperBound)",
                fix: "correct the number")
        }
        return count
    }

    /// A queue, type or node name.
    func name(_ option: String) throws(CommandError) -> String? {
        guard let text = self.string(option) else { return nil }
        try Self.check(name: text, of: "--\(option)")
        return text
    }

    func names(_ option: String) throws(CommandError) -> [String] {
        let names = self.strings(option)
        for name in names { try Self.check(name: name, of: "--\(option)") }
        return names
    }

    func address(_ name: String) throws(CommandError) -> EndpointAddress? {
        guard let text = self.string(name) else { return nil }
        if let address = EndpointAddress(text) { return address }
        throw .usage(
            "--\(name): \"\(text)\" \(EndpointAddress.problem(text) ?? "is no address")",
            fix: "write it as tcp://HOST:PORT")
    }

    static func check(name: String, of what: String) throws(CommandError) {
        guard let problem = NameRule.problem(name) else { return }
        throw .usage("\(what): \"\(name)\" \(problem)", fix: "use up to 128 letters, digits and . _ - : /")
    }

    func batchID(_ option: String) throws(CommandError) -> BatchID? {
        guard let text = self.string(option) else { return nil }
        return try Self.batchID(text)
    }

    static func batchID(_ text: String) throws(CommandError) -> BatchID {
        guard let value = Int64(text), value >= 0 else {
            throw .usage("\"\(text)\" is no batch id", fix: "give its number, as \"martlet batch list\" shows it")
        }
        return BatchID(rawValue: UInt64(value))
    }

    static func jobID(_ text: String) throws(CommandError) -> JobID {
        guard let value = Int64(text), value >= 0 else {
            throw .usage("\"\(text)\" is no job id", fix: "job ids are numbers, as \"martlet jobs list\" shows them")
        }
        return JobID(rawValue: UInt64(value))
    }
}
