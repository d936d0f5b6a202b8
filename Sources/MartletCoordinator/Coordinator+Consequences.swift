import MartletCore
import MartletRuntime
import MartletStore

extension Coordinator {
    /// Carries on with what a durable group led to beyond its outcomes.
    static func carryOn(_ consequences: Consequences, _ dispatcher: Dispatcher, _ registry: NodeRegistry) async {
        await dispatcher.enqueue(consequences.waiting)
        guard !consequences.moved.isEmpty else { return }
        let held = await registry.held(consequences.moved.map(\.after.id))
        await dispatcher.moved(consequences.moved, held: held)
    }
}

extension Coordinator {
    /// Dependents let go in one commit.
    private static let releaseMax = 1000

    /// Lets jobs go on that wait for what has ended and were too many for the group that ended it, in groups that
    /// delay nobody.
    ///
    /// - Parameter wanted: notified after each group that leaves some.
    static func release(_ wanted: Signal, _ commitLog: CommitLog) async throws {
        while true {
            await wanted.wait()
            try Task.checkCancellation()
            // As many as make a group: what else is gathered has its turn in between.
            await commitLog.append([.release(limit: Self.releaseMax)], kind: .essential, jobs: Self.releaseMax) { _ in }
        }
    }
}

extension Dispatcher {
    func enqueue(_ jobs: [Consequences.Waiting]) {
        // They may be the first of their lanes.
        if !jobs.isEmpty { self.learnLanes() }
        for job in jobs {
            if let due = job.due {
                self.schedule(ScheduledJob(due: due, id: job.id, lane: job.lane, share: job.share))
            } else {
                self.enqueue([job.ready])
            }
        }
    }
}

extension Consequences.Waiting {
    var ready: ReadyJob { ReadyJob(id: self.id, lane: self.lane, share: self.share) }
}
