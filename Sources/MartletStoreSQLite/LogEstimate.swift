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
                pages += 8 + Self.pages(of: submission.jobs)
            case .succeed(let jobs):
                pages += jobs.count + jobs.count / 4
                for job in jobs where job.isKept || job.details != nil || job.revision > 0 {
                    pages += 6 + (job.details?.result?.count ?? 0) / 3500 + Self.pages(of: job.details?.followUps ?? [])
                }
            // A row that grows may split its page; some indexes change. A large payload is written again.
            case .update(let updates): pages += updates.count * 9
            case .move(let changes): pages += changes.count * 3
            case .checkpoint(let points): pages += points.reduce(0) { $0 + 5 + $1.value.count / 3500 }
            case .delete(let ids): pages += ids.count * 7
            case .expireSessions: pages += 1024
            case .purge(let limit): pages += min(limit, 4096) * 9
            case .reschedule(let changes): pages += changes.count * 6
            case .bulk(let step): pages += 4 + step.work.count * 9
            case .openSession, .saveNode, .forgetNode, .beginBulk, .forgetBulk, .pause, .resume: pages += 4
            }
        }
        return pages * self.pageBytes
    }

    private static func pages(of jobs: [NewJob]) -> Int {
        // Each that is scheduled or has more to it has its place in an index or two.
        jobs.reduce(0) { $0 + $1.payload.count + 128 } / 3500 + jobs.count { $0.due != nil }
            + jobs.count { !$0.isPlain } * 6
    }
}
