import MartletCore
package import MartletRuntime
import MartletWire
import Synchronization

/// Where handlers wait for tokens of services, and the session finds out what to ask for. One a worker.
///
/// A burst of calls costs one wake of the session, and one request for all that wait.
package final class ServiceDesk: Sendable {
    private typealias Continuation = UnsafeContinuation<Result<Void, any Error>, Never>

    private struct State {
        var budget = ServiceBudget()
        var lastTicket: UInt64 = 0
        var lastNumber: UInt64 = 0
        var waiting: [UInt64: Continuation] = [:]
        /// Cancelled before they waited.
        var cancelled: Set<UInt64> = []
    }

    private let state = Mutex(State())
    private let loop: EventLoop
    /// Something waits that no request asks for, see ``hasNews``.
    let news = Signal()

    package init(loop: EventLoop) {
        self.loop = loop
    }

    // MARK: Handlers

    /// Returns when `weight` tokens are there: they are spent then.
    ///
    /// - Throws: `CancellationError`; ``MartletError`` with `.overloaded` or `.refused`.
    func acquire(_ weight: Int, of account: ServiceBudget.Account) async throws {
        try Task.checkCancellation()
        let ticket = self.state.withLock { state in
            state.lastTicket += 1
            return state.lastTicket
        }
        let result: Result<Void, any Error> = await withTaskCancellationHandler {
            await withUnsafeContinuation { self.wait($0, for: weight, of: account, ticket) }
        } onCancel: {
            self.cancel(ticket)
        }
        self.state.withLock { _ = $0.cancelled.remove(ticket) }
        try result.get()
    }

    private func wait(
        _ continuation: Continuation, for weight: Int, of account: ServiceBudget.Account, _ ticket: UInt64
    ) {
        let now = self.loop.now
        let (result, hasNews) = self.state.withLock { state -> (Result<Void, any Error>?, Bool) in
            if state.cancelled.contains(ticket) { return (.failure(CancellationError()), false) }
            switch state.budget.acquire(weight, of: account, ticket: ticket, at: now) {
            case .granted: return (.success(()), false)
            case .full:
                let error = MartletError(
                    .overloaded, "\(ServiceBudget.waitersMax) calls wait for tokens of services already")
                return (.failure(error), false)
            case .waits:
                state.waiting[ticket] = continuation
                return (nil, state.budget.hasNews)
            }
        }
        if hasNews { self.news.notify() }
        if let result { continuation.resume(returning: result) }
    }

    private func cancel(_ ticket: UInt64) {
        let now = self.loop.now
        let (continuation, others, hasNews) = self.state.withLock { state in
            guard let continuation = state.waiting.removeValue(forKey: ticket) else {
                state.cancelled.insert(ticket)
                return (nil as Continuation?, [] as [Resumption], false)
            }
            let others = Self.resumptions(of: state.budget.cancel(ticket, at: now), in: &state)
            return (continuation, others, state.budget.hasNews)
        }
        if hasNews { self.news.notify() }
        continuation?.resume(returning: .failure(CancellationError()))
        Self.resume(others)
    }

    // MARK: Session

    /// Whether something waits that the request under way does not ask for.
    var hasNews: Bool { self.state.withLock { $0.budget.hasNews } }

    /// What to ask for now, in place of a request that is under way; nil for nothing. One that asks for nothing withdraws
    /// that request.
    func ask(under key: UInt64) -> Acquire? {
        let now = self.loop.now
        return self.state.withLock { state in
            guard let wants = state.budget.ask(number: state.lastNumber + 1, at: now) else { return nil }
            state.lastNumber += 1
            return Acquire(key: key, number: state.lastNumber, wants: wants)
        }
    }

    func received(_ reply: Acquired, askedAt: Instant) {
        let now = self.loop.now
        Self.resume(
            self.state.withLock { state in
                Self.resumptions(of: state.budget.received(reply, askedAt: askedAt, at: now), in: &state)
            })
    }

    /// The request under way got no answer.
    func forgetRequest() { self.state.withLock { $0.budget.forgetRequest() } }

    func refuseAll(_ problem: String) {
        Self.resume(
            self.state.withLock { state in Self.resumptions(of: state.budget.refuseAll(problem), in: &state) })
    }

    private typealias Resumption = (continuation: Continuation, result: Result<Void, any Error>)

    private static func resumptions(
        of verdicts: [ServiceBudget.Verdict], in state: inout State
    ) -> [Resumption] {
        verdicts.compactMap { verdict in
            guard let continuation = state.waiting.removeValue(forKey: verdict.ticket) else { return nil }
            let result: Result<Void, any Error> =
                verdict.problem.map { .failure(MartletError(.refused, $0)) } ?? .success(())
            return (continuation, result)
        }
    }

    private static func resume(_ resumptions: [Resumption]) {
        for resumption in resumptions { resumption.continuation.resume(returning: resumption.result) }
    }
}
