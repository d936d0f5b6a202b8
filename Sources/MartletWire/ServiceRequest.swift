/// What people ask about services, and about what jobs wait for.
package enum ServiceRequest: Sendable {
    case set(SetService)
    case list(ListServices)
    case explainJob(ExplainJob)
    case explainQueue(ExplainQueue)

    /// Nil if the frame is of another kind.
    init?(from reader: inout FrameReader) throws(WireError) {
        switch reader.kind {
        case .setService: self = .set(try SetService(from: &reader))
        case .listServices: self = .list(try ListServices(from: &reader))
        case .explainJob: self = .explainJob(try ExplainJob(from: &reader))
        case .explainQueue: self = .explainQueue(try ExplainQueue(from: &reader))
        default: return nil
        }
    }
}
