package import MartletCore

extension StoreState: JobTables {
    package func laneKey(_ lane: LaneID) -> LaneKey { self.lanes[Int(lane.rawValue)] }

    package mutating func count(in lane: LaneID, _ change: (inout LaneTotals) -> Void) {
        change(&self.totals[Int(lane.rawValue)])
    }

    package func row(_ id: JobID) -> JobRow? { self.rows[id]?.job }

    package mutating func insert(_ row: JobRow, payload: Bytes) {
        self.rows[row.id] = Row(job: row, payload: payload)
    }

    package mutating func write(_ row: JobRow) { self.rows[row.id]?.job = row }

    package mutating func replacePayload(of id: JobID, by payload: Bytes) { self.rows[id]?.payload = payload }

    package mutating func remove(_ row: JobRow) { self.rows[row.id] = nil }

    package func hold(on name: UniqueName) -> UniqueHold? { self.holds[name] }

    package mutating func setHold(on name: UniqueName, _ hold: UniqueHold?) { self.holds[name] = hold }

    package mutating func add(_ attempt: AttemptRecord, to id: JobID) {
        guard var attempts = self.rows[id]?.attempts else { return }
        attempts.removeAll {
            $0.number == attempt.number || $0.number + UInt32(AttemptRecord.keptMax) <= attempt.number
        }
        attempts.append(attempt)
        self.rows[id]!.attempts = attempts.sorted { $0.number < $1.number }
    }

    package mutating func write(_ bulk: BulkRecord) { self.bulks[bulk.id] = bulk }

    package mutating func setResult(of id: JobID, _ result: Bytes) { self.rows[id]?.result = result }

    package mutating func setCheckpoint(of id: JobID, _ checkpoint: Bytes?) { self.rows[id]?.checkpoint = checkpoint }
}
