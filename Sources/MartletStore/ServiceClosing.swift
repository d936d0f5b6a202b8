package import MartletCore

/// That a service asked to be left alone for a while. It outlives restarts, so that whoever takes over does so too.
package struct ServiceClosing: Hashable, Sendable {
    package let name: String
    package let at: WallTime
    package let lastsFor: Duration

    package init(name: String, at: WallTime, lastsFor: Duration) {
        self.name = name
        self.at = at
        self.lastsFor = lastsFor
    }

    /// How much of it is left; nil if it is over. Never more than it was, wherever the wall clock goes.
    package func left(at now: WallTime) -> Duration? {
        let left = min(self.at + self.lastsFor - now, self.lastsFor)
        return left > .zero ? left : nil
    }

    /// Which of two of one service is to be kept: the one of which more is left.
    package func lasting(beside other: Self?, at now: WallTime) -> Self {
        guard let other, let left = other.left(at: now) else { return self }
        return left > self.left(at: now) ?? .zero ? other : self
    }
}
