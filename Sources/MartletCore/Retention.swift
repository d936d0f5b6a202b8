/// How long jobs that are over stay visible, by how they ended: nil is for ever, zero not at all. And how many bytes.
package struct Retention: Hashable, Sendable {
    package let succeeded: Duration?
    package let dead: Duration?
    package let cancelled: Duration?
    package let expired: Duration?
    /// What a queue keeps of such jobs together, in bytes; nil without bound.
    package let bytesMax: Int?

    package static let standard = Retention()

    package init(
        succeeded: Duration? = .zero, dead: Duration? = nil, cancelled: Duration? = .seconds(86400),
        expired: Duration? = .seconds(86400), bytesMax: Int? = nil
    ) {
        self.succeeded = succeeded
        self.dead = dead
        self.cancelled = cancelled
        self.expired = expired
        self.bytesMax = bytesMax
    }
}
