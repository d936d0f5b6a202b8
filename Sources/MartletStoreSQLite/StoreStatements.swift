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
    let countReady: Statement
    let deleteReadyRun: Statement
    let deleteReady: Statement
    let deleteScheduled: Statement
    let retainReady: Statement
    let retainScheduled: Statement
    let readJob: Statement
    let updateJob: Statement
    let deleteJob: Statement
    let findFinished: Statement

    let findSession: Statement
    let highestSubmit: Statement
    let insertSession: Statement
    let touchSession: Statement
    let findUnusedSessions: Statement
    let deleteSession: Statement
    let deleteSubmits: Statement
    let readSubmit: Statement
    let writeSubmit: Statement

    let writeNode: Statement
    let deleteNode: Statement

    init(_ database: Database) throws(StoreError) {
        self.begin = try database.prepare("BEGIN IMMEDIATE")
        self.commit = try database.prepare("COMMIT")
        self.readEpoch = try database.prepare("SELECT epoch FROM owner")
        self.writeSequence = try database.prepare("UPDATE owner SET next_sequence = ?")
        self.writeLane = try database.prepare(
            "REPLACE INTO lanes(id, \(LaneRow.columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")

        self.insertReady = try [32, 8, 1].map { rows throws(StoreError) in
            let values = (0..<rows).map { "(?3 + \($0), ?1, 2, ?2, ?\(4 + $0))" }.joined(separator: ", ")
            let sql = "INSERT INTO jobs(id, lane, state, created, payload) VALUES \(values)"
            return (rows, try database.prepare(sql))
        }
        self.insertJob = try database.prepare(
            "INSERT INTO jobs(id, lane, state, created, payload, due, options) VALUES (?, ?, ?, ?, ?, ?, ?)")
        let run = "id BETWEEN ? AND ? AND state = 2 AND lane = ?"
        self.countReady = try database.prepare("SELECT count(*) FROM jobs WHERE \(run)")
        self.deleteReadyRun = try database.prepare("DELETE FROM jobs WHERE \(run)")
        self.deleteReady = try database.prepare("DELETE FROM jobs WHERE id = ? AND state = 2 AND lane = ?")
        self.deleteScheduled = try database.prepare("DELETE FROM jobs WHERE id = ? AND state = 1 AND lane = ?")
        self.retainReady = try database.prepare(Self.retain(from: 2))
        self.retainScheduled = try database.prepare(Self.retain(from: 1))
        self.readJob = try database.prepare("SELECT state, lane, failures FROM jobs WHERE id = ?")
        self.updateJob = try database.prepare(
            """
            UPDATE jobs SET state = ?2, due = ?3, failures = ?4, deaths = ?5, finished = ?6,
            failure_kind = coalesce(?7, failure_kind), failure_message = coalesce(?8, failure_message) WHERE id = ?1
            """)
        self.deleteJob = try database.prepare("DELETE FROM jobs WHERE id = ?")
        self.findFinished = try database.prepare(
            """
            SELECT id, lane FROM jobs WHERE state >= 4 AND state = ? AND finished < ? ORDER BY finished, id LIMIT ?
            """)

        self.findSession = try database.prepare("SELECT number, used FROM sessions WHERE high = ? AND low = ?")
        self.highestSubmit = try database.prepare("SELECT max(sequence) FROM submits WHERE place BETWEEN ? AND ?")
        self.insertSession = try database.prepare(
            "INSERT INTO sessions(high, low, used) VALUES (?, ?, ?) RETURNING number")
        self.touchSession = try database.prepare("UPDATE sessions SET used = ? WHERE number = ?")
        self.findUnusedSessions = try database.prepare(
            "SELECT number, high, low FROM sessions WHERE used < ? ORDER BY used, number LIMIT ?")
        self.deleteSession = try database.prepare("DELETE FROM sessions WHERE number = ?")
        self.deleteSubmits = try database.prepare("DELETE FROM submits WHERE place BETWEEN ? AND ?")
        self.readSubmit = try database.prepare("SELECT sequence, first, count FROM submits WHERE place = ?")
        self.writeSubmit = try database.prepare(
            "REPLACE INTO submits(place, sequence, first, count) VALUES (?, ?, ?, ?)")

        self.writeNode = try database.prepare("REPLACE INTO nodes(name, incarnation, lease) VALUES (?, ?, ?)")
        self.deleteNode = try database.prepare("DELETE FROM nodes WHERE name = ?")
    }

    private static func retain(from state: Int) -> String {
        "UPDATE jobs SET state = 4, due = NULL, finished = ?3 WHERE id = ?1 AND state = \(state) AND lane = ?2"
    }
}
