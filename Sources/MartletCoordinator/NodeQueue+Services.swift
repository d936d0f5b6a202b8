import MartletCore
import MartletRuntime
import MartletTransport
import MartletWire

/// Tokens of services, for calls that the node's jobs make while they run.
extension NodeQueue {
    func acquire(_ acquire: Acquire, request: any IncomingRequest) async {
        guard !self.core.hasEnded else { return request.refuse(.unknownNode, "this registration has ended") }
        self.core.heard(at: self.context.loop.now)
        if let earlier = self.acquisition {
            earlier.request.reply(
                Acquired(number: earlier.message.number, heldFor: .zero, validFor: .zero, chunks: []).encoded())
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
