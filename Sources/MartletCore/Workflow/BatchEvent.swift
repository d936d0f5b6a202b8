/// What happens to a batch that a job may wait for.
public enum BatchEvent: UInt8, Hashable, Sendable, CaseIterable {
    /// All of its jobs have ended, however they did.
    case end = 1
    /// All of its jobs have succeeded.
    case success = 2
    /// The first of its jobs is dead.
    case death = 3
}
