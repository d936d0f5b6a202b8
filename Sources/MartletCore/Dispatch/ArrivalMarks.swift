/// Since when the jobs of a sub-lane wait, from a few marks: how many had come by when.
///
/// Jobs leave in the order in which they came, more or less, so the first of those that wait came when all but them had
/// come. What a node gave back goes before the others and shifts that a little. Bounded: the older part is thinned out.
struct ArrivalMarks: Sendable {
    /// Marks kept; over it every other one goes, so that times become rougher by as much.
    static let marksMax = 32
    /// What comes within it shares a mark.
    private static let resolution: UInt64 = 1_000_000

    private var marks: [(through: UInt64, at: UInt64)] = []
    private var arrived: UInt64 = 0

    /// Jobs came.
    mutating func add(_ count: Int, at now: Instant) {
        self.arrived &+= UInt64(count)
        if let last = self.marks.last, now.nanoseconds < last.at &+ Self.resolution {
            self.marks[self.marks.count - 1].through = self.arrived
            return
        }
        self.marks.append((self.arrived, now.nanoseconds))
        if self.marks.count > Self.marksMax { self.thin() }
    }

    /// For how long the first has waited, of as many as wait. Forgets what is over.
    mutating func age(waiting count: Int, at now: Instant) -> Duration {
        let gone = self.arrived > UInt64(count) ? self.arrived - UInt64(count) : 0
        var over = 0
        while over < self.marks.count, self.marks[over].through <= gone { over += 1 }
        if over > 0 { self.marks.removeFirst(over) }
        guard let first = self.marks.first else { return .zero }
        return now - Instant(nanoseconds: first.at)
    }

    /// Of two neighbours the later one's jobs count as having come with the earlier one's.
    private mutating func thin() {
        var kept: [(through: UInt64, at: UInt64)] = []
        for place in stride(from: 0, to: self.marks.count, by: 2) {
            let next = min(place + 1, self.marks.count - 1)
            kept.append((self.marks[next].through, self.marks[place].at))
        }
        self.marks = kept
    }
}
