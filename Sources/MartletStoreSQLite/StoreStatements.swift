import MartletStore

/// The statements that write, prepared once.
struct StoreStatements {
    let begin: Statement
    let commit: Statement
    let readEpoch: Statement
    let writeSequence: Statement
    let writeLane: Statement

    /// Many rows at once to one, each with how many.
    let insertReady: [(rows: Int, statement: Statement)]
    let insertJob: Statement
    let countRun: Statement
    let deleteReadyRun: Statement
    let deleteReady: Statement
    let retainReady: Statement
    let deleteJob: Statement
    let readRow: Statement
    let insertRow: Statement
    let writeRow: Statement
    let writePayload: Statement
    let readMarked: Statement
    let writeMark: Statement
    let deleteMark: Statement
    let findOver: Statement
    let findHold: Statement
    let writeHold: Statement
    let deleteHold: Statement
    let findOverHolds: Statement
    let writeAttempt: Statement
    let deleteOldAttempts: Statement
    let deleteAttempts: Statement
    let writeResult: Statement
    let deleteResult: Statement
    let writeCheckpoint: Statement
    let deleteCheckpoint: Statement

    let findSession: Statement
    let highestSubmit: Statement
    let insertSession: Statement
    let touchSession: Statement
    let findUnusedSessions: Statement
    let deleteSession: Statement
    let deleteSubmits: Statement
    let readSubmit: Statement
    let writeSubmit: Statement

    let writePause: Statement
    let deletePause: Statement
    let writeService: Statement
    let deleteService: Statement
    let readClosing: Statement
    let writeClosing: Statement
    let writeServiceChange: Statement
    let trimServiceChanges: Statement
    let writeBulk: Statement
    let deleteBulk: Statement

    let writeNode: Statement
    let deleteNode: Statement
    let groups: GroupStatements
    let schedules: ScheduleStatements
    let kept: KeptStatements

    init(_ database: Database) throws(StoreError) {
        self.begin = try database.prepare("BEGIN IMMEDIATE")
        self.commit = try database.prepare("COMMIT")
        self.readEpoch = try database.prepare("SELECT epoch FROM owner")
        self.writeSequence = try database.prepare("UPDATE owner SET next_sequence = ?")
        self.writeLane = try database.prepare(
            "REPLACE INTO lanes(id, \(LaneRow.columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")

        self.insertReady = try [32, 8, 1].map { rows throws(StoreError) in
            let values = (0..<rows).map { "(?3 + \($0), ?1, 2, ?2, ?\(4 + $0))" }.joined(separator: ", ")
            // A failure undoes the whole transaction: without that, each statement would copy the pages it changes.
            let sql = "INSERT OR ROLLBACK INTO jobs(id, lane, state, created, payload) VALUES \(values)"
            return (rows, try database.prepare(sql))
        }
        self.insertJob = try database.prepare(
            "INSERT INTO jobs(id, lane, state, created, payload, due, options) VALUES (?, ?, ?, ?, ?, ?, ?)")
        self.countRun = try database.prepare("SELECT count(*) FROM jobs WHERE id BETWEEN ? AND ?")
        self.deleteReadyRun = try database.prepare(
            "DELETE FROM jobs WHERE id BETWEEN ? AND ? AND state = 2 AND lane = ? AND flags IS NULL")
        self.deleteReady = try database.prepare(
            "DELETE FROM jobs WHERE id = ? AND state = 2 AND lane = ? AND flags IS NULL")
        self.retainReady = try database.prepare(
            """
            UPDATE jobs SET state = 4, finished = ?3, expires = ?4
            WHERE id = ?1 AND state = 2 AND lane = ?2 AND flags IS NULL RETURNING length(payload)
            """)
        self.deleteJob = try database.prepare("DELETE FROM jobs WHERE id = ?")
        self.readRow = try database.prepare("SELECT \(JobRow.columns), created, options FROM jobs WHERE id = ?")
        self.insertRow = try database.prepare(
            """
            INSERT INTO jobs(\(JobRow.columns), created, options, payload, id)
            VALUES (\(Array(repeating: "?", count: Int(JobRow.columnCount) + 4).joined(separator: ", ")))
            """)
        self.writeRow = try database.prepare(
            """
            UPDATE jobs SET (\(JobRow.columns))
            = (\(Array(repeating: "?", count: Int(JobRow.columnCount)).joined(separator: ", "))) WHERE id = ?
            """)
        self.writePayload = try database.prepare("UPDATE jobs SET payload = ? WHERE id = ?")
        self.readMarked = try database.prepare("SELECT state, due, expires, flags FROM jobs WHERE id = ?")
        self.writeMark = try database.prepare("INSERT INTO marks(kind, value, job) VALUES (?, ?, ?)")
        self.deleteMark = try database.prepare("DELETE FROM marks WHERE kind = ? AND value = ? AND job = ?")
        self.findOver = try database.prepare(
            "SELECT id FROM jobs WHERE state >= 4 AND expires IS NOT NULL AND expires <= ? ORDER BY expires, id LIMIT ?"
        )
        self.findHold = try database.prepare(
            "SELECT job, until FROM unique_keys WHERE scope = ? AND name = ? AND key = ?")
        self.writeHold = try database.prepare(
            "REPLACE INTO unique_keys(scope, name, key, job, until) VALUES (?, ?, ?, ?, ?)")
        self.deleteHold = try database.prepare("DELETE FROM unique_keys WHERE scope = ? AND name = ? AND key = ?")
        self.findOverHolds = try database.prepare(
            """
            SELECT scope, name, key FROM unique_keys WHERE until IS NOT NULL AND until <= ? ORDER BY until, job LIMIT ?
            """)
        self.writeAttempt = try database.prepare(
            "REPLACE INTO attempts(job, number, ended, node, kind, message, output) VALUES (?, ?, ?, ?, ?, ?, ?)")
        self.deleteOldAttempts = try database.prepare("DELETE FROM attempts WHERE job = ? AND number <= ?")
        self.deleteAttempts = try database.prepare("DELETE FROM attempts WHERE job = ?")
        self.writeResult = try database.prepare("REPLACE INTO results(job, value) VALUES (?, ?)")
        self.deleteResult = try database.prepare("DELETE FROM results WHERE job = ?")
        self.writeCheckpoint = try database.prepare("REPLACE INTO checkpoints(job, value) VALUES (?, ?)")
        self.deleteCheckpoint = try database.prepare("DELETE FROM checkpoints WHERE job = ?")
        self.findSession = try database.prepare("SELECT number, used FROM sessions WHERE high = ? AND low = ?")
        self.highestSubmit = try database.prepare("SELECT max(sequence) FROM submits WHERE place BETWEEN ? AND ?")
        self.insertSession = try database.prepare(
            "INSERT INTO sessions(high, low, used) VALUES (?, ?, ?) RETURNING number")
        self.touchSession = try database.prepare("UPDATE sessions SET used = ? WHERE number = ?")
        self.findUnusedSessions = try database.prepare(
            "SELECT number, high, low FROM sessions WHERE used < ? ORDER BY used, number LIMIT ?")
        self.deleteSession = try database.prepare("DELETE FROM sessions WHERE number = ?")
        self.deleteSubmits = try database.prepare("DELETE FROM submits WHERE place BETWEEN ? AND ?")
        self.readSubmit = try database.prepare("SELECT sequence, first, count, exceptions FROM submits WHERE place = ?")
        self.writeSubmit = try database.prepare(
            "REPLACE INTO submits(place, sequence, first, count, exceptions) VALUES (?, ?, ?, ?, ?)")

        self.writePause = try database.prepare("REPLACE INTO pauses(kind, name, since) VALUES (?, ?, ?)")
        self.deletePause = try database.prepare("DELETE FROM pauses WHERE kind = ? AND name = ?")
        self.writeService = try database.prepare(
            "REPLACE INTO services(name, paused, changed, who, limits) VALUES (?, ?, ?, ?, ?)")
        self.deleteService = try database.prepare("DELETE FROM services WHERE name = ?")
        self.readClosing = try database.prepare("SELECT at, lasts FROM service_closings WHERE name = ?")
        self.writeClosing = try database.prepare(
            "REPLACE INTO service_closings(name, at, lasts) VALUES (?, ?, ?)")
        self.writeServiceChange = try database.prepare(
            "INSERT INTO service_changes(name, changed, who, what) VALUES (?, ?, ?, ?)")
        self.trimServiceChanges = try database.prepare(
            "DELETE FROM service_changes WHERE number <= (SELECT max(number) FROM service_changes) - ?")
        self.writeBulk = try database.prepare(
            "REPLACE INTO bulk(\(BulkRecord.columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        self.deleteBulk = try database.prepare("DELETE FROM bulk WHERE id = ?")
        self.writeNode = try database.prepare("REPLACE INTO nodes(name, incarnation, lease) VALUES (?, ?, ?)")
        self.groups = try GroupStatements(database)
        self.schedules = try ScheduleStatements(database)
        self.kept = try KeptStatements(database)
        self.deleteNode = try database.prepare("DELETE FROM nodes WHERE name = ?")
    }
}
