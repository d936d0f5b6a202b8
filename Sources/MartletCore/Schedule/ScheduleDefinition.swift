/// A schedule as somebody defines it: when it fires, and what.
package struct ScheduleDefinition: Hashable, Sendable {
    package var name: String
    /// A cron expression, or an interval as `@every 90s`.
    package var recurrence: String
    /// Of a cron expression.
    package var zone: String
    package var daylightSaving: DaylightSaving
    /// Of an interval: an instant that it fires at.
    package var anchor: WallTime
    package var rules: ScheduleRules
    package var template: JobTemplate
    package var payload: Bytes

    package static let payloadMax = 64 * 1024
    /// The names that its jobs' metadata have beside their own.
    package static let nameKey = "martlet.schedule"
    package static let instantKey = "martlet.instant"

    package init(
        name: String, recurrence: String, zone: String = "UTC", daylightSaving: DaylightSaving = .once,
        anchor: WallTime = WallTime(microseconds: 0), rules: ScheduleRules = ScheduleRules(), template: JobTemplate,
        payload: Bytes = .empty
    ) {
        self.name = name
        self.recurrence = recurrence
        self.zone = zone
        self.daylightSaving = daylightSaving
        self.anchor = anchor
        self.rules = rules
        self.template = template
        self.payload = payload
    }

    /// Whether another one has the same instants.
    package func hasTimes(of other: ScheduleDefinition) -> Bool {
        self.recurrence == other.recurrence && self.zone == other.zone && self.anchor == other.anchor
            && self.daylightSaving == other.daylightSaving && self.rules.start == other.rules.start
            && self.rules.end == other.rules.end
    }

    /// The options of the run of an instant.
    package func options(instant: String) -> JobOptions {
        var options = self.template.options
        options.metadata[Self.nameKey] = self.name
        options.metadata[Self.instantKey] = instant
        return options
    }

    /// Why there cannot be such a schedule, its times left aside, or nil if there can. For input from outside.
    package var problem: String? {
        if let problem = NameRule.problem(self.name) { return "the schedule's name \"\(self.name)\" \(problem)" }
        if let problem = NameRule.problem(self.template.type) { return "the job type \(problem)" }
        if let problem = NameRule.problem(self.template.queue) { return "the queue \(problem)" }
        if self.payload.count > Self.payloadMax {
            return "the payload has \(self.payload.count) bytes; a schedule's has at most \(Self.payloadMax)"
        }
        if self.template.options.batch != nil { return "the jobs of a schedule cannot belong to a batch" }
        // The longest text of an instant.
        return self.options(instant: String(repeating: "0", count: 32)).problem
    }
}
