import MartletCore
import MartletRuntime

/// What a handler leaves.
extension JobContext {
    /// Submits a job if, and exactly when, this attempt's completion is accepted: in the same transaction. If the
    /// handler throws, or its lease has ended, nothing comes of it.
    ///
    /// A follow-up whose unique key is taken is not created, also if its ``UniqueKey/conflict`` says to refuse it: the
    /// work is done. With `.replace`, the job that has the key gets its payload. The key of this very job is free.
    ///
    /// - Parameters:
    ///   - delay: how long it waits, from when the completion is accepted.
    ///   - time: when it may run, instead of a delay.
    /// - Throws: ``MartletError``: `.invalidRequest`, `.payloadTooLarge` over 1 MiB of follow-ups and result,
    ///   `.closed` if the attempt is over.
    public func submit<J: Job>(
        _ job: J, queue: String? = nil, options: JobOptions? = nil, delay: Duration? = nil, at time: WallTime? = nil
    ) throws(MartletError) {
        let payload = try PayloadCoding.encode(job)
        let template = try self.template(
            J.type, queue: queue ?? J.queue, options: options ?? J.options, payloadBytes: payload.count)
        try self.desk.add(
            Completion.FollowUp(template: template, payload: payload, delay: self.wait(delay, time)), use: self.use)
    }

    /// As ``submit(_:queue:options:delay:at:)``, for a job of bytes.
    public func submit(raw job: RawJob) throws(MartletError) {
        let template = try self.template(
            job.type, queue: job.queue, options: job.options, payloadBytes: job.payload.count)
        try self.desk.add(
            Completion.FollowUp(
                template: template, payload: job.payload.bytes, delay: self.wait(job.delay, job.time)),
            use: self.use)
    }

    /// What the worker's middleware makes of a follow-up.
    private func template(
        _ type: String, queue: String, options: JobOptions, payloadBytes: Int
    ) throws(MartletError) -> JobTemplate {
        var kind = SubmitRequest.Kind(
            type: type, queue: queue, options: options, jobCount: 1, payloadBytes: payloadBytes)
        for middleware in self.kind.scope.middleware {
            do {
                try middleware.followUp(&kind, of: self)
            } catch let error as MartletError {
                throw error
            } catch {
                throw MartletError(.refusedByMiddleware, "a middleware failed: \(error)")
            }
        }
        return try JobTemplate(checking: kind.type, queue: kind.queue, options: kind.options)
    }

    private func wait(_ delay: Duration?, _ time: WallTime?) -> Duration {
        max(time.map { $0 - self.kind.scope.loop.wallTime } ?? delay ?? .zero, .zero)
    }

    /// Sets the result, in place of what ``Job/run(_:)`` returns. It is kept as long as the job, see
    /// ``JobOptions/retention``, and given to whoever waits for it and to the jobs of a workflow that come after.
    public func setResult(_ result: some Encodable) throws(MartletError) {
        try self.desk.set(try PayloadCoding.encode(value: result), use: self.use)
    }

    /// What ``Job/run(_:)`` returned is the result unless another one was set.
    func setReturned(_ result: some Encodable) throws(MartletError) {
        try self.desk.set(try PayloadCoding.encode(value: result), replaces: false, use: self.use)
    }

    /// As ``setResult(_:)-(Encodable)``, as bytes.
    public func setResult(raw result: Payload) throws(MartletError) {
        try self.desk.set(result.bytes, use: self.use)
    }

    /// Says how far the handler has got. People see it within about a second; it is not stored.
    ///
    /// - Parameters:
    ///   - fraction: 0 to 1.
    ///   - message: up to 128 bytes are kept.
    public func progress(_ fraction: Double, _ message: String = "") {
        self.desk.note(fraction, message, use: self.use)
    }

    /// Saves a point from which a later attempt may go on, after a crash or a deploy; returns once it is durable.
    ///
    /// Only the last one of a job is kept, and only until the job has ended. Not available in micro-batches.
    ///
    /// - Throws: ``MartletError``: `.refused` if it cannot be saved, because the lease has ended: stop then.
    public func save(checkpoint value: some Encodable) async throws(MartletError) {
        try await self.save(PayloadCoding.encode(value: value))
    }

    /// As ``save(checkpoint:)-(Value)``, as bytes.
    public func save(rawCheckpoint value: Payload) async throws(MartletError) { try await self.save(value.bytes) }

    private func save(_ value: Bytes) async throws(MartletError) {
        guard value.count <= Completion.bytesMax else {
            throw MartletError(.payloadTooLarge, "a checkpoint has at most \(Completion.bytesMax) bytes")
        }
        guard try await self.desk.checkpoint(value, use: self.use) else {
            throw MartletError(.refused, "the checkpoint was not saved: the attempt's lease has ended")
        }
    }
}

/// A job that another one waited for.
public struct ParentJob: Hashable, Sendable {
    public let id: JobID
    /// Its name in the workflow; may be empty.
    public let name: String
    /// How it ended.
    public let state: JobState
    /// What it left, if it succeeded and left something.
    public let result: Payload?

    init(_ parent: ParentResult) {
        self.id = parent.id
        self.name = parent.name
        self.state = parent.state
        self.result = parent.result.map { Payload($0) }
    }

    /// Its result, decoded from JSON; nil if there is none.
    ///
    /// - Throws: ``JobFailureError`` if it does not decode.
    public func result<Value: Decodable>(as type: Value.Type = Value.self) throws(JobFailureError) -> Value? {
        guard let result else { return nil }
        return try PayloadCoding.decode(value: type, from: result.bytes)
    }
}
