package import MartletCore

extension ScheduleTimes {
    /// The instants of a definition.
    ///
    /// - Throws: ``ScheduleError`` if its recurrence or its zone makes no sense.
    package init(_ definition: ScheduleDefinition) throws(ScheduleError) {
        let recurrence = try Recurrence(
            definition.recurrence, zone: try TimeZoneName(definition.zone),
            daylightSaving: definition.daylightSaving, anchor: definition.anchor)
        self.init(name: definition.name, recurrence: recurrence, rules: definition.rules)
    }

    /// The next `count` instants after `time` within the bounds, or as many as there are.
    package func previews(after time: WallTime, count: Int) -> [WallTime] {
        time.successors(count) { self.next(after: $0) }
    }
}
