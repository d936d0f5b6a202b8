package import MartletCore

/// A batch as a store keeps it. A batch within it counts as one of its members.
package struct BatchRow: Hashable, Sendable {
    package let id: BatchID
    package let name: String
    package let parent: BatchID?
    /// 1 for a batch that is in no other.
    package let depth: Int
    package let createdAt: WallTime
    package let keptFor: Duration
    /// Takes no more members.
    package var isClosed = false
    /// All members that ever were.
    package var total: UInt64 = 0
    package var pending: UInt64 = 0
    package var succeeded: UInt64 = 0
    package var dead: UInt64 = 0
    package var cancelled: UInt64 = 0
    package var expired: UInt64 = 0
    /// Some member died, and may have been revived.
    package var hasDeath = false
    package var finishedAt: WallTime?
    /// To be removed then.
    package var expires: WallTime?
    /// Jobs that wait for something to happen to it; nil once it has happened, or cannot happen any more.
    package var onEnd: JobID?
    package var onSuccess: JobID?
    package var onDeath: JobID?

    package init(id: BatchID, name: String, parent: BatchID?, depth: Int, createdAt: WallTime, keptFor: Duration) {
        self.id = id
        self.name = name
        self.parent = parent
        self.depth = depth
        self.createdAt = createdAt
        self.keptFor = keptFor
    }

    package var isOver: Bool { self.isClosed && self.pending == 0 }
    package var hasSucceeded: Bool { self.succeeded == self.total }
    /// Whether every member is somewhere.
    package var isBalanced: Bool {
        self.total == self.pending + self.succeeded + self.dead + self.cancelled + self.expired
    }

    /// As what it ended, as a member of another batch: the worst of what befell its own.
    var end: JobState {
        if self.dead > 0 { return .dead }
        if self.expired > 0 { return .expired }
        return self.cancelled > 0 ? .cancelled : .succeeded
    }

    /// Counts a member out of one state and into another; only states that it may end in differ from pending.
    mutating func move(from before: JobState?, to after: JobState) {
        if let before { self[keyPath: Self.count(of: before)] -= 1 }
        self[keyPath: Self.count(of: after)] += 1
    }

    private static func count(of state: JobState) -> WritableKeyPath<BatchRow, UInt64> {
        switch state {
        case .blocked, .scheduled, .ready, .running: \.pending
        case .succeeded: \.succeeded
        case .dead: \.dead
        case .cancelled: \.cancelled
        case .expired: \.expired
        }
    }

    package subscript(callback event: BatchEvent) -> JobID? {
        get {
            switch event {
            case .end: self.onEnd
            case .success: self.onSuccess
            case .death: self.onDeath
            }
        }
        set {
            switch event {
            case .end: self.onEnd = newValue
            case .success: self.onSuccess = newValue
            case .death: self.onDeath = newValue
            }
        }
    }
}
