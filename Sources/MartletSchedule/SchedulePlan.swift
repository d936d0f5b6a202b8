package import MartletCore

/// What to do about a schedule now, and when to look again.
///
/// It follows from the last instant that was handled, and that only grows: whoever stores `handledThrough` together with
/// the runs fires every instant once. An instant at or before the last handled one is never in a plan, so a clock that is
/// put back makes the schedule wait, not repeat itself.
package struct SchedulePlan: Hashable, Sendable {
    package struct Fire: Hashable, Sendable {
        /// The instant, which names the run.
        package let instant: WallTime
        /// The instant and its jitter: when it was to be acted on.
        package let dueAt: WallTime

        package init(instant: WallTime, dueAt: WallTime) {
            self.instant = instant
            self.dueAt = dueAt
        }
    }

    /// What to fire now, oldest first. All are after the last handled instant.
    package let fires: [Fire]
    /// Instants that were missed and are left out. They are older than any of `fires`.
    package let skipped: Int
    /// More may have been left out than `skipped` says: counting stopped at ``countMax``.
    package let skippedIsAtLeast: Bool
    /// The last handled instant once the plan is carried out.
    package let handledThrough: WallTime
    /// When the next instant is due; nil if there is none.
    package let wakeAt: WallTime?

    package static let countMax = 10_000

    /// Makes the plan of a schedule.
    ///
    /// - Parameters:
    ///   - handled: the last instant that was handled; for a new schedule, the time of its creation.
    ///   - now: the wall time.
    package init(_ times: ScheduleTimes, handledThrough handled: WallTime, now: WallTime) {
        guard let lastDue = times.lastDue(after: handled, at: now) else {
            self.fires = []
            self.skipped = 0
            self.skippedIsAtLeast = false
            self.handledThrough = handled
            self.wakeAt = times.next(after: handled).map(times.dueAt)
            return
        }
        let wanted: Int
        switch times.rules.missed {
        case .skip: wanted = now - times.dueAt(lastDue) <= times.rules.lateMax ? 1 : 0
        case .latest: wanted = 1
        case .all(let max): wanted = max
        }
        var fires: [Fire] = []
        var latest = lastDue
        while fires.count < wanted, let instant = times.last(after: handled, through: latest) {
            fires.append(Fire(instant: instant, dueAt: times.dueAt(instant)))
            latest = instant - .microseconds(1)
        }
        self.fires = fires.reversed()
        self.skipped = times.count(after: handled, through: latest, max: Self.countMax)
        self.skippedIsAtLeast = self.skipped == Self.countMax
        self.handledThrough = lastDue
        self.wakeAt = times.next(after: lastDue).map(times.dueAt)
    }
}
