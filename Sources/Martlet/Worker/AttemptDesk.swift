package import MartletCore
import MartletWire
import Synchronization

/// What a handler leaves during its attempt: a result, follow-ups, how far it has got, checkpoints.
///
/// One a slot, used again for each job, so that jobs which leave nothing cost no allocation. A context that outlives
/// its attempt names an earlier use and is turned away.
package final class AttemptDesk: Sendable {
    /// Keeps a checkpoint of a job, for the attempt of this number; false if that cannot be.
    typealias Checkpointer = @Sendable (JobID, UInt64, Bytes) -> Bool

    private struct State {
        /// Numbers attempts, and the times between them.
        var use: UInt64
        var job = JobID(rawValue: 0)
        var result: Bytes?
        var followUps: [Completion.FollowUp] = []
        var bytes = 0
        var progress: Report.Progress?
        var waiter: UnsafeContinuation<Result<Bool, MartletError>, Never>?
    }

    private let state: Mutex<State>
    private let checkpointer: Checkpointer
    /// Raised when there is new progress on some desk of the worker.
    private let hasNews: NewsFlag

    /// - Parameter firstUse: over the uses of all desks before it, where checkpoints are told apart by use.
    init(hasNews: NewsFlag, firstUse: UInt64 = 0, checkpointer: @escaping Checkpointer) {
        self.state = Mutex(State(use: firstUse))
        self.hasNews = hasNews
        self.checkpointer = checkpointer
    }

    /// Begins an attempt. Returns the number by which its context is known.
    package func begin(_ id: JobID) -> UInt64 {
        self.state.withLock { state in
            state.use += 1
            state.job = id
            return state.use
        }
    }

    /// The attempt has ended. Returns what is left if it succeeded; nil for nothing.
    package func end() -> Completion? {
        let (completion, waiter) = self.state.withLock { state in
            state.use += 1
            state.progress = nil
            // Whoever waits for a checkpoint beyond the end of the handler waits in vain.
            let waiter = state.waiter.take()
            guard state.result != nil || !state.followUps.isEmpty else { return (nil as Completion?, waiter) }
            let completion = Completion(result: state.result, followUps: state.followUps)
            state.result = nil
            state.followUps = []
            state.bytes = 0
            return (completion, waiter)
        }
        waiter?.resume(returning: .success(false))
        return completion
    }

    /// - Parameter replaces: false: only if there is none yet.
    func set(_ result: Bytes, replaces: Bool = true, use: UInt64) throws(MartletError) {
        try self.during(use) { state throws(MartletError) in
            guard replaces || state.result == nil else { return }
            let bytes = state.bytes - (state.result?.count ?? 0) + result.count
            guard bytes <= Completion.bytesMax else { throw Self.tooMuch }
            state.bytes = bytes
            state.result = result
        }
    }

    func add(_ followUp: Completion.FollowUp, use: UInt64) throws(MartletError) {
        try self.during(use) { state throws(MartletError) in
            guard state.followUps.count < Completion.followUpsMax else {
                throw MartletError(.invalidRequest, "an attempt has at most \(Completion.followUpsMax) follow-ups")
            }
            let bytes = state.bytes + followUp.payload.count + 64
            guard bytes <= Completion.bytesMax else { throw Self.tooMuch }
            state.bytes = bytes
            state.followUps.append(followUp)
        }
    }

    /// Takes note of how far the handler has got; a late call does nothing.
    func note(_ fraction: Double, _ message: String, use: UInt64) {
        let isNoted = self.state.withLock { state in
            guard state.use == use else { return false }
            let fraction = fraction.isFinite ? min(max(fraction, 0), 1) : 0
            let message = JobFailure(kind: message, message: "").kind
            state.progress = Report.Progress(id: state.job, fraction: fraction, message: message)
            return true
        }
        if isNoted { self.hasNews.raise() }
    }

    /// - Throws: `.closed` if the attempt of this number is over.
    func check(_ use: UInt64) throws(MartletError) { try self.during(use) { _ throws(MartletError) in } }

    /// What is new of it.
    func takeProgress() -> Report.Progress? { self.state.withLock { $0.progress.take() } }

    /// Waits until a checkpoint is durable.
    ///
    /// - Returns: false if it never will be.
    func checkpoint(_ value: Bytes, use: UInt64) async throws(MartletError) -> Bool {
        let result: Result<Bool, MartletError> = await withUnsafeContinuation { continuation in
            let begun: Result<JobID, MartletError> = self.attempt(use) { state throws(MartletError) in
                guard state.waiter == nil else {
                    throw MartletError(.invalidRequest, "an attempt saves one checkpoint at a time")
                }
                state.waiter = continuation
                return state.job
            }
            switch begun {
            case .success(let id):
                if !self.checkpointer(id, use, value) { self.checkpointJudged(use, isSaved: false) }
            case .failure(let error): continuation.resume(returning: .failure(error))
            }
        }
        return try result.get()
    }

    /// What became of the checkpoint that the attempt of this number waits for.
    func checkpointJudged(_ use: UInt64, isSaved: Bool) {
        self.state.withLock { state in
            state.use == use ? state.waiter.take() : nil
        }?.resume(returning: .success(isSaved))
    }

    private func during<Value: Sendable>(
        _ use: UInt64, _ body: (inout State) throws(MartletError) -> Value
    ) throws(MartletError) -> Value {
        try self.attempt(use, body).get()
    }

    /// Does `body` if the attempt of this number is not over.
    private func attempt<Value: Sendable>(
        _ use: UInt64, _ body: (inout State) throws(MartletError) -> Value
    ) -> Result<Value, MartletError> {
        self.state.withLock { state in
            guard state.use == use else {
                return .failure(MartletError(.closed, "the attempt that this context belongs to is over"))
            }
            do throws(MartletError) { return .success(try body(&state)) } catch { return .failure(error) }
        }
    }

    private static let tooMuch = MartletError(
        .payloadTooLarge, "a result and follow-ups have at most \(Completion.bytesMax) bytes together")
}

/// Raised by many, lowered by one who looks.
final class NewsFlag: Sendable {
    private let isRaised = Atomic(false)

    func raise() { self.isRaised.store(true, ordering: .relaxed) }
    func lower() -> Bool { self.isRaised.exchange(false, ordering: .relaxed) }
}
