public import MartletCore

extension Recurrence {
    /// The first instant after `time`.
    ///
    /// - Returns: nil if there is none within a hundred years, or before the year 10000.
    public func next(after time: WallTime) -> WallTime? {
        switch self.kind {
        case .cron(let expression, let zone, let daylightSaving):
            let second = time.microseconds.flooredQuotient(by: 1_000_000)
            let next = expression.next(after: second, in: zone.offsets, daylightSaving)
            return next.map { WallTime(microseconds: $0 * 1_000_000) }
        case .every(let interval, let anchor):
            let (since, overflow) = time.microseconds.subtractingReportingOverflow(anchor.microseconds)
            if overflow { return nil }
            let (distance, overflow2) = (since.flooredQuotient(by: interval) + 1)
                .multipliedReportingOverflow(by: interval)
            let (next, overflow3) = anchor.microseconds.addingReportingOverflow(distance)
            return overflow2 || overflow3 ? nil : WallTime(microseconds: next)
        }
    }

    /// The next `count` instants after `time`, or as many as there are.
    public func previews(after time: WallTime, count: Int) -> [WallTime] {
        time.successors(count) { self.next(after: $0) }
    }

    /// The first `max` instants of a range, or as many as there are.
    public func instants(in range: Range<WallTime>, max: Int) -> [WallTime] {
        precondition(max >= 0, "a bound cannot be negative")
        var instants: [WallTime] = []
        var at = range.lowerBound - .microseconds(1)
        while instants.count < max, let next = self.next(after: at), next < range.upperBound {
            instants.append(next)
            at = next
        }
        return instants
    }

    /// All instants of a range, for runs that are to be made up for.
    ///
    /// - Throws: ``ScheduleError`` with `tooManyInstants` if there are more than `max`.
    public func backfill(_ range: Range<WallTime>, max: Int) throws(ScheduleError) -> [WallTime] {
        precondition(max > 0, "a bound must be positive")
        let instants = self.instants(in: range, max: max + 1)
        guard instants.count <= max else {
            throw ScheduleError(
                .tooManyInstants, text: self.description, cause: "more than \(max) runs in that range",
                fix: "the first \(max) end at \(TimeZoneName.utc.text(of: instants[max - 1])); make it in parts")
        }
        return instants
    }

    /// The last instant that is after `earliest` and not after `latest`.
    ///
    /// Found with a few dozen calls of ``next(after:)``, however many instants lie between.
    package func last(after earliest: WallTime, through latest: WallTime) -> WallTime? {
        guard earliest < latest else { return nil }
        func nextIfDue(after time: Int64) -> Int64? {
            guard let next = self.next(after: WallTime(microseconds: time))?.microseconds else { return nil }
            return next <= latest.microseconds ? next : nil
        }
        // Twice as far back each time, until something is found. Nothing is due after `high`.
        var back: Int64 = 1_000_000
        var (low, high) = (latest.microseconds, latest.microseconds)
        var found: Int64?
        while found == nil {
            guard low > earliest.microseconds else { return nil }
            high = low
            let (further, overflow) = latest.microseconds.subtractingReportingOverflow(back)
            low = max(earliest.microseconds, overflow ? .min : further)
            found = nextIfDue(after: low)
            back = back.multipliedReportingOverflow(by: 2).overflow ? .max : back * 2
        }
        guard var last = found else { return nil }
        // No two instants are less than a second apart.
        while high - last >= 1_000_000 {
            let middle = last + (high - last) / 2
            if let later = nextIfDue(after: middle) { last = later } else { high = middle }
        }
        return WallTime(microseconds: last)
    }

    /// How many instants are after `earliest` and not after `latest`; counts to `max`.
    package func count(after earliest: WallTime, through latest: WallTime, max: Int) -> Int {
        guard earliest < latest else { return 0 }
        if case .every(let interval, let anchor) = self.kind {
            let (first, overflow) = earliest.microseconds.subtractingReportingOverflow(anchor.microseconds)
            let (last, overflow2) = latest.microseconds.subtractingReportingOverflow(anchor.microseconds)
            if !overflow, !overflow2 {
                return Int(
                    Swift.min(Int64(max), last.flooredQuotient(by: interval) - first.flooredQuotient(by: interval)))
            }
        }
        var count = 0
        var at = earliest
        while count < max, let next = self.next(after: at), next <= latest {
            count += 1
            at = next
        }
        return count
    }
}

extension WallTime {
    /// Up to `count` times, each the next one of that before it.
    func successors(_ count: Int, next: (WallTime) -> WallTime?) -> [WallTime] {
        precondition(count >= 0, "a count cannot be negative")
        var times: [WallTime] = []
        while times.count < count, let time = next(times.last ?? self) { times.append(time) }
        return times
    }
}
