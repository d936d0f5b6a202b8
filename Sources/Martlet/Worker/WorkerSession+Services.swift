import MartletCore
import MartletRuntime
import MartletWire

extension WorkerSession {
    /// Asks for tokens of services while handlers wait for some: one request for all of them, parked at the coordinator
    /// until there are some, and sent anew when a handler wants tokens that it does not ask for.
    func acquireLoop(_ generation: UInt64) async -> End {
        var failures = 0
        defer { self.services.forgetRequest() }
        while !Task.isCancelled {
            let (key, timeout, isServed) = self.board.look { ($0.key, $0.parkTimeout, $0.features.contains(.services)) }
            if !isServed { self.services.refuseAll("the coordinator is of a version that knows no services") }
            let askedAt = self.loop.now
            guard isServed, let ask = self.services.ask(under: key) else {
                await self.services.news.wait()
                continue
            }
            switch await self.answer(to: ask, timeout: timeout) {
            case .message(let reply):
                // A superseded request is answered with nothing. Two processes of one name would go on so for ever.
                failures = reply.chunks.isEmpty && ask.wants.count > 0 ? failures + 1 : 0
                self.services.received(reply, askedAt: askedAt)
            case .refused(let refusal):
                if self.isRegistrationLost(refusal, generation) { return .registrationLost }
                failures += 2
            case .failure: failures += 2
            case .silence: failures = 0
            case nil: continue
            }
            self.services.forgetRequest()
            if failures > 1 { await self.pause(afterFailures: failures - 1) }
        }
        return .interrupted
    }

    /// Nil if something else is to be asked for meanwhile.
    private func answer(to ask: Acquire, timeout: Duration) async -> Answer<Acquired>? {
        await withTaskGroup(of: Answer<Acquired>?.self) { group in
            group.addTask { await self.request(ask.encoded(), timeout: timeout) }
            group.addTask {
                repeat { await self.services.news.wait() } while !self.services.hasNews && !Task.isCancelled
                return nil
            }
            let answer = await group.next() ?? nil
            group.cancelAll()
            return answer
        }
    }
}
