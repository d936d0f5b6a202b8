/// Where a process writes what happened: constant text, data in keys, never a payload.
package struct Log: Sendable {
    package enum Level: UInt8, Comparable, Sendable {
        case debug, info, notice, warning, error

        package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    /// The names of what a log line may carry.
    package enum Key: String, Sendable {
        case address, attempt, cause, code, count, epoch, incarnation, job, kind, lane, name, node, path, peer, queue
        case seconds, session, state, type, version
    }

    package typealias Fields = KeyValuePairs<Key, any CustomStringConvertible & Sendable>

    private let level: Level
    private let sink: @Sendable (Level, StaticString, Fields) -> Void

    /// - Parameter sink: called on the thread that logs; must be quick.
    package init(level: Level = .info, sink: @escaping @Sendable (Level, StaticString, Fields) -> Void) {
        self.level = level
        self.sink = sink
    }

    /// Writes nothing.
    package static let none = Log(level: .error) { _, _, _ in }

    package func callAsFunction(_ level: Level, _ text: StaticString, _ fields: Fields = [:]) {
        if level >= self.level { self.sink(level, text, fields) }
    }
}
