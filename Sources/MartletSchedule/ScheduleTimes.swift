package import MartletCore

/// The instants of one schedule under its rules, and when each is due.
package struct ScheduleTimes: Hashable, Sendable {
    /// Names the schedule; its jitter depends on it.
    package let name: String
    package let recurrence: Recurrence
    package let rules: ScheduleRules

    package init(name: String, recurrence: Recurrence, rules: ScheduleRules) {
        self.name = name
        self.recurrence = recurrence
        self.rules = rules
    }

    /// The first instant after `time` that lies within the rules' bounds.
    package func next(after time: WallTime) -> WallTime? {
        guard let next = self.recurrence.next(after: self.notBeforeStart(time)) else { return nil }
        return self.rules.end.map { next < $0 } ?? true ? next : nil
    }

    /// When to act on an instant: `instant` and its jitter, before the next instant.
    ///
    /// It is a function of the schedule's name, its recurrence and the instant: a restart changes nothing.
    package func dueAt(_ instant: WallTime) -> WallTime {
        var jitter = self.rules.jitter.wholeMicroseconds
        guard jitter > 0 else { return instant }
        if let next = self.recurrence.next(after: instant) {
            jitter = min(jitter, next.microseconds - instant.microseconds - 1)
        }
        var hash = StableHash()
        hash.combine(self.name)
        hash.combine(UInt64(bitPattern: instant.microseconds))
        return instant + .microseconds(Int64(hash.value(below: UInt64(jitter) + 1)))
    }

    /// The last instant after `handled` that is due by `now`.
    package func lastDue(after handled: WallTime, at now: WallTime) -> WallTime? {
        guard let last = self.last(after: handled, through: now) else { return nil }
        if self.dueAt(last) <= now { return last }
        // The one before was due before `last`.
        return self.last(after: handled, through: last - .microseconds(1))
    }

    /// The last instant within the bounds that is after `earliest` and not after `latest`.
    package func last(after earliest: WallTime, through latest: WallTime) -> WallTime? {
        let bound = self.rules.end.map { min(latest, $0 - .microseconds(1)) } ?? latest
        return self.recurrence.last(after: self.notBeforeStart(earliest), through: bound)
    }

    /// How many instants within the bounds are after `earliest` and not after `latest`; counts to `max`.
    package func count(after earliest: WallTime, through latest: WallTime, max: Int) -> Int {
        let bound = self.rules.end.map { min(latest, $0 - .microseconds(1)) } ?? latest
        return self.recurrence.count(after: self.notBeforeStart(earliest), through: bound, max: max)
    }

    private func notBeforeStart(_ time: WallTime) -> WallTime {
        self.rules.start.map { max(time, $0 - .microseconds(1)) } ?? time
    }
}

/// A hash that is the same in every process: FNV-1a, then the finish of SplitMix64.
struct StableHash {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func combine(_ text: String) {
        for byte in text.utf8 { self.combine(byte: byte) }
        // Ends the text, so that it does not run into what follows.
        self.combine(byte: 0xFF)
    }

    mutating func combine(_ number: UInt64) {
        for shift in stride(from: 0, to: 64, by: 8) { self.combine(byte: UInt8(truncatingIfNeeded: number >> shift)) }
    }

    private mutating func combine(byte: UInt8) {
        self.state = (self.state ^ UInt64(byte)) &* 0x100_0000_01B3
    }

    func value(below bound: UInt64) -> UInt64 {
        var z = self.state &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return (z ^ (z >> 31)).multipliedFullWidth(by: bound).high
    }
}
