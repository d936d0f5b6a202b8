public import MartletCore
import MartletRuntime
import MartletWire

extension Client {
    /// Opens a batch and returns once it is durable. It costs the coordinator nothing while it is open.
    ///
    /// - Parameters:
    ///   - name: for people, 1 to 128 bytes.
    ///   - parent: counts the new batch as one of its members.
    ///   - onEnd: submitted with the batch; runs once all of its jobs have ended, however they did.
    ///   - onSuccess: runs once all of them have succeeded; is cancelled if the batch ends otherwise.
    ///   - onDeath: runs at the first death of one of them; is cancelled if the batch ends without.
    /// - Throws: ``MartletError``: `.batchClosed` if `parent` is not there or is closed. After
    ///   ``MartletError/Code/outcomeUnknown`` the batch may exist, empty.
    public nonisolated func openBatch(
        _ name: String, within parent: Batch? = nil, onEnd: (any Job)? = nil, onSuccess: (any Job)? = nil,
        onDeath: (any Job)? = nil
    ) async throws(MartletError) -> Batch {
        var entry = SubmitEntry()
        var events: [BatchEvent] = []
        for (event, job) in [(BatchEvent.end, onEnd), (.success, onSuccess), (.death, onDeath)] {
            guard let job else { continue }
            try entry.append(job)
            events.append(event)
        }
        return try await self.open(name, within: parent, entry, events)
    }

    /// As ``openBatch(_:within:onEnd:onSuccess:onDeath:)``, with callbacks of bytes.
    public nonisolated func openBatch(
        _ name: String, within parent: Batch? = nil, raw callbacks: [BatchEvent: RawJob]
    ) async throws(MartletError) -> Batch {
        var entry = SubmitEntry()
        var events: [BatchEvent] = []
        for event in BatchEvent.allCases {
            guard let job = callbacks[event] else { continue }
            let template = try JobTemplate(checking: job.type, queue: job.queue, options: job.options)
            entry.append(template, due: self.due(of: job), payload: job.payload.bytes)
            events.append(event)
        }
        return try await self.open(name, within: parent, entry, events)
    }

    private nonisolated func open(
        _ name: String, within parent: Batch?, _ callbacks: SubmitEntry, _ events: [BatchEvent]
    ) async throws(MartletError) -> Batch {
        if let problem = TitleRule.problem(name) {
            throw MartletError(.invalidRequest, "the batch's name \(problem)")
        }
        var entry = callbacks
        entry.group = .batch(name: name, parent: parent?.id, events: events)
        guard self.configuration.middleware.isEmpty || events.isEmpty else {
            // The callbacks have the ids behind the batch's.
            let first = try await self.submitThroughMiddleware([entry])[0]
            return Batch(id: BatchID(rawValue: first.rawValue - 1), client: self)
        }
        return Batch(id: BatchID(rawValue: try await self.submit(entry).ids[0].rawValue), client: self)
    }

    /// A batch by its number. Whether it is there shows in its status.
    public nonisolated func batch(_ id: BatchID) -> Batch { Batch(id: id, client: self) }

    /// The batches that are there, the latest first.
    ///
    /// - Parameters:
    ///   - before: only those that came before this one.
    ///   - limit: 1 to 1,000.
    public func batches(before: BatchID? = nil, limit: Int = 100) async throws(MartletError) -> [BatchStatus] {
        let question = ListBatches(before: before, limit: UInt32(min(max(limit, 1), 1000)))
        let list: BatchList = try await self.ask(question)
        return list.batches.map { BatchStatus($0) }
    }

    func close(_ id: BatchID) async throws(MartletError) -> BatchStatus {
        let detail: BatchDetail = try await self.ask(CloseBatch(id: id))
        return BatchStatus(detail.batch)
    }

    func status(of id: BatchID) async throws(MartletError) -> BatchStatus? {
        switch try await self.reply(to: ShowBatch(id: id), as: BatchDetail.self) {
        case .message(let detail): return BatchStatus(detail.batch)
        case .refused(let refusal) where refusal.code == .notFound: return nil
        case .refused(let refusal): throw MartletError(refusal)
        }
    }
}

extension SubmitEntry {
    fileprivate mutating func append(_ job: some Job) throws(MartletError) {
        let type = Swift.type(of: job)
        let template = try JobTemplate(checking: type.type, queue: type.queue, options: type.options)
        self.append(template, due: nil, payload: try PayloadCoding.encode(job))
    }
}

extension BatchStatus {
    init(_ view: BatchView) {
        self.init(
            id: view.id, name: view.name, parent: view.parent, createdAt: view.createdAt, finishedAt: view.finishedAt,
            isClosed: view.isClosed, total: Int(view.total), pending: Int(view.pending),
            succeeded: Int(view.succeeded), dead: Int(view.dead), cancelled: Int(view.cancelled),
            expired: Int(view.expired))
    }
}
