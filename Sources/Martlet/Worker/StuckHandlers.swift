/// What becomes of the slot of a handler that was told to stop and does not: its job was cancelled or timed out, and
/// nobody can end a Swift task by force.
public struct StuckHandlers: Hashable, Sendable {
    /// How long after its cancellation a handler counts as stuck.
    let after: Duration
    /// How many slots may be freed at once.
    let slotsMax: Int

    private init(after: Duration, slotsMax: Int) {
        self.after = after
        self.slotsMax = slotsMax
    }

    /// It keeps its slot until it ends.
    public static let keepSlot = StuckHandlers(after: .seconds(5), slotsMax: 0)

    /// As ``keepSlot``, with a time of its own after which a handler is reported.
    package static func keepSlot(after: Duration) -> StuckHandlers { StuckHandlers(after: after, slotsMax: 0) }

    /// Another job runs in its stead, while the stuck one still runs.
    ///
    /// - Parameters:
    ///   - after: how long it may take to stop.
    ///   - max: how many such handlers there may be at once; those beyond keep their slots.
    /// - Precondition: `after` is not negative and `max` is 1 to 4,096.
    public static func freeSlot(after: Duration = .seconds(5), max: Int = 16) -> StuckHandlers {
        precondition(after >= .zero && (1...4096).contains(max), "stuck handlers are bounded")
        return StuckHandlers(after: after, slotsMax: max)
    }
}
