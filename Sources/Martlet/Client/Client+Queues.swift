import MartletWire

/// What a queue holds of one job type, and what has passed through it.
public struct QueueStatus: Hashable, Sendable {
    public let queue: String
    public let type: String
    /// Jobs that wait to run.
    public let ready: Int
    public let running: Int
    /// Jobs that are due later.
    public let scheduled: Int
    public let dead: Int
    /// For how long the oldest ready job has waited: since it was submitted, or since the time that it was scheduled
    /// for; one that is tried again, since it was submitted. Nil if none waits.
    public let oldestReadyAge: Duration?
    /// What jobs take that stay though they are over: payloads, results, captured output, and 256 bytes each.
    public let keptBytes: Int
    /// Connected nodes that serve it.
    public let nodes: Int
    public let submittedTotal: Int
    public let succeededTotal: Int
}

extension Client {
    /// What each queue holds, by job type, in the order of their names.
    public func queues() async throws(MartletError) -> [QueueStatus] {
        let list: QueueList = try await self.ask(ListQueues())
        return list.queues.map(QueueStatus.init)
    }
}

extension QueueStatus {
    init(_ view: QueueView) {
        self.queue = view.queue
        self.type = view.type
        self.ready = Int(clamping: view.ready)
        self.running = Int(clamping: view.running)
        self.scheduled = Int(clamping: view.scheduled)
        self.dead = Int(clamping: view.dead)
        self.oldestReadyAge = view.oldestReadyAge
        self.keptBytes = Int(clamping: view.keptBytes)
        self.nodes = Int(clamping: view.nodeCount)
        self.submittedTotal = Int(clamping: view.submittedTotal)
        self.succeededTotal = Int(clamping: view.succeededTotal)
    }
}
