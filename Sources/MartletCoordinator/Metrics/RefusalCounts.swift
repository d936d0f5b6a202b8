package import MartletWire

/// How many requests of a channel were answered with which error.
package struct RefusalCounts: Sendable {
    private var counts: [ErrorReply.Code: UInt64] = [:]

    mutating func add(_ code: ErrorReply.Code) { self.counts[code, default: 0] += 1 }

    /// Of every code, so that the first of a kind is seen as one more.
    package var all: [(code: ErrorReply.Code, count: UInt64)] {
        ErrorReply.Code.allCases.map { ($0, self.counts[$0] ?? 0) }
    }
}
