package import MartletCore

/// What people have set for an external service while the cluster was running. It outlives restarts, and comes before what
/// `cluster.json` says of the service.
package struct ServiceRecord: Hashable, Sendable {
    package let name: String
    /// Nil: those of `cluster.json`.
    package let limits: ServiceLimits?
    package let isPaused: Bool
    package let changedAt: WallTime
    /// Who changed it last, as they call themselves.
    package let changedBy: String

    package init(name: String, limits: ServiceLimits?, isPaused: Bool, changedAt: WallTime, changedBy: String) {
        self.name = name
        self.limits = limits
        self.isPaused = isPaused
        self.changedAt = changedAt
        self.changedBy = changedBy
    }

    /// It says nothing that `cluster.json` does not: nothing is to be kept of it.
    package var isUsual: Bool { self.limits == nil && !self.isPaused }

    /// Services of which something may be set at once.
    package static let servicesMax = 1000
}
