package import MartletWire

/// Why jobs wait, in sentences.
package enum WaitSentence {
    /// What holds a job up, without a full stop.
    package static func text(_ reason: WaitReason, _ subject: String) -> String {
        switch reason {
        case .running: return subject.isEmpty ? "on its way to a worker" : "running on \(subject)"
        case .over: return "has ended"
        case .due: return "due later"
        case .dependencies: return "waits for other jobs to end"
        case .unserved: return "no connected worker serves type \(subject)"
        case .queuePaused: return "queue \(subject) is paused"
        case .typePaused: return "type \(subject) is paused"
        case .queueCap: return "queue \(subject) runs as many jobs as it may"
        case .typeCap: return "type \(subject) runs as many jobs as it may"
        case .keyCap: return "key \(subject) runs as many jobs as it may"
        case .keyOrder: return "an earlier job of key \(subject) has not ended"
        case .recovery: return "the coordinator has just started and waits for its workers"
        case .loading: return "its payload is being read"
        case .order: return "other jobs come first"
        case .slot: return "waits for a free slot"
        case .alone: return "took workers down with it, and waits for one of its own"
        case .prefetched: return "fetched ahead by \(subject), not started yet"
        case .askedBack: return "not started by \(subject), and asked back for a worker that is idle"
        case .serviceUnknown: return "service \(subject) is not configured"
        case .servicePaused: return "service \(subject) is paused"
        case .serviceWeight: return "takes more of service \(subject) than its burst: it will never run"
        case .serviceBreaker: return "service \(subject) was unavailable too often and is left alone"
        case .serviceClosed: return "service \(subject) asked to be left alone"
        case .serviceConcurrency: return "service \(subject) is used by as many jobs as it may"
        case .serviceKeyConcurrency: return "\(subject) is used by as many jobs as it may"
        case .serviceKeys: return "service \(subject) has more keys in use than are remembered"
        case .serviceTokens: return "the tokens of service \(subject) are used up"
        case .serviceKeyTokens: return "the tokens of \(subject) are used up"
        }
    }
}
