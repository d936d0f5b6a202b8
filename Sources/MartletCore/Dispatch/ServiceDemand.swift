/// What each job of a track takes of services.
final class ServiceDemand: Sendable {
    /// Of one service.
    struct Use: Hashable, Sendable {
        let service: Int
        let key: String?
        let weight: Int
    }

    /// The services that it needs, see ``ServicePool``.
    let pool: Int
    let uses: [Use]
    /// As users name them.
    let names: Boxed<[ServiceUse]>

    init(pool: Int, uses: [Use], names: Boxed<[ServiceUse]>) {
        self.pool = pool
        self.uses = uses
        self.names = names
    }
}

/// Services that the same jobs need, all of them at once. Jobs wait in the heap of their pool; nobody looks at it while
/// one of the services is closed.
struct ServicePool: Sendable {
    /// Ascending.
    let services: [Int]
    /// How many of them are closed.
    var closedCount = 0

    var isOpen: Bool { self.closedCount == 0 }
}

/// An external service as the dispatcher sees it.
struct Service: Sendable {
    let name: String
    /// Nil for one that jobs name and that is not configured: they wait until it is.
    var gate: ServiceGate?
    var pools: [Int] = []
    /// What keeps every job from it, as it was found when one had its turn; nil while it is open.
    var closing: Closing?
    /// Tracks that wait for a job with their key to end, by key.
    var keyWaits: [String: [Int]] = [:]
    /// Tracks that wait for some key to be forgotten, or for other limits.
    var otherWaits: [Int] = []

    struct Closing: Hashable, Sendable {
        /// Nil: the service is not configured.
        let blocker: ServiceBlocker?
        let since: Instant
    }

    /// Whether it limits how many jobs run at once.
    var countsJobs: Bool {
        self.gate.map { $0.limits.concurrency != nil || $0.limits.perKey?.concurrency != nil } ?? false
    }
}

extension DispatchCore {
    /// Jobs of a lane that use the same services.
    struct TrackName: Hashable, Sendable {
        let lane: Int
        let services: Boxed<[ServiceUse]>
    }
}
