import MartletCore
import MartletSchedule

/// Values of the query.
extension HTTPCall {
    /// What nobody reads is refused: a filter with a slip in its name would match everything.
    func checkQuery() throws(Problem) {
        let known = self.route.operation.query.map(\.name)
        for name in self.query.keys.sorted() where !known.contains(name) {
            let nearest = NearestWord.to(name, among: known).map { "; did you mean \"\($0)\"?" } ?? ""
            throw .badRequest("the query has \"\(name)\", which is not understood here\(nearest)")
        }
    }

    func text(_ name: String) -> String? {
        precondition(self.route.operation.query.contains { $0.name == name }, "a route reads what it describes")
        return self.query[name]
    }

    func name(_ name: String) throws(Problem) -> String? {
        guard let text = self.text(name) else { return nil }
        if let problem = NameRule.problem(text) { throw .badRequest("\(name) \(problem)") }
        return text
    }

    func count(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let text = self.text(name) else { return nil }
        guard let count = Int(text), range.contains(count), text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
            throw .badRequest("\(name) is no whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return count
    }

    func flag(_ name: String) throws(Problem) -> Bool {
        switch self.text(name) {
        case nil, "false"?: false
        case "true"?: true
        default: throw .badRequest("\(name) is neither true nor false")
        }
    }

    func time(_ name: String) throws(Problem) -> WallTime? {
        guard let text = self.text(name) else { return nil }
        guard let time = WallTime(rfc3339: text) else {
            throw .badRequest("\(name) is no time such as 2026-12-24T18:00:00Z")
        }
        return time
    }

    /// An id as it is shown: digits.
    func number(_ name: String) throws(Problem) -> UInt64? {
        guard let text = self.text(name) else { return nil }
        guard let number = Self.number(text) else { throw .badRequest("\(name) is no id") }
        return number
    }

    /// An id in the path; one that cannot be is not there.
    func id(_ name: String) throws(Problem) -> UInt64 {
        guard let number = Self.number(self.parameter(name)) else {
            throw .notFound("\"\(self.parameter(name))\" is no id")
        }
        return number
    }

    static func number(_ text: String) -> UInt64? {
        guard text.utf8.count <= 20, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        return UInt64(text).flatMap { $0 <= UInt64(Int64.max) ? $0 : nil }
    }
}
