import MartletCore
import MartletRuntime
import MartletWire

extension Client {
    /// Submits one job and returns once it is durable.
    ///
    /// - Parameters:
    ///   - queue: where it waits; its type's queue unless given.
    ///   - options: how it is run; its type's options unless given.
    ///   - delay: how long to wait before it may run.
    ///   - time: when it may run, instead of a delay.
    /// - Throws: ``MartletError``. After ``MartletError/Code/outcomeUnknown`` the job may exist; after any other error
    ///   it does not.
    @discardableResult
    public nonisolated func submit<J: Job>(
        _ job: J, queue: String? = nil, options: JobOptions? = nil, delay: Duration? = nil,
        at time: WallTime? = nil
    ) async throws(MartletError) -> JobID {
        let template = try Self.template(J.type, queue: queue ?? J.queue, options: options ?? J.options)
        var entry = SubmitEntry()
        entry.append(template, due: time ?? self.due(after: delay), payload: try PayloadCoding.encode(job))
        return try await self.submit(one: entry)
    }

    /// Submits many jobs of one type and returns once they are durable.
    ///
    /// Up to 10,000 jobs, 2 MiB of payloads and 1,024 different types, queues and options are accepted together or not at
    /// all. More are sent as several such parts, side by side: if one fails, others may have been accepted.
    ///
    /// - Returns: one id a job, in order.
    /// - Throws: ``MartletError``, of the first part that failed.
    @discardableResult
    public nonisolated func submit<J: Job>(
        _ jobs: [J], queue: String? = nil, options: JobOptions? = nil, delay: Duration? = nil,
        at time: WallTime? = nil
    ) async throws(MartletError) -> [JobID] {
        let template = try Self.template(J.type, queue: queue ?? J.queue, options: options ?? J.options)
        let due = time ?? self.due(after: delay)
        var parts = SubmitParts(count: jobs.count)
        for job in jobs { parts.append(template, due: due, payload: try PayloadCoding.encode(job)) }
        return try await self.submit(parts)
    }

    /// Submits one job of bytes and returns once it is durable.
    ///
    /// - Throws: as ``submit(_:queue:options:delay:)-(J,_,_,_)``.
    @discardableResult
    public nonisolated func submit(raw job: RawJob) async throws(MartletError) -> JobID {
        var entry = SubmitEntry()
        let template = try Self.template(job.type, queue: job.queue, options: job.options)
        entry.append(template, due: self.due(of: job), payload: job.payload.bytes)
        return try await self.submit(one: entry)
    }

    /// Submits many jobs of bytes, of any types, and returns once they are durable.
    ///
    /// Up to 10,000 jobs, 2 MiB of payloads and 1,024 different types, queues and options are accepted together or not at
    /// all. More are sent as several such parts, side by side: if one fails, others may have been accepted.
    ///
    /// - Returns: one id a job, in order.
    /// - Throws: ``MartletError``, of the first part that failed.
    @discardableResult
    public nonisolated func submit(raw jobs: [RawJob]) async throws(MartletError) -> [JobID] {
        var parts = SubmitParts(count: jobs.count)
        var template: JobTemplate?
        for job in jobs {
            if template?.type != job.type || template?.queue != job.queue || template?.options != job.options {
                template = try Self.template(job.type, queue: job.queue, options: job.options)
            }
            parts.append(template!, due: self.due(of: job), payload: job.payload.bytes)
        }
        return try await self.submit(parts)
    }

    private nonisolated func submit(one entry: SubmitEntry) async throws(MartletError) -> JobID {
        guard self.configuration.middleware.isEmpty else {
            return try await self.submitThroughMiddleware([entry])[0]
        }
        return try await self.submit(entry)[0]
    }

    private nonisolated func submit(_ parts: SubmitParts) async throws(MartletError) -> [JobID] {
        guard self.configuration.middleware.isEmpty || parts.entries.isEmpty else {
            return try await self.submitThroughMiddleware(parts.entries)
        }
        return try await self.send(parts.entries)
    }

    /// Sends the jobs of one call, as many frames as they fill.
    nonisolated func send(_ entries: [SubmitEntry]) async throws(MartletError) -> [JobID] {
        switch entries.count {
        case 0: return []
        case 1: return try await self.submit(entries[0]).ids
        default: break
        }
        let accepted: [SubmitCore.Outcome] = await withTaskGroup(of: (Int, SubmitCore.Outcome).self) { group in
            var outcomes: [SubmitCore.Outcome?] = Array(repeating: nil, count: entries.count)
            var next = 0
            func add() {
                guard next < entries.count else { return }
                let place = next
                next += 1
                group.addTask {
                    do throws(MartletError) {
                        return (place, .success(try await self.submit(entries[place])))
                    } catch {
                        return (place, .failure(error))
                    }
                }
            }
            // As many parts as may be under way, and as many again so that the next frame need not wait for its jobs.
            for _ in 0..<self.configuration.framesInFlightMax * 2 { add() }
            while let (place, outcome) = await group.next() {
                outcomes[place] = outcome
                // After a failure the rest is not sent.
                if case .success = outcome { add() } else { next = entries.count }
            }
            return outcomes.compactMap { $0 }
        }
        var ids: [JobID] = []
        ids.reserveCapacity(entries.reduce(0) { $0 + $1.jobs.count })
        for outcome in accepted { ids += try outcome.get().ids }
        return ids
    }

    nonisolated func due(of job: RawJob) -> WallTime? { job.time ?? self.due(after: job.delay) }

    nonisolated func due(after delay: Duration?) -> WallTime? {
        guard let delay, delay > .zero else { return nil }
        return self.loop.wallTime + delay
    }

    static func template(
        _ type: String, queue: String, options: JobOptions
    ) throws(MartletError) -> JobTemplate {
        if let problem = NameRule.problem(type) {
            throw MartletError(.invalidRequest, "the job type \"\(type)\" \(problem)")
        }
        if let problem = NameRule.problem(queue) {
            throw MartletError(.invalidRequest, "the queue \"\(queue)\" \(problem)")
        }
        if let problem = options.problem { throw MartletError(.invalidRequest, problem) }
        return JobTemplate(type: type, queue: queue, options: options)
    }
}

extension JobTemplate {
    /// - Throws: `.invalidRequest` if a name or an option is out of its bounds.
    init(checking type: String, queue: String, options: JobOptions) throws(MartletError) {
        self = try Client.template(type, queue: queue, options: options)
    }
}

/// The jobs of one call, cut into frames.
private struct SubmitParts {
    private(set) var entries: [SubmitEntry] = []
    private var left: Int

    init(count: Int) {
        self.left = count
    }

    mutating func append(_ template: JobTemplate, due: WallTime?, payload: Bytes) {
        if self.entries.last?.hasRoom(for: payload) != true {
            var entry = SubmitEntry()
            entry.reserve(self.left)
            self.entries.append(entry)
        }
        self.left -= 1
        self.entries[self.entries.count - 1].append(template, due: due, payload: payload)
    }
}
