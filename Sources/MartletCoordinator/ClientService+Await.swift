import MartletCore
import MartletRuntime
import MartletStore
import MartletTransport
import MartletWire

extension ClientService {
    /// Answers how a job has ended, or parks the request until it has.
    func wait(_ question: AwaitJob, _ request: any IncomingRequest) async throws {
        // Parked first: the job may end while it is looked for.
        guard let number = self.watch.park(request, for: question.id) else {
            return request.refuse(.overloaded, "\(EndWatch.waitersMax) requests wait for jobs; retry after a delay")
        }
        do {
            try await self.answer(question, number)
        } catch {
            // Whoever calls this says why.
            _ = self.watch.unpark(number, for: question.id)
            throw error
        }
    }

    private func answer(_ question: AwaitJob, _ number: UInt64) async throws {
        guard let (record, _) = try await self.store.job(question.id) else {
            self.watch.unpark(number, for: question.id)?
                .answer(Self.missing(question.id))
            return
        }
        if record.state.isTerminal {
            let result = try await self.store.result(of: question.id)
            self.watch.unpark(number, for: question.id)?
                .answer(JobEnded(id: question.id, state: record.state, result: result, failure: record.lastFailure))
            return
        }
        let watch = self.watch
        let state = record.state
        let timer = self.loop.schedule(at: self.loop.now + question.timeout) {
            watch.unpark(number, for: question.id)?.answer(JobEnded(id: question.id, state: state))
        }
        watch.arm(number, for: question.id) { [loop = self.loop] in loop.cancel(timer) }
    }
}
