import MartletCore

/// What few jobs bring with them.
package final class DeliveredExtras: Sendable {
    /// Not started by then, it goes back.
    package let expiresAt: Instant?
    package let checkpoint: Bytes?
    package let parents: [ParentResult]
    /// Not started by then on the coordinator's clock, it goes back.
    package let startBy: Instant?

    package init(
        expiresAt: Instant? = nil, checkpoint: Bytes? = nil, parents: [ParentResult] = [], startBy: Instant? = nil
    ) {
        self.startBy = startBy
        self.expiresAt = expiresAt
        self.checkpoint = checkpoint
        self.parents = parents
    }
}
