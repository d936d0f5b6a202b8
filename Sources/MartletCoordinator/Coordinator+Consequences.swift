import MartletCore
import MartletStore

extension Coordinator {
    /// Carries on with what a durable group led to beyond its outcomes.
    static func carryOn(_ consequences: Consequences, _ dispatcher: Dispatcher, _ registry: NodeRegistry) async {
        await dispatcher.enqueue(consequences.waiting)
        guard !consequences.moved.isEmpty else { return }
        let jobs = consequences.moved.map { ReadyJob(id: $0.after.id, lane: $0.before, share: $0.after.share) }
        let held = await registry.held(jobs.map(\.id))
        let waiting = consequences.moved.filter { !held.contains($0.after.id) }
        _ = await dispatcher.remove(jobs.filter { !held.contains($0.id) })
        // What a node is at work on goes its way: the store tells when it ends whether it is to run again.
        await dispatcher.enqueue(waiting.map(\.after))
    }
}

extension Dispatcher {
    func enqueue(_ jobs: [Consequences.Waiting]) {
        for job in jobs {
            if let due = job.due {
                self.schedule(ScheduledJob(due: due, id: job.id, lane: job.lane, share: job.share))
            } else {
                self.enqueue([ReadyJob(id: job.id, lane: job.lane, share: job.share)])
            }
        }
    }
}
