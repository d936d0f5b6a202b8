import MartletCore

extension CronExpression {
    /// How far ahead an instant is looked for. The rarest dates come once in 40 years; what is still not found is a
    /// time that its zone skips each time.
    static let horizonSeconds: Int64 = 100 * 366 * 86400
    /// Years 1 to 9999.
    private static let secondsKnown: ClosedRange<Int64> = -62_135_596_800...253_402_300_799
    /// More than two offsets of a zone ever differ by.
    private static let offsetsDifferMax: Int64 = 2 * 86400

    /// The first second after `second`, in seconds since 1970-01-01 00:00 UTC, at which this fires.
    ///
    /// It goes from one stretch of equal offsets to the next, and past those in which no clock can show a match yet.
    func next(after second: Int64, in zone: ZoneOffsets, _ daylightSaving: DaylightSaving) -> Int64? {
        guard second < Self.secondsKnown.upperBound else { return nil }
        var at = max(second + 1, Self.secondsKnown.lowerBound)
        let last = min(at + Self.horizonSeconds, Self.secondsKnown.upperBound)
        while at <= last {
            let span = zone.span(at: at)
            var reading = at + span.offset
            if !self.isWildInHours {
                let skipped = span.offset - span.offsetBefore
                if skipped > 0, at == span.start, daylightSaving != .skip,
                    let match = self.next(atOrAfter: reading - skipped), match < reading
                {
                    return at
                }
                // The clock shows again what it showed before it was put back.
                if skipped < 0, daylightSaving != .twice {
                    reading = max(reading, span.start + span.offsetBefore)
                }
            }
            guard let match = self.next(atOrAfter: reading) else { return nil }
            if match - span.offset < span.end { return match - span.offset <= last ? match - span.offset : nil }
            at = span.end
            // No clock shows `match` earlier than this. Close to the end of a stretch it may show earlier times again.
            if reading <= span.end + span.offset - Self.offsetsDifferMax {
                at = max(at, match - span.offset - Self.offsetsDifferMax)
            }
        }
        return nil
    }
}
