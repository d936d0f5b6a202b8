import MartletCore
import MartletStore
import MartletTransport
import MartletWire
import Synchronization

/// Who waits for which job to end. What is not awaited costs a look at a count.
package final class EndWatch: Sendable {
    private struct State {
        var waiting: [JobID: [UInt64: any IncomingRequest]] = [:]
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
            state.waiting[id, default: [:]][state.last] = request
            return state.last
        }
    }

    /// Takes a parked request back; nil if it was answered.
    func unpark(_ number: UInt64, for id: JobID) -> (any IncomingRequest)? {
        self.state.withLock { state in
            guard let request = state.waiting[id]?.removeValue(forKey: number) else { return nil }
            state.count -= 1
            if state.waiting[id]?.isEmpty == true { state.waiting[id] = nil }
            return request
        }
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
        let requests = self.state.withLock { state in
            let requests = state.waiting.removeValue(forKey: ended.id) ?? [:]
            state.count -= requests.count
            return requests
        }
        for number in requests.keys.sorted() { requests[number]!.answer(ended) }
    }
}
