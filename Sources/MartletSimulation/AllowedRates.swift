import MartletCore

/// What a service allows, as it is changed while the cluster runs: looked at now and then, and known from the store before
/// it is in force.
struct AllowedRates {
    /// What was in force when somebody looked, in the order of time.
    private var seen: [(at: Instant, rates: [RateLimit])] = []
    /// What was stored since: in force at some time before the second next look.
    private var stored: [(at: Instant, rates: [RateLimit])] = []

    mutating func see(_ rates: [RateLimit], at now: Instant) {
        if let last = self.seen.last, last.rates == rates, self.seen.count > 1,
            self.seen[self.seen.count - 2].rates == rates, self.stored.last.map({ $0.at < last.at }) ?? true
        {
            self.seen[self.seen.count - 1] = (now, rates)
        } else {
            self.seen.append((now, rates))
        }
    }

    mutating func store(_ rates: [RateLimit], at now: Instant) { self.stored.append((now, rates)) }

    /// The most that one of the rates allowed from one look to the next.
    private struct Span {
        let from: Instant
        let tokens: Int
        let burst: Int
        /// What flowed before, in tokens times nanoseconds of the period.
        let flowed: Int64
    }

    private func spans(of period: Duration) -> [Span] {
        var spans: [Span] = []
        for (place, look) in self.seen.enumerated() {
            let end = place + 1 < self.seen.count ? self.seen[place + 1] : nil
            var rates = look.rates + (end?.rates ?? [])
            for change in self.stored where change.at >= look.at && end.map({ change.at <= $0.at }) ?? true {
                rates += change.rates
            }
            rates = rates.filter { $0.period == period }
            let tokens = rates.map(\.tokens).max() ?? 0
            let burst = rates.map(\.burst).max() ?? 0
            let from = place == 0 ? Instant(nanoseconds: 0) : look.at
            let flowed = spans.last.map { $0.flowed + Int64($0.tokens) * Int64((from - $0.from).wholeNanoseconds) } ?? 0
            spans.append(Span(from: from, tokens: tokens, burst: burst, flowed: flowed))
        }
        return spans
    }

    /// The first window in which more was taken than what it may begin with and what flows, if `slack` may pass between a
    /// grant and its use. In exact numbers.
    func excess(of taken: [ServiceWitness.Taken], slack: Duration) -> String? {
        for period in Set(self.seen.flatMap { $0.rates.map(\.period) }).sorted() {
            let spans = self.spans(of: period)
            if let excess = Self.excess(of: taken, slack: slack, period: period, spans) { return excess }
        }
        return nil
    }

    private static func excess(
        of taken: [ServiceWitness.Taken], slack: Duration, period: Duration, _ spans: [Span]
    ) -> String? {
        func place(_ time: Instant) -> Int { (spans.lastIndex { $0.from <= time }) ?? 0 }
        func flowed(_ time: Instant) -> Int64 {
            let span = spans[place(time)]
            return span.flowed + Int64(span.tokens) * (time - span.from).wholeNanoseconds
        }
        var most = Int64.max
        var beginsAt = Instant(nanoseconds: 0)
        var total: Int64 = 0
        for entry in taken.sorted(by: { $0.at < $1.at }) {
            let grantedAt = entry.at + (.zero - slack)
            let burst = spans[place(grantedAt)...place(entry.at)].map(\.burst).max()!
            let level = total - flowed(grantedAt) + Int64(burst) * period.wholeNanoseconds
            if level < most { (most, beginsAt) = (level, entry.at) }
            total += Int64(entry.tokens) * period.wholeNanoseconds
            guard total - flowed(entry.at) > most else { continue }
            return "more than the burst and what flows of the rate per \(period), within \(entry.at - beginsAt),"
        }
        return nil
    }
}
