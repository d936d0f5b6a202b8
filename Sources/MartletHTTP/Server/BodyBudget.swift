import Synchronization

/// Bounds the bytes of all bodies that are held at once.
final class BodyBudget: Sendable {
    private let bytesMax: Int
    private let used = Atomic<Int>(0)

    init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    /// False if there is no room.
    func take(_ count: Int) -> Bool {
        guard self.used.add(count, ordering: .relaxed).newValue <= self.bytesMax else {
            self.used.subtract(count, ordering: .relaxed)
            return false
        }
        return true
    }

    func giveBack(_ count: Int) { self.used.subtract(count, ordering: .relaxed) }
}
