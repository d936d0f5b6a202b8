import MartletCore

/// One job of a micro-batch.
public struct BatchedJob<Value: Sendable>: Sendable {
    /// The job; of a raw one the payload.
    public let value: Value
    /// The context of this job's attempt. All jobs of a batch have the same ``JobContext/deadline``.
    public let context: JobContext

    public var id: JobID { self.context.id }

    /// To be returned for a job whose work is done.
    public var succeeded: BatchOutcome { BatchOutcome(id: self.id, error: nil) }

    /// To be returned for a job whose attempt failed; ``NonRetryable`` makes the failure final.
    public func failed(_ error: any Error) -> BatchOutcome { BatchOutcome(id: self.id, error: error) }
}

/// What became of one job of a micro-batch: see ``BatchedJob/succeeded`` and ``BatchedJob/failed(_:)``.
public struct BatchOutcome: Sendable {
    let id: JobID
    let error: (any Error)?
}

extension Worker {
    /// Serves a type of job with a handler that takes many at once: a bulk insert, an API that takes a list.
    ///
    /// ```swift
    /// worker.register(batchOf: IndexDocument.self, max: 100, within: .milliseconds(50)) { jobs in
    ///     let rejected = try await search.index(jobs.map(\.value))
    ///     return jobs.map { rejected.contains($0.value.id) ? $0.failed(Rejected()) : $0.succeeded }
    /// }
    /// ```
    ///
    /// A batch takes one slot, and each of its jobs has a lease, an attempt number and an outcome of its own. What the
    /// handler throws fails every job of the batch; a job for which it returns nothing has failed. A payload that does
    /// not decode fails by itself. The task is cancelled when the shortest timeout of the jobs has passed, which fails
    /// them all, and when one of them is taken away: the others then go back without a failure, unless the handler
    /// returns that they succeeded. Middleware is around each job.
    ///
    /// - Parameters:
    ///   - jobsMax: the most jobs in a batch, 1 to 1,000.
    ///   - patience: how long the first job waits for the batch to fill; counts towards no timeout.
    ///   - handler: returns one outcome for each job, in any order.
    /// - Precondition: as ``register(_:)``.
    public func register<J: Job>(
        batchOf type: J.Type, max jobsMax: Int, within patience: Duration,
        _ handler: @escaping @Sendable ([BatchedJob<J>]) async throws -> [BatchOutcome]
    ) {
        self.add(batchOf: J.type, BatchShape(jobsMax: jobsMax, patience: patience), handler) { payload in
            try PayloadCoding.decode(J.self, from: payload)
        }
    }

    /// As ``register(batchOf:max:within:_:)-(J.Type,_,_,_)``, for jobs whose payload is bytes.
    public func register(
        batchOfRaw type: String, max jobsMax: Int, within patience: Duration,
        _ handler: @escaping @Sendable ([BatchedJob<Payload>]) async throws -> [BatchOutcome]
    ) {
        self.add(batchOf: type, BatchShape(jobsMax: jobsMax, patience: patience), handler) { Payload($0) }
    }

    private func add<Value: Sendable>(
        batchOf type: String, _ shape: BatchShape,
        _ handler: @escaping @Sendable ([BatchedJob<Value>]) async throws -> [BatchOutcome],
        decode: @escaping @Sendable (Bytes) throws -> Value
    ) {
        self.add(batchOf: type, shape) { items in
            var errors = [(any Error)?](repeating: nil, count: items.count)
            var jobs: [BatchedJob<Value>] = []
            for (place, item) in items.enumerated() {
                do {
                    jobs.append(BatchedJob(value: try decode(item.payload), context: item.context))
                } catch {
                    errors[place] = error
                }
            }
            var results: [JobID: BatchOutcome] = [:]
            var failure: (any Error)?
            do {
                if !jobs.isEmpty { for outcome in try await handler(jobs) { results[outcome.id] = outcome } }
            } catch {
                failure = error
            }
            for (place, item) in items.enumerated() where errors[place] == nil {
                if let failure {
                    errors[place] = failure
                } else if let result = results[item.context.id] {
                    errors[place] = result.error
                } else {
                    errors[place] = JobFailureError(
                        kind: "no outcome", message: "the batch's handler returned no outcome for this job")
                }
            }
            return errors
        }
    }
}
