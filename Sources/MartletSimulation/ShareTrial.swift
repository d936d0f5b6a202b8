import MartletCore

/// Has a dispatcher choose between groups of a queue that come and go, and compares what each gets with its weight.
///
/// While two groups have jobs that wait, what they got, each by its weight, differs by no more than one turn of each, by
/// their weights (Goyal, Vin and Cheng 1996). That is so over any time, so that no debt and no credit is ever built up. A
/// turn is of ``DispatchCore/groupTurnMax`` jobs, but for one that a group took while it was alone.
package struct ShareTrial {
    /// Divided by each weight it is a whole number.
    private static let unit = 2520
    private static let weightMax = 9
    private static let steps = 250

    private struct Group {
        let name: String
        let weight: Int
        var waiting = 0
        /// What it got, by its weight.
        var got = 0
        /// The most that it takes in a turn: more than usual if it ever was alone.
        var turn = DispatchCore.groupTurnMax
    }

    private var random: SeededRandom
    private var core: DispatchCore
    private var groups: [Group] = []
    private var lastID: UInt64 = 0
    private var groupOf: [JobID: Int] = [:]
    private var nodes: [(key: NodeKey, slots: Int, settled: Int, held: [JobID])] = []
    /// How far each pair's shares have been apart, both ways, since both have had jobs that wait.
    private var ranges: [Int: (least: Int, most: Int)] = [:]
    private let now = Instant(nanoseconds: 1_000_000_000)

    private init(seed: UInt64) {
        self.random = SeededRandom(seed: seed ^ 0x5AA2E)
        for number in 0..<2 + self.random.below(4) {
            let weight = 1 + self.random.below(Self.weightMax)
            self.groups.append(Group(name: number == 0 ? "" : "g\(number)", weight: weight))
        }
        let weights = Dictionary(uniqueKeysWithValues: self.groups.map { ($0.name, $0.weight) })
        let most = self.random.chance(0.3) ? 1 + self.random.below(20) : nil
        self.core = DispatchCore(
            limits: DispatchLimits(queues: ["q": .init(concurrency: most, weights: weights)]), at: self.now)
        self.core.defineLanes([LaneKey(queue: "q", type: "X"), LaneKey(queue: "q", type: "Y")], at: self.now)
        for number in 1...1 + self.random.below(3) {
            let key = NodeKey(rawValue: UInt64(number))
            self.nodes.append((key, 1 + self.random.below(24), 0, []))
            self.core.nodeJoined(
                key, service: NodeService(queues: [], types: ["X", "Y"]), slots: self.nodes[number - 1].slots,
                at: self.now)
            self.tell(number - 1)
        }
    }

    /// Equal seeds give equal answers.
    ///
    /// - Returns: whose share was not kept; nil if all were.
    package static func run(seed: UInt64) -> String? {
        var trial = Self(seed: seed)
        for _ in 0..<Self.steps {
            trial.submit()
            trial.assign()
            if let violation = trial.compare() { return violation }
            trial.finish()
        }
        trial.core.checkInvariants()
        return nil
    }

    /// Most groups are kept at work; at times one has nothing left for a while.
    private mutating func submit() {
        for place in self.groups.indices {
            let isIdle = self.groups[place].waiting == 0
            guard self.groups[place].waiting < 60, self.random.chance(isIdle ? 0.1 : 0.95) else { continue }
            let lane = self.random.below(2)
            let count = 1 + self.random.below(120)
            let (name, first) = (self.groups[place].name, self.lastID + 1)
            self.lastID += UInt64(count)
            for id in first...self.lastID { self.groupOf[JobID(rawValue: id)] = place }
            let share = name.isEmpty ? nil : LaneShare(group: name)
            var options = JobOptions.standard
            options.group = share?.group
            let traits = JobTraits(
                lane: LaneID(rawValue: UInt32(lane)), key: LaneKey(queue: "q", type: lane == 0 ? "X" : "Y"),
                options: options, timeout: .seconds(60), retry: .standard)
            let body = JobBody(traits: traits, payload: .empty)
            self.core.enqueue(
                lane: traits.lane, share: share, first: JobID(rawValue: first), count: count,
                bodies: ContiguousArray(repeating: body, count: count), at: self.now)
            if isIdle { self.forget(place) }
            self.groups[place].waiting += count
        }
    }

    private mutating func assign() {
        var actions: [DispatchCore.Action] = []
        self.core.assign(at: self.now, into: &actions)
        let before = self.groups
        for case .assign(let key, let jobs) in actions {
            self.nodes[Int(key.rawValue) - 1].held += jobs.map(\.id)
            for job in jobs {
                let place = self.groupOf.removeValue(forKey: job.id)!
                self.groups[place].waiting -= 1
                self.groups[place].got += Self.unit / self.groups[place].weight
            }
        }
        for place in self.groups.indices where self.groups[place].waiting == 0 { self.forget(place) }
        guard self.groups.count(where: { $0.waiting > 0 }) < 2 else { return }
        for place in self.groups.indices {
            let taken = before[place].waiting - self.groups[place].waiting
            self.groups[place].turn = max(self.groups[place].turn, min(taken, DispatchCore.turnMax))
        }
    }

    /// A group that has had nothing left has no share in what went before.
    private mutating func forget(_ place: Int) {
        for other in self.groups.indices { self.ranges[self.pair(place, other)] = nil }
    }

    private func pair(_ one: Int, _ other: Int) -> Int { min(one, other) * self.groups.count + max(one, other) }

    private mutating func compare() -> String? {
        for (place, one) in self.groups.enumerated() where one.waiting > 0 {
            for (otherPlace, other) in self.groups.enumerated().dropFirst(place + 1) where other.waiting > 0 {
                let lead = one.got - other.got
                var range = self.ranges[self.pair(place, otherPlace)] ?? (lead, lead)
                range = (min(range.least, lead), max(range.most, lead))
                self.ranges[self.pair(place, otherPlace)] = range
                let turns = one.turn * Self.unit / one.weight + other.turn * Self.unit / other.weight
                // Virtual time is in whole steps, too.
                guard range.most - range.least > turns + Self.unit / 100 else { continue }
                return "groups \"\(one.name)\" and \"\(other.name)\" of weights \(one.weight) and \(other.weight) are "
                    + "\(range.most - range.least) apart, and may be \(turns)"
            }
        }
        return nil
    }

    private mutating func finish() {
        for place in self.nodes.indices {
            let done = self.nodes[place].held.filter { _ in self.random.chance(0.7) }
            self.nodes[place].held.removeAll { done.contains($0) }
            for id in done { self.core.settled(id, at: self.now) }
            self.nodes[place].settled += done.count
            self.tell(place)
        }
    }

    private mutating func tell(_ place: Int) {
        let node = self.nodes[place]
        let standing = NodeStanding(
            creditTotal: UInt64(node.settled + node.slots), settledTotal: UInt64(node.settled), isPaused: false)
        self.core.nodeChanged(node.key, standing, at: self.now)
    }
}
