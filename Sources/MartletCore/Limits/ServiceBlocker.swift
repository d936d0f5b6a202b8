/// What holds the next job that uses a service.
package struct ServiceBlocker: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// Somebody paused the service.
        case paused
        /// The job weighs more than a burst that was lowered since: it never starts.
        case weight
        /// The service was unavailable too often; a probe is due or under way.
        case breaker
        /// The service is unavailable for the time that it asked for.
        case closed
        /// As many jobs as may are using it.
        case concurrency
        /// As many jobs of the key as may are using it.
        case keyConcurrency
        /// More keys are in use than are remembered at once.
        case keys
        /// Its tokens are used up.
        case tokens
        /// The key's tokens are used up.
        case keyTokens
    }

    package let kind: Kind
    /// When the job could start if it were the only one; nil if no time says so: something has to happen.
    package let until: Instant?

    package init(_ kind: Kind, until: Instant? = nil) {
        self.kind = kind
        self.until = until
    }
}
