/// How long jobs that are over stay visible, by how they ended. Nil is for ever, zero not at all.
package struct Retention: Hashable, Sendable {
    package let succeeded: Duration?
    package let dead: Duration?
    package let cancelled: Duration?
    package let expired: Duration?

    package static let standard = Retention()

    package init(
        succeeded: Duration? = .zero, dead: Duration? = nil, cancelled: Duration? = .seconds(86400),
        expired: Duration? = .seconds(86400)
    ) {
        self.succeeded = succeeded
        self.dead = dead
        self.cancelled = cancelled
        self.expired = expired
    }

    package func keptFor(_ state: JobState) -> Duration? {
        switch state {
        case .succeeded: self.succeeded
        case .dead: self.dead
        case .cancelled: self.cancelled
        case .expired: self.expired
        case .blocked, .scheduled, .ready, .running: preconditionFailure("a pending job is not over")
        }
    }
}
