/// Decides which node gets which job.
///
/// A pure value: events come in as calls, what is to be done comes out as actions. Ready jobs wait in lanes;
/// a lane is in the heap of every service class (nodes that serve the same queues and types) that can run it.
/// Lanes that no node serves are in no heap, so they cost nothing.
package struct DispatchCore: Sendable {
    package enum Action: Sendable {
        case assign(NodeKey, [QueuedJob])
        /// Read these jobs, ascending, and answer with ``DispatchCore/bodiesLoaded(_:outOf:lane:)``.
        case load(LaneID, [JobID])
    }

    struct Lane: Sendable {
        let key: LaneKey
        var line = LaneLine()
        /// From before this epoch, waiting until it is known what the nodes still hold.
        var held = LaneLine()
        var isLoading = false
        /// Service classes that serve it, ascending.
        var classes: [Int] = []
        /// Since when it has been passed over, for ageing.
        var waitingSince = Instant(nanoseconds: 0)
    }

    struct Node: Sendable {
        let key: NodeKey
        let service: NodeService
        let serviceClass: Int
        /// Jobs it may have been assigned in all, so far.
        var creditTotal: UInt64 = 0
        var assignedTotal: UInt64 = 0
        /// Of those assigned, how many are over: completed, given back or lost.
        var settledTotal: UInt64 = 0
        var isPaused = false
        /// It runs, or waits to run, one suspect and nothing else.
        var suspect: JobID?

        var room: Int {
            guard !self.isPaused, self.suspect == nil, self.creditTotal > self.assignedTotal else { return 0 }
            return Int(clamping: self.creditTotal - self.assignedTotal)
        }

        var isIdle: Bool { self.assignedTotal == self.settledTotal }
    }

    struct ServiceClass: Sendable {
        let service: NodeService
        var nodes: [NodeKey] = []
        var heap = LaneHeap()
    }

    /// Jobs to one node in one turn, so that a burst is shared out.
    package static let turnMax = 64
    /// After how many node deaths a job runs alone.
    package static let deathsMax = 2
    /// How long a runnable lane may be passed over before it rises one priority.
    package static let ageingInterval: Duration = .seconds(60)

    var lanes: [Lane] = []
    /// Sorted by key.
    var nodes: [Node] = []
    var classes: [ServiceClass] = []
    /// Jobs that took nodes down with them; each runs alone on a node.
    var suspects = Deque<QueuedJob>()
    package private(set) var isRecovering: Bool
    private var claimed: Set<JobID> = []

    /// - Parameter isRecovering: whether jobs from an earlier epoch are held until ``finishRecovery(at:)``.
    package init(isRecovering: Bool = false) {
        self.isRecovering = isRecovering
    }

    // MARK: Lanes and jobs

    /// Makes known lanes up to the table's count.
    package mutating func defineLanes(_ keys: [LaneKey], at now: Instant) {
        while self.lanes.count < keys.count {
            var lane = Lane(key: keys[self.lanes.count])
            lane.waitingSince = now
            lane.classes = self.classes.indices.filter {
                !self.classes[$0].nodes.isEmpty && self.classes[$0].service.serves(lane.key)
            }
            self.lanes.append(lane)
        }
    }

    /// New ready jobs of one lane, ids from `first` on; bodies nil if the byte budget is used up.
    package mutating func enqueue(
        lane: LaneID, first: JobID, count: Int, bodies: ContiguousArray<JobBody>?, at now: Instant
    ) {
        let index = Int(lane.rawValue)
        if let bodies {
            self.lanes[index].line.append(first: first, bodies: bodies)
        } else {
            for offset in 0..<count { self.lanes[index].line.append(first.advanced(by: offset)) }
        }
        self.refresh(index, at: now)
    }

    /// A job whose body is in the store: its time has come, or somebody revived it.
    package mutating func enqueue(_ id: JobID, lane: LaneID, at now: Instant) {
        self.lanes[Int(lane.rawValue)].line.append(id)
        self.refresh(Int(lane.rawValue), at: now)
    }

    /// A job from before this epoch; held while recovering.
    package mutating func recover(_ id: JobID, lane: LaneID) {
        precondition(self.isRecovering, "jobs are recovered before anything is served")
        self.lanes[Int(lane.rawValue)].held.append(id)
    }

    /// A node proved to hold this recovered job.
    package mutating func claim(_ id: JobID) {
        precondition(self.isRecovering, "claims come while recovering")
        self.claimed.insert(id)
    }

    /// Whether a node has claimed it in this recovery.
    package func isClaimed(_ id: JobID) -> Bool { self.claimed.contains(id) }

    /// Lets the held jobs run that no node claimed.
    package mutating func finishRecovery(at now: Instant) {
        guard self.isRecovering else { return }
        self.isRecovering = false
        for index in self.lanes.indices where !self.lanes[index].held.isEmpty {
            let held = self.lanes[index].held
            self.lanes[index].held = LaneLine()
            self.lanes[index].line.prepend(held, excluding: self.claimed)
            self.refresh(index, at: now)
        }
        self.claimed = []
    }

    /// Jobs that a node gave back, or that are free since its leases ended.
    package mutating func giveBack(_ jobs: [QueuedJob], at now: Instant) {
        for job in jobs {
            if job.body.history.nodeDeaths >= Self.deathsMax {
                self.suspects.append(job)
            } else {
                self.lanes[Int(job.lane.rawValue)].line.giveBack(job)
                self.refresh(Int(job.lane.rawValue), at: now)
            }
        }
    }

    /// The answer to ``Action/load(_:_:)``: what the store found among `ids`, which may be a prefix of those asked for.
    package mutating func bodiesLoaded(_ jobs: [QueuedJob], outOf ids: ArraySlice<JobID>, lane: LaneID, at now: Instant)
    {
        let index = Int(lane.rawValue)
        self.lanes[index].isLoading = false
        let ordinary = jobs.filter { $0.body.history.nodeDeaths < Self.deathsMax }
        if ordinary.count < jobs.count {
            for job in jobs where job.body.history.nodeDeaths >= Self.deathsMax { self.suspects.append(job) }
        }
        self.lanes[index].line.load(ordinary, outOf: ids)
        self.refresh(index, at: now)
    }

    /// The load failed; the lane asks again at the next turn.
    package mutating func loadFailed(lane: LaneID, at now: Instant) {
        self.lanes[Int(lane.rawValue)].isLoading = false
        self.refresh(Int(lane.rawValue), at: now)
    }

    // MARK: Nodes

    package mutating func nodeJoined(_ key: NodeKey, service: NodeService, at now: Instant) {
        precondition(self.nodes.last.map { $0.key < key } ?? true, "keys grow")
        let classIndex = self.classIndex(for: service)
        self.nodes.append(Node(key: key, service: service, serviceClass: classIndex))
        self.classes[classIndex].nodes.append(key)
        if self.classes[classIndex].nodes.count == 1 { self.connectLanes(to: classIndex, at: now) }
    }

    package mutating func nodeLeft(_ key: NodeKey, at now: Instant) {
        guard let index = self.nodeIndex(key) else { return }
        let classIndex = self.nodes[index].serviceClass
        self.nodes.remove(at: index)
        self.classes[classIndex].nodes.removeAll { $0 == key }
        if self.classes[classIndex].nodes.isEmpty { self.disconnectLanes(from: classIndex) }
    }

    /// The node's running totals, as its queue knows them.
    package mutating func nodeChanged(_ key: NodeKey, creditTotal: UInt64, settledTotal: UInt64, isPaused: Bool) {
        guard let index = self.nodeIndex(key) else { return }
        self.nodes[index].creditTotal = creditTotal
        self.nodes[index].settledTotal = max(settledTotal, self.nodes[index].settledTotal)
        self.nodes[index].isPaused = isPaused
    }

    /// The node holds jobs that were not assigned here: claims from an earlier epoch.
    package mutating func nodeClaimed(_ key: NodeKey, count: Int) {
        guard let index = self.nodeIndex(key) else { return }
        self.nodes[index].assignedTotal += UInt64(count)
        self.nodes[index].creditTotal += UInt64(count)
    }

    /// The class of that service; a class without nodes makes room for a new one.
    private mutating func classIndex(for service: NodeService) -> Int {
        if let known = self.classes.firstIndex(where: { $0.service == service && !$0.nodes.isEmpty }) { return known }
        if let unused = self.classes.firstIndex(where: { $0.nodes.isEmpty }) {
            self.classes[unused] = ServiceClass(service: service)
            return unused
        }
        self.classes.append(ServiceClass(service: service))
        return self.classes.count - 1
    }

    private mutating func connectLanes(to classIndex: Int, at now: Instant) {
        for lane in self.lanes.indices where self.classes[classIndex].service.serves(self.lanes[lane].key) {
            if self.lanes[lane].classes.isEmpty { self.lanes[lane].waitingSince = now }
            self.lanes[lane].classes.append(classIndex)
            self.lanes[lane].classes.sort()
            self.refresh(lane, at: now)
        }
    }

    private mutating func disconnectLanes(from classIndex: Int) {
        for lane in self.lanes.indices { self.lanes[lane].classes.removeAll { $0 == classIndex } }
        self.classes[classIndex].heap = LaneHeap()
    }

    func nodeIndex(_ key: NodeKey) -> Int? {
        var low = 0
        var high = self.nodes.count
        while low < high {
            let middle = (low + high) / 2
            if self.nodes[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low < self.nodes.count && self.nodes[low].key == key ? low : nil
    }
}
