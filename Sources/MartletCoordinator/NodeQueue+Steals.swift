package import MartletCore
import MartletWire

extension NodeQueue {
    /// Others could run what the node has not started.
    package func askBack(_ ask: AskBack) async {
        var actions: [NodeQueueCore.Action] = []
        self.core.askBack(ask, into: &actions)
        await self.perform(actions)
        await self.tellDispatcher()
    }

    /// What the node is told of an ask.
    func wish(_ ask: NodeQueueCore.LiveAsk) -> Order.Ask {
        Order.Ask(
            number: ask.number, until: ask.until,
            wanted: ask.sequences.map { LeaseToken(epoch: self.core.epoch, sequence: $0) })
    }

    /// What a job does there that the node holds, as far as the node has said.
    package func place(of id: JobID) -> HeldPlace {
        if self.core.isAskedFor(id) { return .askedBack }
        return self.core.isUnstarted(id) ? .waiting : .running
    }
}

/// What a job does that a node has.
package enum HeldPlace: Hashable, Sendable {
    case running
    /// Fetched ahead, not started.
    case waiting
    /// Not started, and asked back for others that are idle.
    case askedBack
}
