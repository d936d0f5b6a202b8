import MartletCore
import MartletRuntime
import MartletWire

extension NodeQueue {
    func delivery(_ number: UInt64, _ leases: [(sequence: UInt64, job: QueuedJob)]) -> Delivery {
        var templates: [Delivery.Template] = []
        var known: [JobTraits] = []
        var jobs: [Delivery.Job] = []
        jobs.reserveCapacity(leases.count)
        for (sequence, job) in leases {
            let traits = job.body.traits.shared
            var place = known.count - 1
            while place >= 0, known[place] !== traits { place -= 1 }
            if place < 0 {
                place = known.count
                known.append(traits)
                templates.append(
                    Delivery.Template(
                        type: traits.key.type, queue: traits.key.queue, timeout: traits.timeout,
                        tags: traits.options.tags, metadata: traits.options.metadata))
            }
            jobs.append(
                Delivery.Job(
                    id: job.id, leaseSequence: sequence, attempt: job.attempt, template: UInt16(place),
                    payload: job.body.payload,
                    extras: self.extras(of: job)))
        }
        return Delivery(number: number, epoch: self.core.epoch, templates: templates, jobs: jobs)
    }

    private func extras(of job: QueuedJob) -> Delivery.Extras? {
        let extras = job.body.extras.flatMap { Delivery.Extras($0, at: self.context.loop.wallTime) }
        guard job.startBy != .distantFuture else { return extras }
        var limited = extras ?? Delivery.Extras()
        limited.startBy = job.startBy
        return limited
    }
}

extension Delivery.Extras {
    /// What the node is to know of it; nil for nothing.
    fileprivate init?(_ extras: JobExtras, at now: WallTime) {
        guard extras.expires != nil || extras.checkpoint != nil || !extras.parents.isEmpty else { return nil }
        self.init(
            expiresIn: extras.expires.map { $0 - now }, checkpoint: extras.checkpoint, parents: extras.parents)
    }
}
