/// Keeps a second job with the same key from being created, for as long as the first one counts.
public struct UniqueKey: Hashable, Sendable {
    /// Among which jobs the key is unique.
    public enum Scope: UInt8, Hashable, Sendable, CaseIterable {
        case queue = 1
        case type = 2
    }

    /// How long a job keeps its key. A job that ends as dead, cancelled or expired gives it up at once.
    public enum Window: Hashable, Sendable {
        /// Until it has ended.
        case whilePending
        /// Until it has ended, and for so long after it succeeded.
        case afterSuccess(Duration)
    }

    /// What becomes of a submit that finds its key taken.
    public enum Conflict: UInt8, Hashable, Sendable, CaseIterable {
        /// It gets the id of the job that has the key; nothing is created.
        case existing = 1
        /// It is refused, with all the jobs of the same submit.
        case refuse = 2
        /// It gets the id of the job that has the key, which takes over the new payload and due time (debounce). If a
        /// handler is at work on the old payload, the job runs once more with the new one. A job that has succeeded
        /// within its window is not changed.
        case replace = 3
    }

    /// 1 to 256 bytes.
    public var key: String
    public var scope: Scope
    public var window: Window
    public var conflict: Conflict

    public init(
        _ key: String, scope: Scope = .type, window: Window = .whilePending, conflict: Conflict = .existing
    ) {
        self.key = key
        self.scope = scope
        self.window = window
        self.conflict = conflict
    }

    package static let bytesMax = 256

    /// Why this cannot be a job's key, or nil if it can.
    package var problem: String? {
        guard (1...Self.bytesMax).contains(self.key.utf8.count) else {
            return "a unique key has 1 to \(Self.bytesMax) bytes, not \(self.key.utf8.count)"
        }
        if case .afterSuccess(let time) = self.window, time <= .zero { return "a unique key's window must be positive" }
        return nil
    }
}
