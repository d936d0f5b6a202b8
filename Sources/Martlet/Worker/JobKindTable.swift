import MartletCore
import MartletWire
import Synchronization

/// The handlers that a worker has, by job type, and the kinds made of them so far.
final class JobKindTable: Sendable {
    private struct Key: Hashable {
        let type: String
        let queue: String
        let timeout: Duration
    }

    /// Over it, kinds are made anew: a bound on memory, not on what works.
    private static let kindsMax = 4096

    private let handlers: [String: JobKind.Handler]
    private let batches: [String: BatchHandler]
    private let scope: JobScope
    private let kinds = Mutex<[Key: JobKind]>([:])

    init(_ handlers: [String: JobKind.Handler], batches: [String: BatchHandler] = [:], scope: JobScope) {
        self.handlers = handlers
        self.batches = batches
        self.scope = scope
    }

    /// In order.
    var types: [String] { (Array(self.handlers.keys) + Array(self.batches.keys)).sorted() }

    /// By the line in which their jobs wait.
    var batchShapes: [BatchShape] { self.batches.values.sorted { $0.line < $1.line }.map(\.shape) }

    /// The jobs of a delivery, each with its handler.
    func jobs(of delivery: Delivery, at now: Instant) -> [WorkerCore.Job] {
        let kinds = delivery.templates.map { self.kind(of: $0) }
        return delivery.jobs.map { job in
            WorkerCore.Job(
                id: job.id, token: LeaseToken(epoch: delivery.epoch, sequence: job.leaseSequence),
                attempt: job.attempt, payload: job.payload, kind: kinds[Int(job.template)],
                extras: job.hasExtras ? job.extras.map { DeliveredExtras($0, at: now) } : nil)
        }
    }

    private func kind(of template: Delivery.Template) -> JobKind {
        // Metadata seldom comes twice.
        guard template.tags.isEmpty, template.metadata.isEmpty else { return self.makeKind(of: template) }
        let key = Key(type: template.type, queue: template.queue, timeout: template.timeout)
        return self.kinds.withLock { kinds in
            if let kind = kinds[key] { return kind }
            let kind = self.makeKind(of: template)
            if kinds.count >= Self.kindsMax { kinds.removeAll() }
            kinds[key] = kind
            return kind
        }
    }

    private func makeKind(of template: Delivery.Template) -> JobKind {
        JobKind(
            type: template.type, queue: template.queue, timeout: template.timeout, tags: template.tags,
            metadata: template.metadata, scope: self.scope, batch: self.batches[template.type],
            handler: self.handlers[template.type] ?? Self.noHandler)
    }

    private static let noHandler: JobKind.Handler = { _, context in
        throw JobFailureError(kind: "no handler", message: "this worker has no handler for \(context.type)")
    }
}

extension DeliveredExtras {
    convenience init(_ extras: Delivery.Extras, at now: Instant) {
        self.init(
            expiresAt: extras.expiresIn.map { now + $0 }, checkpoint: extras.checkpoint, parents: extras.parents,
            startBy: extras.startBy)
    }
}
