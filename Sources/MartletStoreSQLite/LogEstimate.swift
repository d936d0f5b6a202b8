import MartletCore
import MartletStore

/// How much a commit group writes to the log, at most.
enum LogEstimate {
    /// A page and its frame's header.
    static let pageBytes = 4096 + 24

    /// Counts a page for every row that may lie alone on its page, and its share of what is above it in the tree.
    ///
    /// A group that needs more, against all expectation, meets a full disk in its COMMIT: its outcome is unknown
    /// then, and recovery finds all or nothing of it.
    static func bytes(of group: CommitGroup) -> Int {
        var pages = 64 + group.newLanes.count
        for change in group.changes {
            switch change {
            case .submit(let submission):
                // The session, its ring, and jobs at the end of the table, which fill their pages.
                pages += 8 + submission.jobs.reduce(0) { $0 + $1.payload.count + 128 } / 3500
                // Each that is scheduled has its place in the index.
                pages += submission.jobs.count { $0.due != nil }
            case .succeed(let jobs): pages += jobs.count + jobs.count / 4 + jobs.count { $0.isRetained } * 2
            // A row that grows may split its page; two indexes change. A large payload is written again.
            case .update(let updates): pages += updates.count * 5
            case .deleteDead(let ids): pages += ids.count * 4
            case .expireSessions: pages += 1024
            case .purgeFinished(_, _, let limit): pages += min(limit, 4096) * 4
            case .openSession, .saveNode, .forgetNode: pages += 4
            }
        }
        return pages * self.pageBytes
    }
}
