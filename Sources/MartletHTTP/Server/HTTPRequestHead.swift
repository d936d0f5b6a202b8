/// The first part of a request: everything but its body.
package struct HTTPRequestHead: Sendable {
    package let method: String
    /// Without the query, as it came: percent-encoded.
    package let path: Substring
    /// Behind the question mark; empty if there is none.
    package let query: Substring
    /// Names in lower case, in the order in which they came.
    package let headers: [(name: String, value: String)]

    package init(method: String, target: String, headers: [(name: String, value: String)]) {
        self.method = method
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        self.path = parts.first ?? ""
        self.query = parts.count > 1 ? parts[1] : ""
        self.headers = headers
    }

    /// The value of a header that comes once; nil if it is not there.
    package func header(_ name: String) -> String? { self.headers.first { $0.name == name }?.value }

    /// How often a header is there.
    package func count(of name: String) -> Int { self.headers.count { $0.name == name } }

    /// What the body's length is said to be; nil if nothing is.
    package var contentLength: Int? { self.header("content-length").flatMap { Int($0) } }

    package var hasBody: Bool { self.header("transfer-encoding") != nil || (self.contentLength ?? 0) > 0 }

    /// The media type of the body in lower case, without parameters.
    package var contentType: String? {
        self.header("content-type").map { value in
            let type = value.prefix { $0 != ";" }
            return type.trimmingSpaces.lowercased()
        }
    }
}

extension StringProtocol {
    /// Without the spaces and tabs around it.
    package var trimmingSpaces: String {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let start = self.drop(while: isSpace)
        return String(start.reversed().drop(while: isSpace).reversed())
    }
}
