package import MartletCore

/// A unique key within its scope.
package struct UniqueName: Hashable, Sendable {
    package let scope: UniqueKey.Scope
    /// The queue, or the type.
    package let within: String
    package let key: String

    package init(scope: UniqueKey.Scope, within: String, key: String) {
        self.scope = scope
        self.within = within
        self.key = key
    }

    package init(_ unique: UniqueKey, of lane: LaneKey) {
        self.init(scope: unique.scope, within: unique.scope == .queue ? lane.queue : lane.type, key: unique.key)
    }
}

/// Who has a unique key.
package struct UniqueHold: Hashable, Sendable {
    package let job: JobID
    /// Nil while the job is pending; then the end of the window after its success.
    package var until: WallTime?

    package init(job: JobID, until: WallTime? = nil) {
        self.job = job
        self.until = until
    }

    /// Whether the key is free again.
    package func isOver(at now: WallTime) -> Bool { self.until.map { $0 <= now } ?? false }
}
