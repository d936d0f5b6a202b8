/// A job that may run at once, as recovery finds it.
package struct ReadyJob: Hashable, Sendable {
    package let id: JobID
    package let lane: LaneID
    package let share: LaneShare?

    package init(id: JobID, lane: LaneID, share: LaneShare? = nil) {
        self.id = id
        self.lane = lane
        self.share = share
    }
}

/// A job that is due later. Ordered by due time, then id.
package struct ScheduledJob: Hashable, Comparable, Sendable {
    package let due: WallTime
    package let id: JobID
    package let lane: LaneID
    package let share: LaneShare?

    package init(due: WallTime, id: JobID, lane: LaneID, share: LaneShare? = nil) {
        self.due = due
        self.id = id
        self.lane = lane
        self.share = share
    }
    package static func < (a: Self, b: Self) -> Bool { (a.due, a.id) < (b.due, b.id) }
}
