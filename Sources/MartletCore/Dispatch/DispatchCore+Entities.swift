extension DispatchCore {
    /// A lane as the store numbers it. Its jobs wait in sub-lanes: one for those without group and key, which is always
    /// there, and one for each share that has jobs now.
    struct Lane: Sendable {
        let key: LaneKey
        let queue: Int
        let type: Int
        /// All of its jobs are counted.
        let isCapped: Bool
        /// What its jobs take of services unless they say otherwise.
        let services: Boxed<[ServiceUse]>?
        /// Of jobs that may be fetched ahead, then of those that may not, then one for each set of services that its
        /// jobs use now.
        var tracks: [Int]
        /// The sub-lane of jobs without share.
        var plain = -1
        /// Service classes that serve it, ascending.
        var classes: [Int] = []
    }

    /// A part of a lane: the sub-lanes whose jobs may be fetched ahead, those whose jobs are counted and go to free slots
    /// only, or of the latter those whose jobs take the same of services.
    struct Track: Sendable {
        let lane: Int
        let isLimited: Bool
        /// What each of its jobs takes of services, if anything.
        let demand: ServiceDemand?
        var basePot: Int
        /// Sub-lanes.
        var lines = 0
        /// Sub-lanes that have jobs.
        var waiting = 0
        /// Its place in the heaps of its classes; nil while it cannot be served.
        var rank: LaneRank?
        var choice: ChoiceRank?
        var parking: Parking?
        /// Since when it has been passed over, for ageing.
        var waitingSince: Instant
    }

    /// Whose wait list a track is on.
    enum Parking: Hashable, Sendable {
        case queue, type, recovery
        /// What a service has against these jobs and not against others: its number among the services.
        case service(Int)
    }

    struct SubLane: Sendable {
        let lane: Int
        let share: LaneShare?
        let track: Int
        let pot: Int
        /// -1 if nothing depends on the key.
        let key: Int
        var line = LaneLine()
        var arrivals = ArrivalMarks()
        /// From before this epoch, waiting until it is known what the nodes still hold.
        var held = LaneLine()
        /// Whether it counts as one that has jobs.
        var isWaiting = false
        /// Waits for its key.
        var isParked = false
        /// As its pot knows it; nil while it cannot run.
        var head: JobID?

        var isOrdered: Bool { self.share?.isOrdered ?? false }
    }

    /// The sub-lanes of one flow in one track.
    struct Pot: Sendable {
        let track: Int
        let flow: Int
        var lines = 0
        var head: JobID?
    }

    /// The jobs of one group of a queue.
    struct Flow: Sendable {
        let queue: Int
        let group: String
        let weight: UInt64
        /// Virtual time at which its next job starts.
        var start: UInt64 = 0
        var pots: [Int] = []
        var lines = 0
        /// Sub-lanes that have jobs.
        var waiting = 0
    }

    struct Queue: Sendable {
        let name: String
        let limits: DispatchLimits.Queue
        let baseFlow: Int
        var lanes: [Int] = []
        var isPaused = false
        /// For how long jobs were ready before they went to a node, as their sub-lanes say when some are taken.
        var waits = Histogram(.jobTimes)
        /// Whether there was ever a group; until then its one flow needs no choice.
        var isGrouped = false
        /// Virtual time: when the job taken last started.
        var time: UInt64 = 0
        /// Sub-lanes, and flows, that have jobs.
        var waiting = 0
        var flowsWaiting = 0
        /// Counted jobs that are with nodes.
        var active = 0
        /// Tracks that wait for a place or for the end of the pause.
        var parked: [Int] = []
        /// The heap of a class's ``ServiceClass/poolChoices`` for its tracks of each pool.
        var poolHeaps: [(pool: Int, heap: Int)] = []

        var isOpen: Bool { !self.isPaused && self.active < self.limits.concurrency ?? .max }
    }

    struct JobType: Sendable {
        let concurrency: Int?
        var isPaused = false
        var active = 0
        var parked: [Int] = []

        var isOpen: Bool { !self.isPaused && self.active < self.concurrency ?? .max }
    }

    /// What the jobs of a queue with one key have in common.
    struct Key: Sendable {
        let queue: Int
        let name: String
        /// Counted jobs that are with nodes.
        var active = 0
        /// The ordered job that is with a node, or whose end is not durable yet.
        var holder: JobID?
        /// Ordered jobs that are pending outside of the lines: due later, or set apart. Ascending.
        var apart: [JobID] = []
        /// Sub-lanes.
        var lines: [Int] = []

        var isUnused: Bool { self.lines.isEmpty && self.active == 0 && self.holder == nil && self.apart.isEmpty }
    }

    /// A counted job that is with a node.
    struct Active: Sendable {
        let lane: Int
        let key: Int
        /// Of the services that it uses.
        let uses: [ServiceDemand.Use]
        /// When they let it through; the beginning of time if that was in an earlier epoch.
        let takenAt: Instant
    }

    /// Names of things that come and go.
    struct LineName: Hashable, Sendable {
        let lane: Int
        let share: LaneShare
    }

    struct NameInQueue: Hashable, Sendable {
        let queue: Int
        let name: String
    }

    /// Higher urgency first, then the older head.
    struct LaneRank: Comparable, Sendable {
        let urgency: Int
        let head: JobID

        static func < (a: Self, b: Self) -> Bool {
            a.urgency == b.urgency ? a.head < b.head : a.urgency > b.urgency
        }
    }

    /// The flow that is least ahead first, then the older head.
    struct FlowRank: Comparable, Sendable {
        let start: UInt64
        let head: JobID

        static func < (a: Self, b: Self) -> Bool { a.start == b.start ? a.head < b.head : a.start < b.start }
    }

    /// Higher urgency first, then the flow that is least ahead, then the older head.
    struct ChoiceRank: Comparable, Sendable {
        let urgency: Int
        let flow: FlowRank

        static func < (a: Self, b: Self) -> Bool {
            a.urgency == b.urgency ? a.flow < b.flow : a.urgency > b.urgency
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
        var load = NodeLoad()

        var held: Int { Int(clamping: self.assignedTotal - min(self.settledTotal, self.assignedTotal)) }
        var isIdle: Bool { self.held == 0 }
        var freeSlots: Int { max(0, self.slots - self.held) }

        /// How many more jobs it may hold.
        var credit: Int {
            guard !self.isPaused, !self.isGone, self.creditTotal > self.assignedTotal else { return 0 }
            return min(Int(clamping: self.creditTotal - self.assignedTotal), max(0, DispatchCore.heldMax - self.held))
        }

        /// One that gave jobs back for others gets no more than it can start, until it has nothing left that waits: what
        /// comes back does not go to and fro.
        var room: Int { self.isReserved ? 0 : self.load.isRelieved ? min(self.credit, self.freeSlots) : self.credit }
    }

    /// Free slots first, then room to fetch ahead, then the older registration.
    struct NodeRank: Comparable, Sendable {
        let freeSlots: Int
        let room: Int
        let key: NodeKey

        init(_ node: Node) {
            self.freeSlots = node.freeSlots
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
        /// Tracks that can be served, by whether their jobs may be fetched ahead.
        var open = IndexedHeap<LaneRank>()
        var limited = IndexedHeap<LaneRank>()
        /// Those whose jobs use services, by pool; pools whose services let jobs through, by their first track.
        var pools = HeapForest<LaneRank>()
        var openPools = IndexedHeap<LaneRank>()
        /// The same for each queue with groups, by whose turn it is: two heaps a queue, and one for each of its pools.
        var choices = HeapForest<ChoiceRank>()
        var poolChoices = HeapForest<ChoiceRank>()
        /// Nodes with room.
        var nodes = IndexedHeap<NodeRank>()
        var reservedCount = 0

        init(service: NodeService) {
            self.service = service
        }

        var hasWork: Bool { !self.open.isEmpty || !self.limited.isEmpty || !self.openPools.isEmpty }
        var hasFreeSlot: Bool { self.nodes.first.map { $0.rank.freeSlots > 0 } ?? false }

        mutating func update(_ track: Int, rank: LaneRank?, isLimited: Bool) {
            if isLimited { Self.update(&self.limited, track, rank) } else { Self.update(&self.open, track, rank) }
        }

        /// - Parameter isOpen: whether the services of the pool let jobs through.
        mutating func update(_ track: Int, rank: LaneRank?, in pool: Int, isOpen: Bool) {
            if let rank { self.pools.update(track, in: pool, rank: rank) } else { self.pools.remove(track, from: pool) }
            if isOpen { self.refreshPool(pool) }
        }

        private static func update(_ heap: inout IndexedHeap<LaneRank>, _ id: Int, _ rank: LaneRank?) {
            if let rank { heap.update(id, rank: rank) } else { heap.remove(id) }
        }

        /// The pool is open: it is where its first track belongs.
        mutating func refreshPool(_ pool: Int) {
            if let first = self.pools.first(in: pool) {
                self.openPools.update(pool, rank: first.rank)
            } else {
                self.openPools.remove(pool)
            }
        }

        mutating func update(_ track: Int, choice: ChoiceRank?, in heap: Int, ofPools: Bool) {
            if ofPools {
                Self.update(&self.poolChoices, heap, track, choice)
            } else {
                Self.update(&self.choices, heap, track, choice)
            }
        }

        private static func update(
            _ heaps: inout HeapForest<ChoiceRank>, _ heap: Int, _ id: Int, _ choice: ChoiceRank?
        ) {
            if let choice { heaps.update(id, in: heap, rank: choice) } else { heaps.remove(id, from: heap) }
        }
    }

    /// A node set apart for a job that must run alone.
    struct Reservation: Sendable {
        let node: Int
        let id: JobID
        /// Until the node is idle and takes it.
        var job: QueuedJob?
    }
}
