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
    ///
    /// - Parameter mayRelease: whether jobs may wait for some that end.
    static func bytes(of group: CommitGroup, mayRelease: Bool = false) -> Int {
        var pages = 64 + group.newLanes.count
        if mayRelease { pages += Self.releasePages(of: group.changes) }
        for change in group.changes {
            switch change {
            case .submit(let submission):
                // The session, its ring, and jobs at the end of the table, which fill their pages.
                pages += 8 + Self.pages(of: submission.jobs)
                // A job's name, its edges in two orders, and the row of the whole.
                if let workflow = submission.workflow {
                    let edges = workflow.shape.members.reduce(0) { $0 + $1.parents.count }
                    pages += submission.jobs.count * 7 + edges / 8
                }
            case .succeed(let jobs):
                pages += jobs.count + jobs.count / 4
                for job in jobs where !job.isPlain {
                    pages += 8 + (job.details?.result?.count ?? 0) / 3500 + Self.pages(of: job.details?.followUps ?? [])
                }
            // A row that grows may split its page; some indexes change. A large payload is written again.
            case .update(let updates): pages += updates.count * 11
            case .move(let changes): pages += changes.count * 3
            case .checkpoint(let points): pages += points.reduce(0) { $0 + 5 + $1.value.count / 3500 }
            case .delete(let ids): pages += ids.count * 9
            case .expireSessions: pages += 1024
            case .purge(let limit): pages += min(limit, 4096) * 11
            case .trim(let trim): pages += min(max(trim.limit, 0), 4096) * 11
            case .reschedule(let changes): pages += changes.count * 6
            case .schedule(let change): pages += Self.pages(of: change)
            case .bulk(let step): pages += 4 + step.work.count * 11
            case .purgeWorkflows(let limit): pages += min(limit, 4096) * 9
            case .openSession, .saveNode, .forgetNode, .beginBulk, .forgetBulk, .pause, .resume, .closeBatch,
                .release, .setService, .closeService:
                pages += 4
            }
        }
        return pages * self.pageBytes
    }

    /// Each that goes on because of another one changes its row and some indexes.
    private static func releasePages(of changes: [Change]) -> Int {
        var most = 0
        var ended = 0
        for change in changes {
            switch change {
            case .succeed(let jobs): ended += jobs.count
            case .update(let updates): ended += updates.count { $0.state.isTerminal }
            case .bulk(let step): ended += step.work.count
            case .closeBatch: ended += 1
            case .release(let limit): most += limit
            default: break
            }
        }
        if ended > 0 || most > 0 { most += Change.releasedMax }
        return most * 11 + ended
    }

    private static func pages(of change: ScheduleChange) -> Int {
        switch change {
        case .save(let new): 8 + new.definition.count / 3500
        case .pause: 4 + ScheduleRow.definitionPagesMax
        // Its runs lie together.
        case .delete: 8 + ScheduleRow.definitionPagesMax + ScheduleRow.runsMax / 32
        // A run's row and the one that is forgotten for it; the state of the schedule.
        case .fire(let fires):
            fires.reduce(0) {
                $0 + 4 + ScheduleRow.definitionPagesMax + self.pages(of: $1.runs.map(\.job)) + $1.runs.count * 4
            }
        }
    }

    private static func pages(of jobs: [NewJob]) -> Int {
        var bytes = 0
        var pages = 0
        for job in jobs {
            bytes += job.payload.count + 128
            // Each that is scheduled or has more to it has its place in an index or two.
            if job.due != nil { pages += 1 }
            if !job.isPlain { pages += 6 }
        }
        return pages + bytes / 3500
    }
}
