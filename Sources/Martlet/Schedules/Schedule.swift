import MartletCore

/// A job that is submitted again and again by the cluster itself, once for each instant of a recurrence.
///
/// ```swift
/// try await client.schedules.put(
///     Schedule(
///         "nightly", cron: "0 3 * * *", zone: "Europe/Berlin", job: Cleanup(),
///         rules: ScheduleRules(missed: .latest, overlap: .skip)))
/// ```
///
/// Its jobs carry the schedule's name and their instant in their metadata, as `martlet.schedule` and
/// `martlet.instant`.
public struct Schedule: Hashable, Sendable {
    package var definition: ScheduleDefinition

    /// 1 to 128 of the characters `A-Z a-z 0-9 . _ - : /`.
    public var name: String { self.definition.name }

    /// The times of a clock on the wall.
    ///
    /// - Parameters:
    ///   - cron: five fields, or six with a second before them; see `docs/scheduling.md`. Checked by the coordinator.
    ///   - zone: an IANA time zone.
    ///   - queue: where its jobs wait; their type's queue unless given.
    ///   - options: how they are run; their type's options unless given.
    ///   - daylightSaving: what becomes of times that the clock skips or shows twice.
    ///   - rules: missed runs, overlap, jitter, beginning and end.
    /// - Throws: `.invalidRequest` if a name or an option is out of its bounds, or the job has no JSON form.
    public init<J: Job>(
        _ name: String, cron: String, zone: String = "UTC", job: J, queue: String? = nil, options: JobOptions? = nil,
        daylightSaving: DaylightSaving = .once, rules: ScheduleRules = ScheduleRules()
    ) throws(MartletError) {
        try self.init(
            ScheduleDefinition(
                name: name, recurrence: cron, zone: zone, daylightSaving: daylightSaving, rules: rules,
                template: JobTemplate(type: J.type, queue: queue ?? J.queue, options: options ?? J.options),
                payload: try PayloadCoding.encode(job)))
    }

    /// Whole intervals from `anchor` on, whatever clocks show.
    ///
    /// - Parameters:
    ///   - interval: one second to ten years.
    ///   - anchor: an instant that it fires at; 1970-01-01 00:00 UTC unless given.
    /// - Throws: as ``init(_:cron:zone:job:queue:options:daylightSaving:rules:)``.
    public init<J: Job>(
        _ name: String, every interval: Duration, anchor: WallTime = WallTime(microseconds: 0), job: J,
        queue: String? = nil, options: JobOptions? = nil, rules: ScheduleRules = ScheduleRules()
    ) throws(MartletError) {
        try self.init(
            ScheduleDefinition(
                name: name, recurrence: "@every \(Quantity.text(interval))", anchor: anchor, rules: rules,
                template: JobTemplate(type: J.type, queue: queue ?? J.queue, options: options ?? J.options),
                payload: try PayloadCoding.encode(job)))
    }

    /// A job of bytes. Its delay and time are not used: the schedule says when it runs.
    ///
    /// - Parameter recurrence: a cron expression, or an interval as `@every 90s`.
    /// - Throws: as ``init(_:cron:zone:job:queue:options:daylightSaving:rules:)``.
    public init(
        _ name: String, _ recurrence: String, zone: String = "UTC", raw job: RawJob,
        daylightSaving: DaylightSaving = .once, rules: ScheduleRules = ScheduleRules()
    ) throws(MartletError) {
        try self.init(
            ScheduleDefinition(
                name: name, recurrence: recurrence, zone: zone, daylightSaving: daylightSaving, rules: rules,
                template: JobTemplate(type: job.type, queue: job.queue, options: job.options),
                payload: job.payload.bytes))
    }

    private init(_ definition: ScheduleDefinition) throws(MartletError) {
        if let problem = definition.problem { throw MartletError(.invalidRequest, problem) }
        self.definition = definition
    }
}

/// A schedule as the cluster has it.
public struct ScheduleStatus: Hashable, Sendable {
    public let name: String
    /// A cron expression, or `@every` with an interval.
    public let recurrence: String
    public let zone: String
    public let type: String
    public let queue: String
    /// Defined in cluster.json: no client can change or delete it.
    public let isFromFile: Bool
    public let isPaused: Bool
    /// Every instant up to this one has been seen to.
    public let handledThrough: WallTime
    /// The next instant; nil if there is none, or while it is paused.
    public let next: WallTime?
    public let lastJob: JobID?
    /// An instant whose run waits for the end of ``lastJob``.
    public let queued: WallTime?
    /// Instants that had their run.
    public let firedTotal: UInt64
    /// Instants left out because the run before had not ended, or the schedule was paused.
    public let skippedTotal: UInt64
    /// Instants that passed while no coordinator ran, and were left out.
    public let missedTotal: UInt64
    /// Why it does not fire although nobody paused it; nil if it does.
    public let problem: String?
}

/// What a back-fill came to.
public struct ScheduleBackfill: Hashable, Sendable {
    /// The jobs that were made, in the order of their instants.
    public let runs: [ScheduleInstant]
    /// Instants that had a run before.
    public let existing: Int
    /// Instants too long ago to know whether they had a run: nothing was made for them.
    public let forgotten: Int
    /// Instants that the schedule itself is still to see to.
    public let pending: Int
}

/// An instant of a schedule and the job that is its run.
public struct ScheduleInstant: Hashable, Sendable {
    public let instant: WallTime
    public let job: JobID
}
