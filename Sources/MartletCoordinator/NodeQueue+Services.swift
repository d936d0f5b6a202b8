import MartletCore
import MartletObservability
import MartletRuntime
import MartletStore
import MartletTransport
import MartletWire

/// Services that turn the node's jobs away, and tokens for calls that these make while they run.
extension NodeQueue {
    /// Closes services that turned handlers away. Returns what is to be stored of it.
    func leaveAlone(_ unavailable: [Settled.Unavailable]) async -> [ServiceClosing] {
        var closings: [ServiceClosing] = []
        for refusal in unavailable {
            let closing = await self.context.dispatcher.serviceUnavailable(
                refusal.service, retryAfter: refusal.retryAfter, for: refusal.job)
            if let closing { closings.append(closing) }
            self.context.log(
                .warning, "a service is unavailable and left alone",
                [
                    .name: refusal.service, .node: self.registration.name,
                    .seconds: refusal.retryAfter.map { "\($0 / .seconds(1))" } ?? "-",
                ])
        }
        return closings
    }

    /// One that wants nothing withdraws the request that is parked.
    func acquire(_ acquire: Acquire, request: any IncomingRequest) async {
        guard !self.core.hasEnded else { return request.refuse(.unknownNode, "this registration has ended") }
        self.core.heard(at: self.context.loop.now)
        if let earlier = self.acquisition {
            earlier.request.reply(
                Acquired(number: earlier.message.number, heldFor: .zero, validFor: .zero, chunks: []).encoded())
        }
        guard acquire.wants.count > 0 else {
            self.acquisition = nil
            return request.reply(
                Acquired(number: acquire.number, heldFor: .zero, validFor: .zero, chunks: []).encoded())
        }
        self.acquisition = (acquire, request, self.context.loop.now)
        await self.serveAcquisition()
    }

    /// Answers the parked request, if there is anything for it; else the dispatcher calls again when there may be.
    func serveAcquisition() async {
        guard let wanted = self.acquisition else { return }
        let chunks = await self.context.dispatcher.takeChunks(wanted.message.wants, for: self.key)
        // What was taken for a request that another one has replaced meanwhile stays spent.
        guard !chunks.isEmpty, let parked = self.acquisition, parked.message.number == wanted.message.number else {
            return
        }
        self.acquisition = nil
        // Not later than the grant: the node counts from when it asked.
        let heldFor = self.context.loop.now - wanted.since
        parked.request.reply(
            Acquired(
                number: parked.message.number, heldFor: heldFor, validFor: DispatchCore.startDelayMax, chunks: chunks
            ).encoded())
    }
}
