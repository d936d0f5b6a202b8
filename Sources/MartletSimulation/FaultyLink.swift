import MartletCore
import MartletTransport

/// The network between simulated hosts: slow, and at times lossy, cut or parted, as the seed has it.
final class FaultyLink: LinkBehaviour, @unchecked Sendable {
    private let world: SimulatedWorld
    private let witness: Witness
    /// Whether messages get lost and connections break by themselves.
    var isUnreliable = false
    /// Hosts that nobody reaches.
    var parted: Set<HostID> = []

    init(world: SimulatedWorld, witness: Witness) {
        self.world = world
        self.witness = witness
    }

    func fate(of message: LinkMessage) -> LinkFate {
        if self.parted.contains(message.from) || self.parted.contains(message.to) { return .drop }
        let delay = self.world.random.duration(.microseconds(50), .milliseconds(2))
        guard self.isUnreliable, message.kind != .end else { return .deliver(after: delay) }
        // The transport never repeats a submit by itself; clients do, after a time-out, and are told so.
        let chance = self.world.random.unit()
        switch chance {
        case ..<0.004:
            self.witness.count(.messageDropped)
            return .drop
        case ..<0.008:
            self.witness.count(.connectionCut)
            return .cut
        case ..<0.02:
            self.witness.count(.messageDelayed)
            return .deliver(after: self.world.random.duration(.milliseconds(5), .milliseconds(800)))
        case ..<0.03 where message.kind == .request && SimulatedCluster.isNode(message.from):
            self.witness.count(.requestDuplicated)
            return .deliverTwice(after: delay, and: delay + self.world.random.duration(.zero, .milliseconds(300)))
        default: return .deliver(after: delay)
        }
    }
}
