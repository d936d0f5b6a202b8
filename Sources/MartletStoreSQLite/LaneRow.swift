import MartletCore
import MartletStore

/// A lane as it is stored: its name and its counts.
struct LaneRow {
    static let columns =
        """
        queue, type, priority, ready, scheduled, dead, submitted, succeeded, retried, cancelled, expired, deleted,
        blocked, kept_bytes
        """

    var totals: LaneTotals

    init(_ key: LaneKey) {
        self.totals = LaneTotals(lane: key)
    }

    /// Reads ``columns``, the first of them in column `first`; nil if they make no sense.
    init?(_ row: Statement, from first: Int32) {
        guard let queue = row.text(first), let type = row.text(first + 1),
            let priority = Priority(rawValue: UInt8(clamping: row.integer(first + 2)))
        else { return nil }
        var totals = LaneTotals(lane: LaneKey(queue: queue, type: type, priority: priority))
        for (offset, count) in Self.counts.enumerated() {
            guard let value = UInt64(exactly: row.integer(first + 3 + Int32(offset))) else { return nil }
            totals[keyPath: count] = value
        }
        self.totals = totals
    }

    /// Binds all of ``columns``.
    func bind(to statement: Statement, from first: Int32) {
        statement.bind(first, self.totals.lane.queue)
        statement.bind(first + 1, self.totals.lane.type)
        statement.bind(first + 2, Int64(self.totals.lane.priority.rawValue))
        for (offset, count) in Self.counts.enumerated() {
            statement.bind(first + 3 + Int32(offset), Int64(bitPattern: self.totals[keyPath: count]))
        }
    }

    private static nonisolated(unsafe) let counts: [WritableKeyPath<LaneTotals, UInt64>] = [
        \.ready, \.scheduled, \.dead, \.submittedTotal, \.succeededTotal, \.retriedTotal, \.cancelledTotal,
        \.expiredTotal, \.deletedTotal, \.blocked, \.keptBytes,
    ]
}
