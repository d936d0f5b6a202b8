/// What becomes of instants that passed while nobody could act on them.
public enum MissedRunPolicy: Hashable, Sendable {
    /// They are left out.
    case skip
    /// The last one is made up for, the others are left out.
    case latest
    /// The last `max` are made up for, oldest first, those before them are left out.
    case all(max: Int)
}

/// What becomes of an instant whose predecessor's run has not ended.
public enum OverlapPolicy: Hashable, Sendable {
    /// It runs beside it.
    case allow
    /// It is left out.
    case skip
    /// It runs after it. One at most waits, further ones are left out.
    case queueOne

    /// What to do about an instant.
    package enum Answer: Hashable, Sendable { case start, wait, leaveOut }

    /// What to do about an instant while `unfinished` runs of the schedule have not ended, the waiting one included.
    package func answer(unfinished: Int) -> Answer {
        switch self {
        case .allow: .start
        case .skip: unfinished == 0 ? .start : .leaveOut
        case .queueOne: unfinished == 0 ? .start : unfinished == 1 ? .wait : .leaveOut
        }
    }
}

/// How a schedule keeps to its instants.
public struct ScheduleRules: Hashable, Sendable {
    public let missed: MissedRunPolicy
    /// How late an instant may be acted on without being missed.
    public let lateMax: Duration
    public let overlap: OverlapPolicy
    /// Each instant is put off by up to this much, always by the same amount, so that schedules of the same hour do not
    /// fall on one another.
    ///
    /// No instant is put off to the next one or past it, so their order stays.
    public let jitter: Duration
    /// No instant before this one.
    public let start: WallTime?
    /// No instant from this one on.
    public let end: WallTime?

    public static let jitterMax = Duration.seconds(86400)
    public static let missedRunsMax = 1000

    /// - Precondition: `.all(max:)` is 1 to 1,000, `jitter` is not negative and at most a day, `lateMax` is not
    ///   negative, `start < end`.
    public init(
        missed: MissedRunPolicy = .latest, lateMax: Duration = .seconds(60), overlap: OverlapPolicy = .allow,
        jitter: Duration = .zero, start: WallTime? = nil, end: WallTime? = nil
    ) {
        if let problem = Self.problem(missed: missed, lateMax: lateMax, jitter: jitter, start: start, end: end) {
            preconditionFailure(problem)
        }
        self.missed = missed
        self.lateMax = lateMax
        self.overlap = overlap
        self.jitter = jitter
        self.start = start
        self.end = end
    }

    /// Why these make no rules, or nil if they make some. For input from outside.
    package static func problem(
        missed: MissedRunPolicy, lateMax: Duration, jitter: Duration, start: WallTime?, end: WallTime?
    ) -> String? {
        if case .all(let max) = missed, !(1...Self.missedRunsMax).contains(max) {
            return "the missed runs to make up for must be 1 to \(Self.missedRunsMax)"
        }
        if lateMax < .zero { return "lateMax must not be negative" }
        if jitter < .zero || jitter > Self.jitterMax { return "jitter must be 0 to 24 hours" }
        if let start, let end, start >= end { return "start must be before end" }
        return nil
    }
}
