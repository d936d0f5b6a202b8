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
        /// Service classes that serve it, ascending.
        var classes: [Int] = []
        /// Its place in the heaps of its classes; nil while it cannot be served.
        var rank: LaneRank?
        var isWaiting = false
        /// Since when it has been passed over, for ageing.
        var waitingSince = Instant(nanoseconds: 0)
    }

    /// Higher urgency first, then the older head.
    struct LaneRank: Comparable, Sendable {
        let urgency: Int
        let head: JobID

        static func < (a: Self, b: Self) -> Bool {
            a.urgency == b.urgency ? a.head < b.head : a.urgency > b.urgency
        }
    }

    struct Node: Sendable {
        let key: NodeKey
        let serviceClass: Int
        let slots: Int
        /// Jobs it may have been assigned in all, so far.
        var creditTotal: UInt64 = 0
        var assignedTotal: UInt64 = 0
        /// Of those assigned, how many are over: completed, given back or lost.
        var settledTotal: UInt64 = 0
        var isPaused = false
        var isGone = false
        /// Runs, or waits to run, one suspect and nothing else.
        var isReserved = false
        /// Which of a turn's batches is its own.
        var batch = -1

        var held: Int { Int(clamping: self.assignedTotal - min(self.settledTotal, self.assignedTotal)) }
        var isIdle: Bool { self.held == 0 }

        /// How many more jobs it may hold.
        var credit: Int {
            guard !self.isPaused, !self.isGone, self.creditTotal > self.assignedTotal else { return 0 }
            return min(Int(clamping: self.creditTotal - self.assignedTotal), max(0, DispatchCore.heldMax - self.held))
        }

        var room: Int { self.isReserved ? 0 : self.credit }
    }

    /// Free slots first, then room to fetch ahead, then the older registration.
    struct NodeRank: Comparable, Sendable {
        let freeSlots: Int
        let room: Int
        let key: NodeKey

        init(_ node: Node) {
            self.freeSlots = max(0, node.slots - node.held)
            self.room = node.room
            self.key = node.key
        }

        static func < (a: Self, b: Self) -> Bool {
            if a.freeSlots != b.freeSlots { return a.freeSlots > b.freeSlots }
            return a.room == b.room ? a.key < b.key : a.room > b.room
        }
    }

    struct ServiceClass: Sendable {
        let service: NodeService
        /// Indices of its nodes, in the order they joined.
        var members: [Int] = []
        /// Lanes that can be served.
        var lanes = IndexedHeap<LaneRank>()
        /// Nodes with room.
        var nodes = IndexedHeap<NodeRank>()
        var reservedCount = 0
    }

    /// A node set apart for a job that must run alone.
    struct Reservation: Sendable {
        let node: Int
        let id: JobID
        /// Until the node is idle and takes it.
        var job: QueuedJob?
    }

    /// Jobs to one node in one turn, so that a burst is shared out.
    package static let turnMax = 64
    /// Jobs that one node may hold, whatever credit it gives.
    package static let heldMax = 1 << 17
    /// After how many node deaths a job runs alone.
    package static let deathsMax = 2
    /// How long a runnable lane may be passed over before it rises one priority.
    package static let ageingInterval: Duration = .seconds(60)
    /// Lanes whose bodies are read at the same time.
    package static let loadsMax = 32

    var lanes: [Lane] = []
    var nodes: ContiguousArray<Node> = []
    private var nodePlaces: [NodeKey: Int] = [:]
    /// Of nodes that have gone.
    private var freePlaces: [Int] = []
    var classes: [ServiceClass] = []
    /// Jobs that took nodes down with them; each runs alone on a node.
    var suspects = Deque<QueuedJob>()
    var reservations: [Reservation] = []
    var loadingCount = 0
    package private(set) var isRecovering: Bool
    private var claimed: Set<JobID> = []
    var claimedCount: Int { self.claimed.count }

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
                !self.classes[$0].members.isEmpty && self.classes[$0].service.serves(lane.key)
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
            self.lanes[index].line.append(first: first, count: count)
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

    /// A node proved to hold this job; it is the node's from now on.
    ///
    /// - Returns: false if the job is not one that was recovered and waits.
    package mutating func claim(_ id: JobID, lane: LaneID) -> Bool {
        guard self.isRecovering, self.lanes[Int(lane.rawValue)].held.contains(id) else { return false }
        self.claimed.insert(id)
        return true
    }

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
        guard self.lanes[index].line.isLoading else { return }
        self.loadingCount -= 1
        let ordinary = jobs.filter { $0.body.history.nodeDeaths < Self.deathsMax }
        if ordinary.count < jobs.count {
            for job in jobs where job.body.history.nodeDeaths >= Self.deathsMax { self.suspects.append(job) }
        }
        self.lanes[index].line.load(ordinary, outOf: ids)
        self.refresh(index, at: now)
    }

    /// The load failed; the lane asks again when its turn comes.
    package mutating func loadFailed(lane: LaneID, at now: Instant) {
        let index = Int(lane.rawValue)
        guard self.lanes[index].line.isLoading else { return }
        self.loadingCount -= 1
        self.lanes[index].line.loadFailed()
        self.refresh(index, at: now)
    }

    // MARK: Nodes

    /// - Parameter slots: how many of its jobs it runs at once; nodes with free slots come first.
    package mutating func nodeJoined(_ key: NodeKey, service: NodeService, slots: Int, at now: Instant) {
        precondition(self.nodePlaces[key] == nil, "a node joins once")
        let classIndex = self.classIndex(for: service)
        let node = Node(key: key, serviceClass: classIndex, slots: slots)
        let index = self.freePlaces.popLast() ?? self.nodes.count
        if index == self.nodes.count { self.nodes.append(node) } else { self.nodes[index] = node }
        self.nodePlaces[key] = index
        self.classes[classIndex].members.append(index)
        if self.classes[classIndex].members.count == 1 { self.connectLanes(to: classIndex, at: now) }
    }

    /// What it holds comes back with ``giveBack(_:at:)``, before or after.
    package mutating func nodeLeft(_ key: NodeKey, at now: Instant) {
        guard let index = self.nodePlaces.removeValue(forKey: key) else { return }
        self.endReservation(of: index)
        self.nodes[index].isGone = true
        self.refreshNode(index)
        self.freePlaces.append(index)
        let classIndex = self.nodes[index].serviceClass
        self.classes[classIndex].members.removeAll { $0 == index }
        if self.classes[classIndex].members.isEmpty { self.disconnectLanes(from: classIndex, at: now) }
    }

    /// The node's running totals, as its queue knows them.
    package mutating func nodeChanged(_ key: NodeKey, creditTotal: UInt64, settledTotal: UInt64, isPaused: Bool) {
        guard let index = self.nodePlaces[key] else { return }
        self.nodes[index].creditTotal = creditTotal
        self.nodes[index].settledTotal = max(settledTotal, self.nodes[index].settledTotal)
        self.nodes[index].isPaused = isPaused
        self.refreshNode(index)
    }

    /// The node holds jobs that were not assigned to it here: claims from an earlier epoch or registration.
    ///
    /// - Parameter suspect: the one among them that must run alone, if there is one.
    package mutating func nodeClaimed(_ key: NodeKey, count: Int, suspect: JobID? = nil) {
        guard let index = self.nodePlaces[key] else { return }
        self.nodes[index].assignedTotal += UInt64(count)
        self.nodes[index].creditTotal += UInt64(count)
        if let suspect, !self.nodes[index].isReserved { self.reserve(index, for: suspect, job: nil) }
        self.refreshNode(index)
    }

    /// Puts a node where it belongs in its class, or takes it out.
    mutating func refreshNode(_ index: Int) {
        let node = self.nodes[index]
        if node.room > 0 {
            self.classes[node.serviceClass].nodes.update(index, rank: NodeRank(node))
        } else {
            self.classes[node.serviceClass].nodes.remove(index)
        }
    }

    /// The class of that service; a class without nodes makes room for a new one.
    private mutating func classIndex(for service: NodeService) -> Int {
        if let known = self.classes.firstIndex(where: { !$0.members.isEmpty && $0.service == service }) { return known }
        if let unused = self.classes.firstIndex(where: { $0.members.isEmpty }) {
            self.classes[unused] = ServiceClass(service: service)
            return unused
        }
        self.classes.append(ServiceClass(service: service))
        return self.classes.count - 1
    }

    private mutating func connectLanes(to classIndex: Int, at now: Instant) {
        for index in self.lanes.indices where self.classes[classIndex].service.serves(self.lanes[index].key) {
            if self.lanes[index].classes.isEmpty { self.lanes[index].waitingSince = now }
            self.lanes[index].classes.append(classIndex)
            self.lanes[index].classes.sort()
            if let rank = self.lanes[index].rank { self.classes[classIndex].lanes.update(index, rank: rank) }
            self.refresh(index, at: now)
        }
    }

    private mutating func disconnectLanes(from classIndex: Int, at now: Instant) {
        self.classes[classIndex].lanes = IndexedHeap()
        for index in self.lanes.indices where self.lanes[index].classes.contains(classIndex) {
            self.lanes[index].classes.removeAll { $0 == classIndex }
            self.refresh(index, at: now)
        }
    }

    // MARK: Places in the heaps

    /// Puts a lane where it belongs in the heaps of its classes, or takes it out.
    mutating func refresh(_ index: Int, at now: Instant) {
        if self.lanes[index].isWaiting == self.lanes[index].line.isEmpty {
            self.lanes[index].isWaiting.toggle()
            self.lanes[index].waitingSince = now
        }
        let rank = self.rank(of: index, at: now)
        guard rank != self.lanes[index].rank else { return }
        self.lanes[index].rank = rank
        for place in self.lanes[index].classes {
            if let rank {
                self.classes[place].lanes.update(index, rank: rank)
            } else {
                self.classes[place].lanes.remove(index)
            }
        }
    }

    private func rank(of index: Int, at now: Instant) -> LaneRank? {
        guard !self.lanes[index].classes.isEmpty, !self.lanes[index].line.isLoading,
            let head = self.lanes[index].line.first
        else { return nil }
        let waited = now - self.lanes[index].waitingSince
        let risen = waited < Self.ageingInterval ? 0 : Int(waited / Self.ageingInterval)
        return LaneRank(urgency: Int(self.lanes[index].key.priority.rawValue) + risen, head: head)
    }

    /// Lets passed-over lanes rise; to be called every few seconds.
    package mutating func age(at now: Instant) {
        for index in self.lanes.indices where self.lanes[index].rank != nil { self.refresh(index, at: now) }
    }
}
