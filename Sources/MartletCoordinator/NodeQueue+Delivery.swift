import MartletCore
import MartletRuntime
import MartletWire

extension NodeQueue {
    /// The frame that brings these leases to the node.
    func delivery(_ number: UInt64, _ run: LeaseRun) -> Bytes {
        var plan = DeliveryPlan()
        for case let job? in run.places { plan.add(job) }
        return Delivery.encoded(
            number: number, epoch: self.core.epoch, templates: plan.templates, count: plan.count,
            payloadBytes: plan.payloadBytes, haveExtras: plan.haveExtras
        ) { writer in
            for (offset, place) in run.places.enumerated() {
                guard let job = place else { continue }
                writer.writeJob(
                    id: job.id, leaseSequence: run.first + UInt64(offset), attempt: job.attempt,
                    template: UInt16(plan.template(of: job)), payload: job.body.payload, extras: self.extras(of: job))
            }
        }
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

/// What a delivery's frame is to hold.
private struct DeliveryPlan {
    private(set) var templates: [Delivery.Template] = []
    private(set) var count = 0
    private(set) var payloadBytes = 0
    private(set) var haveExtras = false
    /// One a template.
    private var known: [JobTraits] = []

    mutating func add(_ job: QueuedJob) {
        self.count += 1
        self.payloadBytes += job.body.payload.count
        if job.body.extras != nil || job.startBy != .distantFuture { self.haveExtras = true }
        let traits = job.body.traits.shared
        guard self.template(of: traits) < 0 else { return }
        self.known.append(traits)
        self.templates.append(
            Delivery.Template(
                type: traits.key.type, queue: traits.key.queue, timeout: traits.timeout, tags: traits.options.tags,
                metadata: traits.options.metadata))
    }

    func template(of job: QueuedJob) -> Int { self.template(of: job.body.traits.shared) }

    /// Jobs with the same traits mostly follow each other.
    private func template(of traits: JobTraits) -> Int {
        var place = self.known.count - 1
        while place >= 0, self.known[place] !== traits { place -= 1 }
        return place
    }
}
