import MartletCore
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

extension Dispatcher {
    func enqueue(_ jobs: [Consequences.Waiting]) {
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
