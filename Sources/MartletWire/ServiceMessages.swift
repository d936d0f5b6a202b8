package import MartletCore

/// Changes what an external service allows, or stops and starts its use.
package struct SetService: Message {
    package static let kind = FrameKind.setService

    package enum Action: Hashable, Sendable {
        case limits(ServiceLimits)
        /// Back to what `cluster.json` says, and not paused.
        case reset
        case pause
        case resume
    }

    package var name: String
    package var action: Action
    /// Who changes it, as they call themselves; at most ``byBytesMax`` bytes.
    package var by: String

    package static let byBytesMax = 128

    package init(name: String, action: Action, by: String) {
        self.name = name
        self.action = action
        self.by = by
    }
}

/// The change is durable and in force on all nodes.
package struct ServiceSet: Message {
    package static let kind = FrameKind.serviceSet

    package var isChanged: Bool
    /// What was changed, for people.
    package var what: String

    package init(isChanged: Bool, what: String) {
        self.isChanged = isChanged
        self.what = what
    }
}

/// Asks for all services, and for who changed them last.
package struct ListServices: Message {
    package static let kind = FrameKind.listServices

    package var changesMax: UInt32

    package init(changesMax: UInt32 = 0) {
        self.changesMax = changesMax
    }
}

/// One service as people see it.
package struct ServiceView: Hashable, Sendable {
    package var name: String
    package var limits: ServiceLimits
    /// Whether `cluster.json` has limits for it, and whether others are in force.
    package var isConfigured: Bool
    package var isChanged: Bool
    package var isPaused: Bool
    /// Whole tokens in the bucket that has least; nil if there is none.
    package var level: UInt64?
    /// The share of the rate that is in force, in thousandths.
    package var rateShare: UInt16
    /// Jobs with nodes that use it.
    package var held: UInt32
    /// Ready jobs that use it.
    package var waiting: UInt64
    /// Since the coordinator started: what it let through, the tokens that took, how often it held something up, and how
    /// often it was unavailable.
    package var grants: UInt64 = 0
    package var tokens: UInt64 = 0
    package var waits: UInt64 = 0
    package var rejections: UInt64 = 0
    /// What keeps the next job from it; nil while nothing does.
    package var closing: WaitReason?
    /// In how long it opens, if a time says so.
    package var opensIn: Duration?
    /// When the limits were changed last, and by whom.
    package var changedAt: WallTime?
    package var changedBy: String

    package init(
        name: String, limits: ServiceLimits, isConfigured: Bool = true, isChanged: Bool = false,
        isPaused: Bool = false, level: UInt64? = nil, rateShare: UInt16 = 1000, held: UInt32 = 0, waiting: UInt64 = 0,
        closing: WaitReason? = nil, opensIn: Duration? = nil, changedAt: WallTime? = nil, changedBy: String = ""
    ) {
        self.name = name
        self.limits = limits
        self.isConfigured = isConfigured
        self.isChanged = isChanged
        self.isPaused = isPaused
        self.level = level
        self.rateShare = rateShare
        self.held = held
        self.waiting = waiting
        self.closing = closing
        self.opensIn = opensIn
        self.changedAt = changedAt
        self.changedBy = changedBy
    }
}

package struct ServiceList: Message {
    package static let kind = FrameKind.serviceList

    /// By name.
    package var services: [ServiceView]
    /// The latest first.
    package var changes: [ServiceChange]

    package init(services: [ServiceView], changes: [ServiceChange]) {
        self.services = services
        self.changes = changes
    }
}
