import MartletCore
import MartletStore
import MartletTransport
import MartletWire
import Synchronization

/// Who waits for which job to end. What is not awaited costs a look at a count.
package final class EndWatch: Sendable {
    private struct Waiter {
        let request: any IncomingRequest
        /// Lets go of the timer that ends its time.
        var disarm: (@Sendable () -> Void)?
    }

    private struct State {
        var waiting: [JobID: [UInt64: Waiter]] = [:]
        var count = 0
        var last: UInt64 = 0
    }

    /// Requests that wait at once; over it askers are told to retry.
    package static let waitersMax = 256

    private let state = Mutex(State())

    package init() {}

    package var isEmpty: Bool { self.state.withLock { $0.count == 0 } }

    /// Parks a request until the job has ended. Nil if too many wait.
    func park(_ request: any IncomingRequest, for id: JobID) -> UInt64? {
        self.state.withLock { state in
            guard state.count < Self.waitersMax else { return nil }
            state.last += 1
            state.count += 1
            state.waiting[id, default: [:]][state.last] = Waiter(request: request)
            return state.last
        }
    }

    /// A parked request has a timer, which is let go of when the request is answered. At once if it was.
    func arm(_ number: UInt64, for id: JobID, _ disarm: @escaping @Sendable () -> Void) {
        let isParked = self.state.withLock { state in
            guard state.waiting[id]?[number] != nil else { return false }
            state.waiting[id]![number]!.disarm = disarm
            return true
        }
        if !isParked { disarm() }
    }

    /// Takes a parked request back; nil if it was answered.
    func unpark(_ number: UInt64, for id: JobID) -> (any IncomingRequest)? {
        let waiter = self.state.withLock { state in
            guard let waiter = state.waiting[id]?.removeValue(forKey: number) else { return nil as Waiter? }
            state.count -= 1
            if state.waiting[id]?.isEmpty == true { state.waiting[id] = nil }
            return waiter
        }
        waiter?.disarm?()
        return waiter?.request
    }

    /// Answers those whose jobs a durable group has ended.
    func look(at changes: [Change], _ outcomes: [ChangeOutcome], _ consequences: Consequences) {
        guard !self.isEmpty else { return }
        let again = Set(consequences.waiting.map(\.id))
        for (change, outcome) in zip(changes, outcomes) {
            guard case .applied(let ids) = outcome else { continue }
            let missing = Set(ids)
            switch change {
            case .succeed(let jobs):
                for job in jobs where !missing.contains(job.id) && !again.contains(job.id) {
                    self.end(JobEnded(id: job.id, state: .succeeded, result: job.details?.result))
                }
            case .update(let updates): self.look(at: updates, missing)
            case .bulk(let step):
                if case .update(let updates) = step.work { self.look(at: updates, missing) }
            default: break
            }
        }
        for id in consequences.ended { self.end(JobEnded(id: id, state: .cancelled)) }
    }

    private func look(at updates: [JobUpdate], _ missing: Set<JobID>) {
        for update in updates where update.state.isTerminal && !missing.contains(update.id) {
            self.end(JobEnded(id: update.id, state: update.state, failure: update.failure))
        }
    }

    private func end(_ ended: JobEnded) {
        let waiters = self.state.withLock { state in
            let waiters = state.waiting.removeValue(forKey: ended.id) ?? [:]
            state.count -= waiters.count
            return waiters
        }
        for number in waiters.keys.sorted() {
            waiters[number]!.disarm?()
            waiters[number]!.request.answer(ended)
        }
    }
}
