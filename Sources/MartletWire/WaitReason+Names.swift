extension WaitReason {
    /// For programs.
    package var name: String {
        switch self {
        case .running: "running"
        case .over: "over"
        case .due: "due later"
        case .dependencies: "dependencies"
        case .unserved: "no node"
        case .queuePaused: "queue paused"
        case .typePaused: "type paused"
        case .queueCap: "queue cap"
        case .typeCap: "type cap"
        case .keyCap: "key cap"
        case .keyOrder: "key order"
        case .recovery: "recovery"
        case .loading: "loading"
        case .order: "order"
        case .slot: "slot"
        case .alone: "alone"
        case .prefetched: "fetched ahead"
        case .askedBack: "asked back"
        case .serviceUnknown: "service unknown"
        case .servicePaused: "service paused"
        case .serviceWeight: "service weight"
        case .serviceBreaker: "service breaker"
        case .serviceClosed: "service closed"
        case .serviceConcurrency: "service concurrency"
        case .serviceKeyConcurrency: "service key concurrency"
        case .serviceKeys: "service keys"
        case .serviceTokens: "service tokens"
        case .serviceKeyTokens: "service key tokens"
        }
    }

    /// As a metric's label.
    package var label: String { String(self.name.map { $0 == " " ? "_" : $0 }) }

    /// Nothing but a node or a free slot is missing.
    package var isRunnable: Bool {
        switch self {
        case .slot, .unserved, .loading: true
        default: false
        }
    }
}
