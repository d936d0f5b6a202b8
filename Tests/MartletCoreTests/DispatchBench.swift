import MartletCore

/// A dispatcher with lanes `q/X`, `q/Y` and `r/X`, limits, and nodes that finish what they are told to.
final class DispatchBench {
    static let keys = [
        LaneKey(queue: "q", type: "X"), LaneKey(queue: "q", type: "Y"), LaneKey(queue: "r", type: "X"),
    ]

    var core: DispatchCore
    var now = Instant.seconds(0)
    var loads: [(line: DispatchCore.LineID, ids: [JobID])] = []
    /// Jobs with nodes, by node.
    private(set) var held: [UInt64: [QueuedJob]] = [:]
    private var credit: [UInt64: UInt64] = [:]
    private var settled: [UInt64: UInt64] = [:]
    private var shares: [UInt64: (lane: Int, share: LaneShare?)] = [:]

    init(_ limits: DispatchLimits = .none, isRecovering: Bool = false) {
        self.core = DispatchCore(limits: limits, isRecovering: isRecovering, at: self.now)
        self.core.defineLanes(Self.keys, at: self.now)
    }

    func submit(_ ids: ClosedRange<UInt64>, lane: Int = 0, share: LaneShare? = nil, hasBodies: Bool = true) {
        for id in ids { self.shares[id] = (lane, share) }
        let bodies = ContiguousArray(ids.map { self.job($0).body })
        self.core.enqueue(
            lane: LaneID(rawValue: UInt32(lane)), share: share, first: JobID(rawValue: ids.lowerBound),
            count: ids.count, bodies: hasBodies ? bodies : nil, at: self.now)
    }

    func job(_ id: UInt64) -> QueuedJob {
        let (lane, share) = self.shares[id]!
        return .sample(id, traits: .sample(lane: lane, key: Self.keys[lane], share: share))
    }

    func ready(_ id: UInt64) -> ReadyJob {
        let (lane, share) = self.shares[id] ?? (0, nil)
        return ReadyJob(id: JobID(rawValue: id), lane: LaneID(rawValue: UInt32(lane)), share: share)
    }

    func join(_ key: UInt64, types: [String] = ["X", "Y"], slots: Int, prefetch: Int = 0) {
        self.core.nodeJoined(
            NodeKey(rawValue: key), service: NodeService(queues: [], types: types), slots: slots, at: self.now)
        self.credit[key] = UInt64(slots + prefetch)
        self.tell(key)
    }

    private func tell(_ key: UInt64) {
        let standing = NodeStanding(
            creditTotal: self.credit[key, default: 0], settledTotal: self.settled[key, default: 0], isPaused: false)
        self.core.nodeChanged(NodeKey(rawValue: key), standing, at: self.now)
    }

    /// What was assigned in one turn, in order.
    @discardableResult
    func assign() -> [UInt64] {
        var actions: [DispatchCore.Action] = []
        self.core.assign(at: self.now, into: &actions)
        var got: [UInt64] = []
        for action in actions {
            switch action {
            case .assign(let key, let jobs):
                got += jobs.map(\.id.rawValue)
                self.held[key.rawValue, default: []] += jobs
            case .load(let line, let ids): self.loads.append((line, ids))
            case .askBack(let key, let ask):
                self.core.askEnded(key, number: ask.number, gaveBack: 0, at: self.now)
            }
        }
        self.core.checkInvariants()
        return got
    }

    func answerLoads() {
        for (line, ids) in self.loads {
            self.core.bodiesLoaded(ids.map { self.job($0.rawValue) }, outOf: ids[...], line: line, at: self.now)
        }
        self.loads = []
    }

    /// Jobs leave their node, with room for as many more; `isOver` if they have ended for good.
    func finish(_ ids: [UInt64], isOver: Bool = true) {
        for key in self.held.keys.sorted() {
            let done = self.held[key]!.filter { ids.contains($0.id.rawValue) }
            self.held[key]!.removeAll { ids.contains($0.id.rawValue) }
            self.credit[key]! += UInt64(done.count)
            self.settled[key, default: 0] += UInt64(done.count)
            for job in done {
                self.core.settled(job.id, at: self.now)
                if isOver { self.core.ended(job.id, lane: job.lane, share: job.share, at: self.now) }
            }
            self.tell(key)
        }
        self.core.checkInvariants()
    }

    /// The job failed and is due again later.
    func fail(_ id: UInt64) {
        self.finish([id], isOver: false)
        self.setApart(id)
    }

    func remove(_ ids: [UInt64]) -> [UInt64] {
        self.core.remove(ids.map { self.ready($0) }, at: self.now).map(\.rawValue)
    }

    func setApart(_ id: UInt64) {
        let job = self.ready(id)
        self.core.setApart(job.id, lane: job.lane, share: job.share, at: self.now)
    }

    func due(_ id: UInt64) {
        let job = self.ready(id)
        self.core.enqueue(job.id, lane: job.lane, share: job.share, at: self.now)
    }
}

func group(_ name: String) -> LaneShare { LaneShare(group: name) }
func key(_ name: String) -> LaneShare { LaneShare(key: name) }
func ordered(_ name: String, group: String = "") -> LaneShare { LaneShare(group: group, key: name, isOrdered: true) }
