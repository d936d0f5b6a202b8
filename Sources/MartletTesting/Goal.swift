/// What a call waits for: asked again whenever the cluster has come to rest.
struct Goal: Sendable {
    enum Step: Sendable {
        /// Something was done that may lead to more.
        case acted
        case waiting
        /// The call has its answer.
        case met
    }

    /// Whether virtual time may pass to reach it.
    let passesTime: Bool
    let step: @Sendable () -> Step
    let fail: @Sendable (any Error) -> Void
}

/// The waiting call of a ``Goal``.
struct Pursuit<Value: Sendable>: Sendable {
    private let continuation: CheckedContinuation<Value, any Error>

    init(_ continuation: CheckedContinuation<Value, any Error>) {
        self.continuation = continuation
    }

    func succeed(_ value: Value) { self.continuation.resume(returning: value) }

    func fail(_ error: any Error) { self.continuation.resume(throwing: error) }
}
