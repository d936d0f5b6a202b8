import MartletCore
import MartletStore

/// What a job is found by, other than its id: a row of `marks`.
struct JobMark: Hashable {
    enum Kind: Int64 {
        /// Pending and to have started by the time in `value`.
        case expiring = 1
        /// Ordered, and scheduled for the time in `value`.
        case ordered = 2
        /// A member of the batch in `value`.
        case batch = 3
        /// A member of the workflow in `value`.
        case workflow = 4
    }

    let kind: Kind
    let value: Int64

    /// Those that change with the job's state.
    static func changing(state: JobState, due: WallTime?, expires: WallTime?, flags: JobFlags) -> [JobMark] {
        var marks: [JobMark] = []
        if flags.contains(.expiring), !state.isTerminal, let expires {
            marks.append(JobMark(kind: .expiring, value: expires.microseconds))
        }
        if flags.contains(.ordered), state == .scheduled, let due {
            marks.append(JobMark(kind: .ordered, value: due.microseconds))
        }
        return marks
    }

    /// Those that stay as long as the job.
    static func lasting(of row: JobRow) -> [JobMark] {
        var marks: [JobMark] = []
        if let batch = row.options.batch {
            marks.append(JobMark(kind: .batch, value: Int64(bitPattern: batch.rawValue)))
        }
        if let workflow = row.workflow { marks.append(JobMark(kind: .workflow, value: Int64(workflow.rawValue))) }
        return marks
    }
}
