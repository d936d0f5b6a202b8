import MartletCore
import MartletStore

/// What people did to jobs and queues, and what must not happen after it.
extension Witness {
    /// A client heard that its cancel is done.
    func cancelAcknowledged(_ id: JobID) {
        if self.terminal[id] != .cancelled { self.fail("the cancel of job \(id) was acknowledged but is not stored") }
        self.isGone([id])
    }

    /// Nodes have been given these jobs.
    func delivered(_ ids: [JobID]) { self.everDelivered.formUnion(ids) }

    /// A client heard that a pause holds, and these jobs are with nodes now.
    func paused(_ target: Pause.Target, held: Set<JobID>) {
        self.pauses[target] = held.union(self.everDelivered)
    }

    /// A client is about to resume.
    func resumes(_ target: Pause.Target) {
        self.pauses[target] = nil
        self.resumed += 1
    }

    func checkPauses(_ id: JobID) {
        guard !self.pauses.isEmpty, let limits = self.stored[id].flatMap({ self.limits[$0] }) else { return }
        for target in [Pause.Target.queue(limits.queue), .type(limits.type)] {
            if let mayRun = self.pauses[target], !mayRun.contains(id) {
                self.fail("job \(id) began while \(target) is paused")
            }
        }
    }
}
