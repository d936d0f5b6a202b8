import MartletCore
import MartletStore

/// Jobs that stay though they are over: rows of `kept`, by queue and time of their end.
extension SQLiteTables {
    private var statements: KeptStatements { self.transaction.statements.kept }

    func bytes(of row: JobRow) throws(StoreError) -> Int {
        let read = self.statements.measure
        read.bind(0, Int64(row.id.rawValue))
        guard try read.step() else { return 0 }
        defer { read.reset() }
        return Int(read.integer(0))
    }

    func addKept(_ job: KeptJob) throws(StoreError) {
        let write = self.statements.write
        write.bind(0, self.transaction.queueNumber(of: job.lane))
        write.bind(1, job.finishedAt.microseconds)
        write.bind(2, Int64(job.id.rawValue))
        write.bind(3, Int64(job.bytes))
        try write.run()
    }

    func removeKept(_ row: JobRow) throws(StoreError) -> Int? {
        let delete = self.statements.delete
        delete.bind(0, self.transaction.queueNumber(of: row.lane))
        delete.bind(1, row.finishedAt?.microseconds)
        delete.bind(2, Int64(row.id.rawValue))
        guard try delete.step() else { return nil }
        let bytes = Int(delete.integer(0))
        // To its end, which is the deletion's.
        try delete.run()
        return bytes
    }

    func keptBytes(in queue: String) -> Int {
        self.transaction.lanes.reduce(0) { $1.totals.lane.queue == queue ? $0 + Int($1.totals.keptBytes) : $0 }
    }

    func oldestKept(in queue: String, limit: Int) throws(StoreError) -> [KeptJob] {
        guard let number = self.transaction.queueNumbers[queue] else { return [] }
        let find = self.statements.findOldest
        find.bind(0, number)
        find.bind(1, Int64(limit))
        var jobs: [KeptJob] = []
        while try find.step() {
            jobs.append(
                KeptJob(
                    id: JobID(rawValue: find.unsigned(1)), lane: LaneID(rawValue: UInt32(clamping: number)),
                    finishedAt: WallTime(microseconds: find.integer(0)), bytes: Int(find.integer(2))))
        }
        return jobs
    }
}

/// The statements about jobs that stay though they are over.
struct KeptStatements {
    let measure: Statement
    let write: Statement
    let delete: Statement
    let findOldest: Statement

    /// What stays of a job, in bytes, by the tables that hold it.
    static let bytes = """
        length(payload) + ifnull((SELECT length(value) FROM results WHERE job = jobs.id), 0)
        + ifnull((SELECT sum(length(output)) FROM attempts WHERE job = jobs.id), 0)
        """

    init(_ database: Database) throws(StoreError) {
        self.measure = try database.prepare("SELECT \(Self.bytes) FROM jobs WHERE id = ?")
        self.write = try database.prepare("INSERT INTO kept(queue, finished, job, bytes) VALUES (?, ?, ?, ?)")
        self.delete = try database.prepare(
            "DELETE FROM kept WHERE queue = ? AND finished = ? AND job = ? RETURNING bytes")
        self.findOldest = try database.prepare(
            "SELECT finished, job, bytes FROM kept WHERE queue = ? ORDER BY finished, job LIMIT ?")
    }
}
