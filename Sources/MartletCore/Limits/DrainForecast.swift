/// How long a backlog takes to drain through the limits of a service: the very buckets, in virtual time.
package struct DrainForecast: Hashable, Sendable {
    package struct Question: Hashable, Sendable {
        package var rates: [RateLimit]
        /// Jobs that may run at once, by slots or by the service's concurrency; nil is no limit.
        package var places: Int?
        /// How long each job runs.
        package var meanTime: Duration
        package var backlog: Int
        /// Tokens that each job takes.
        package var weight: Int
        /// Tokens that are there at first; each bucket has as many of them as it holds.
        package var level: Int

        package init(
            rates: [RateLimit], places: Int? = nil, meanTime: Duration = .zero, backlog: Int, weight: Int = 1,
            level: Int = 0
        ) {
            self.rates = rates
            self.places = places
            self.meanTime = meanTime
            self.backlog = backlog
            self.weight = weight
            self.level = level
        }

        /// Jobs that are let through at a time. With half a burst none is ever full, so that no token is lost by it.
        var batch: Int {
            if self.places != nil { return 1 }
            return max(1, (self.rates.map(\.burst).min() ?? self.backlog) / 2 / self.weight)
        }

        /// Why there is no answer, or nil.
        package var problem: String? {
            if self.backlog < 1 || self.weight < 1 || self.level < 0 || self.meanTime < .zero || self.places ?? 1 < 1 {
                return "a backlog, a weight and places are 1 at least"
            }
            if let problem = self.rates.lazy.compactMap({ $0.problem(weightMax: self.weight) }).first { return problem }
            let rounds = self.backlog / self.batch
            return rounds <= DrainForecast.roundsMax
                ? nil : "it would take \(rounds) steps, \(DrainForecast.roundsMax) at most: ask for a smaller backlog"
        }
    }

    /// What jobs waited for.
    package enum Holder: Hashable, Sendable {
        case nothing
        case rate(RateLimit)
        case places
    }

    package static let roundsMax = 10_000_000

    /// When the last job starts, and when it has ended.
    package let lastStart: Duration
    package let drained: Duration
    /// When a quarter, half and three quarters of the jobs have started.
    package let quarters: [Duration]
    /// What jobs waited for longest.
    package let heldBy: Holder

    /// - Precondition: the question has no problem.
    package init(_ question: Question) {
        precondition(question.problem == nil, "a question that can be answered")
        var run = Run(question)
        while run.started < question.backlog { run.step() }
        self.lastStart = run.now - Run.begin
        self.drained = self.lastStart + question.meanTime
        self.quarters = run.quarters
        self.heldBy = run.heldBy
    }

    /// Starts a second, from the first to the last.
    package func startsPerSecond(_ backlog: Int) -> Double {
        let seconds = Double(self.lastStart.wholeMicroseconds) / 1e6
        return seconds > 0 ? Double(backlog) / seconds : .infinity
    }
}

extension DrainForecast {
    private struct Run {
        static let begin = Instant(nanoseconds: 0)

        let question: Question
        var buckets: [TokenBucket]
        var now = Self.begin
        var started = 0
        var quarters: [Duration] = []
        /// When the places that are taken become free, in order: all jobs take equally long.
        private var ends = Deque<Instant>()
        /// Waiting for each bucket, and behind them for a place.
        private var waits: [UInt64]

        init(_ question: Question) {
            self.question = question
            self.buckets = question.rates.map { TokenBucket($0, level: min(question.level, $0.burst), at: Self.begin) }
            self.waits = Array(repeating: 0, count: question.rates.count + 1)
        }

        var heldBy: Holder {
            guard let longest = self.waits.max(), longest > 0 else { return .nothing }
            let place = self.waits.firstIndex(of: longest)!
            return place < self.buckets.count ? .rate(self.buckets[place].limit) : .places
        }

        mutating func step() {
            let jobs = min(self.question.batch, self.question.backlog - self.started)
            let tokens = jobs * self.question.weight
            var (start, holder) = (self.now, 0)
            for (index, bucket) in self.buckets.enumerated() {
                let ready = bucket.ready(tokens, at: self.now)
                if ready > start { (start, holder) = (ready, index) }
            }
            if let places = self.question.places, self.ends.count >= places, let end = self.ends.popFirst(), end > start
            {
                (start, holder) = (end, self.buckets.count)
            }
            self.waits[holder] += start.nanoseconds - self.now.nanoseconds
            self.now = start
            for index in self.buckets.indices { self.buckets[index].take(tokens, at: start) }
            if self.question.places != nil { self.ends.append(start + self.question.meanTime) }
            self.started += jobs
            while self.quarters.count < 3, self.started * 4 >= (self.quarters.count + 1) * self.question.backlog {
                self.quarters.append(start - Self.begin)
            }
        }
    }
}
