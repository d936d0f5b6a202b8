import MartletCore
import MartletStore

extension JobRow {
    static let columnCount: Int32 = 13
    static let columns =
        """
        lane, state, due, failures, deaths, finished, failure_kind, failure_message, flags, expires, workflow, waits,
        revision
        """

    /// Binds all of ``columns``, from parameter 0 on.
    func bind(to statement: Statement) {
        statement.bind(0, Int64(self.lane.rawValue))
        statement.bind(1, Int64(self.state.rawValue))
        statement.bind(2, self.due?.microseconds)
        statement.bind(3, self.history.failures == 0 ? nil : Int64(self.history.failures))
        statement.bind(4, self.history.nodeDeaths == 0 ? nil : Int64(self.history.nodeDeaths))
        statement.bind(5, self.finishedAt?.microseconds)
        statement.bind(6, self.failure?.kind)
        statement.bind(7, self.failure?.message)
        statement.bind(8, self.flags.isEmpty ? nil : Int64(self.flags.rawValue))
        statement.bind(9, self.expires?.microseconds)
        statement.bind(10, self.workflow.map { Int64($0.rawValue) })
        statement.bind(11, self.waits == 0 ? nil : Int64(self.waits))
        statement.bind(12, self.revision == 0 ? nil : Int64(self.revision))
    }

    /// Reads ``columns``, then when it was created and its options.
    init(_ id: JobID, _ row: Statement, lanes: [LaneRow]) throws(StoreError) {
        let lane = Int(row.integer(0))
        guard lanes.indices.contains(lane), let state = JobState(rawValue: UInt8(clamping: row.integer(1))) else {
            throw StoreError(.corrupt, "job \(id) makes no sense")
        }
        func time(_ column: Int32) -> WallTime? { row.optionalInteger(column).map { WallTime(microseconds: $0) } }
        self.init(
            id: id, lane: LaneID(rawValue: UInt32(lane)), state: state, due: time(2),
            history: JobHistory(
                failures: UInt16(clamping: row.integer(3)), nodeDeaths: UInt8(clamping: row.integer(4))),
            options: JobOptions(stored: row.blob(14), priority: lanes[lane].totals.lane.priority),
            createdAt: WallTime(microseconds: row.integer(13)), finishedAt: time(5),
            failure: row.text(6).map { JobFailure(kind: $0, message: row.text(7) ?? "") },
            flags: JobFlags(rawValue: UInt32(clamping: row.integer(8))), expires: time(9),
            workflow: row.optionalInteger(10).map { JobID(rawValue: UInt64($0)) },
            waits: UInt32(clamping: row.integer(11)), revision: UInt32(clamping: row.integer(12)))
    }
}
