package import MartletCore

/// What a store's tables must do so that the rules of job life, written once as extensions of this, apply to them.
///
/// A value stands for one transaction. Plain jobs, those without ``JobFlags``, may take a shorter way.
package protocol JobTables: GroupTables, ScheduleTables {
    var shard: UInt16 { get }
    var nextSequence: UInt64 { get set }
    var consequences: Consequences { get set }

    func laneKey(_ lane: LaneID) -> LaneKey
    mutating func count(in lane: LaneID, _ change: (inout LaneTotals) -> Void)

    func row(_ id: JobID) throws(StoreError) -> JobRow?
    mutating func insert(_ row: JobRow, payload: Bytes) throws(StoreError)
    /// Writes all of a row that is there but its options.
    mutating func write(_ row: JobRow) throws(StoreError)
    mutating func replacePayload(of id: JobID, by payload: Bytes) throws(StoreError)
    /// The bytes of its payload, its result, and the output of its attempts.
    func bytes(of row: JobRow) throws(StoreError) -> Int
    /// Lists a job that is over and stays.
    mutating func addKept(_ job: KeptJob) throws(StoreError)
    /// Takes it off the list.
    ///
    /// - Returns: its bytes; nil if it was not there.
    mutating func removeKept(_ row: JobRow) throws(StoreError) -> Int?
    /// Of all lanes of a queue.
    func keptBytes(in queue: String) -> Int
    /// Those of a queue that have been over for longest, in order.
    func oldestKept(in queue: String, limit: Int) throws(StoreError) -> [KeptJob]

    /// Removes the job with its result, attempts and checkpoint.
    mutating func remove(_ row: JobRow) throws(StoreError)

    func hold(on name: UniqueName) throws(StoreError) -> UniqueHold?
    /// Nil lets go of the key.
    mutating func setHold(on name: UniqueName, _ hold: UniqueHold?) throws(StoreError)

    /// Adds to the attempts of a job, of which the last ``AttemptRecord/keptMax`` stay.
    mutating func add(_ attempt: AttemptRecord, to id: JobID) throws(StoreError)
    mutating func setResult(of id: JobID, _ result: Bytes) throws(StoreError)
    mutating func write(_ bulk: BulkRecord) throws(StoreError)
    /// Nil removes it.
    mutating func setCheckpoint(of id: JobID, _ checkpoint: Bytes?) throws(StoreError)
}
