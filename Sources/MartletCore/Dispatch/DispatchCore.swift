/// Decides which node gets which job.
///
/// A pure value: events come in as calls, what is to be done comes out as actions. Ready jobs wait in sub-lanes: the
/// jobs of one lane of the store, one group and one key. Those of a lane and a group make a pot, those of a lane a
/// track (two, for what may be fetched ahead and what may not, and one for each set of external services that its jobs
/// use); a track is in the heap of every service class (nodes that serve the same queues and types) that can run it. What
/// cannot run now is in no heap, or in one that nobody looks at, so it costs nothing.
package struct DispatchCore: Sendable {
    package enum Action: Sendable {
        case assign(NodeKey, [QueuedJob])
        /// Have the node give jobs back, and answer with ``DispatchCore/askEnded(_:number:gaveBack:at:)``.
        case askBack(NodeKey, AskBack)
        /// Read these jobs, ascending, and answer with ``DispatchCore/bodiesLoaded(_:outOf:line:at:)``.
        case load(LineID, [JobID])
    }

    /// Names a sub-lane for as long as its bodies are being read.
    package struct LineID: Hashable, Sendable {
        package let rawValue: UInt32
        /// The lane of the store that it is of.
        package let lane: LaneID
    }

    /// Jobs to one node in one turn, so that a burst is shared out.
    package static let turnMax = 64
    /// The most jobs that use a service for a node in one step, if the service has room for them.
    package static let serviceTurnMax = 16
    /// Jobs that one node may hold, whatever credit it gives.
    package static let heldMax = 1 << 17
    /// After how many node deaths a job runs alone.
    package static let deathsMax = 2
    /// How long a runnable lane may be passed over before it rises one priority.
    package static let ageingInterval: Duration = .seconds(60)
    /// Lanes whose bodies are read at the same time.
    package static let loadsMax = 32

    let limits: DispatchLimits
    var lanes: [Lane] = []
    var tracks: ContiguousArray<Track> = []
    /// Of sets of services that a lane's jobs use now.
    var trackPlaces: [TrackName: Int] = [:]
    var freeTracks: [Int] = []
    var lines: ContiguousArray<SubLane> = []
    var linePlaces: [LineName: Int] = [:]
    var freeLines: [Int] = []
    var pots: ContiguousArray<Pot> = []
    var freePots: [Int] = []
    var flows: ContiguousArray<Flow> = []
    var flowPlaces: [NameInQueue: Int] = [:]
    var freeFlows: [Int] = []
    /// Flows of each queue that are ahead and have no jobs.
    var idleFlows = HeapForest<UInt64>()
    var queues: [Queue] = []
    private var queuePlaces: [String: Int] = [:]
    var types: [JobType] = []
    private var typePlaces: [String: Int] = [:]
    var keys: ContiguousArray<Key> = []
    var keyPlaces: [NameInQueue: Int] = [:]
    var freeKeys: [Int] = []
    /// Counted jobs that are with nodes.
    var active: [JobID: Active] = [:]
    /// Sub-lanes that can run, by pot; pots, by track and the oldest job; the same by whose turn it is, in queues with
    /// groups.
    var potLines = HeapForest<JobID>()
    var trackPots = HeapForest<JobID>()
    var trackFlows = HeapForest<FlowRank>()
    var parkedForRecovery: [Int] = []
    /// External services with limits.
    var services: [Service] = []
    var servicePlaces: [String: Int] = [:]
    var pools: [ServicePool] = []
    /// When a service that is closed, or a track that a service holds up, is to be looked at again.
    var serviceTimers = IndexedHeap<Instant>()
    var trackTimers = IndexedHeap<Instant>()
    var poolHeapsCount = 0
    /// When the first suspect that waits for a service may be able to run.
    var suspectsWakeAt: Instant?
    var nodes: ContiguousArray<Node> = []
    var nodePlaces: [NodeKey: Int] = [:]
    /// Of nodes that have gone.
    var freePlaces: [Int] = []
    var classes: [ServiceClass] = []
    /// Which nodes have more than they run, and which of them are asked for it.
    var steals: StealState
    /// Jobs that took nodes down with them; each runs alone on a node.
    var suspects = Deque<QueuedJob>()
    var reservations: [Reservation] = []
    var loadingCount = 0
    package private(set) var isRecovering: Bool
    private(set) var claimed: Set<JobID> = []

    /// - Parameter isRecovering: whether jobs from an earlier epoch are held until ``finishRecovery(at:)``.
    /// - Parameter now: the time of takeover, from which on services let jobs through.
    package init(
        limits: DispatchLimits = .none, isRecovering: Bool = false, at now: Instant = Instant(nanoseconds: 0)
    ) {
        self.limits = limits
        self.isRecovering = isRecovering
        self.steals = StealState(isOn: limits.isStealing)
        for name in limits.services.keys.sorted() {
            _ = self.service(name)
            self.setLimits(limits.services[name]!, of: name, at: now)
        }
    }

    // MARK: Lanes

    /// Makes known lanes up to the table's count.
    package mutating func defineLanes(_ keys: [LaneKey], at now: Instant) {
        while self.lanes.count < keys.count {
            let key = keys[self.lanes.count]
            let index = self.lanes.count
            let queue = self.queue(key.queue)
            let type = self.type(key.type)
            let isCapped = self.limits.isCapped(key)
            let tracks = [false, true].map {
                self.makeTrack(lane: index, queue: queue, isLimited: $0, demand: nil, at: now)
            }
            let services = self.limits.typeServices[key.type].flatMap { $0.isEmpty ? nil : Boxed($0) }
            var lane = Lane(
                key: key, queue: queue, type: type, isCapped: isCapped, services: services, tracks: tracks)
            lane.classes = self.classes.indices.filter {
                !self.classes[$0].members.isEmpty && self.classes[$0].service.serves(key)
            }
            self.lanes.append(lane)
            self.queues[queue].lanes.append(index)
            let track = self.track(of: index, isLimited: isCapped, services: services, at: now)
            let plain = self.freeLines.popLast() ?? self.lines.count
            let line = SubLane(lane: index, share: nil, track: track, pot: self.tracks[track].basePot, key: -1)
            if plain == self.lines.count { self.lines.append(line) } else { self.lines[plain] = line }
            self.lanes[index].plain = plain
            self.tracks[track].lines += 1
        }
    }

    mutating func queue(_ name: String) -> Int {
        if let known = self.queuePlaces[name] { return known }
        self.flows.append(Flow(queue: self.queues.count, group: "", weight: 1))
        let limits = self.limits.queues[name] ?? DispatchLimits.Queue()
        let weight = UInt64(limits.weights[""] ?? 1)
        self.flows[self.flows.count - 1] = Flow(queue: self.queues.count, group: "", weight: weight)
        self.queues.append(Queue(name: name, limits: limits, baseFlow: self.flows.count - 1))
        self.queuePlaces[name] = self.queues.count - 1
        return self.queues.count - 1
    }

    mutating func type(_ name: String) -> Int {
        if let known = self.typePlaces[name] { return known }
        self.types.append(JobType(concurrency: self.limits.types[name]))
        self.typePlaces[name] = self.types.count - 1
        return self.types.count - 1
    }

    // MARK: Jobs

    /// New ready jobs of one lane and share, ids from `first` on; bodies nil if the byte budget is used up.
    package mutating func enqueue(
        lane: LaneID, share: LaneShare? = nil, first: JobID, count: Int, bodies: ContiguousArray<JobBody>?,
        at now: Instant
    ) {
        let index = self.makeSubLane(Int(lane.rawValue), share, at: now)
        self.lines[index].arrivals.add(count, at: now)
        if let bodies {
            self.lines[index].line.append(first: first, bodies: bodies)
        } else {
            self.lines[index].line.append(first: first, count: count)
        }
        self.refresh(index, at: now)
    }

    /// A job whose body is in the store: its time has come, or somebody revived it.
    package mutating func enqueue(_ id: JobID, lane: LaneID, share: LaneShare? = nil, at now: Instant) {
        let index = self.makeSubLane(Int(lane.rawValue), share, at: now)
        self.lines[index].arrivals.add(1, at: now)
        let key = self.lines[index].key
        guard key >= 0, self.lines[index].isOrdered else {
            self.lines[index].line.append(id)
            return self.refresh(index, at: now)
        }
        self.leave(id, key: key)
        self.lines[index].line.insert(id)
        self.refresh(index, at: now)
        self.wake(key: key, at: now)
    }

    /// Jobs that a node gave back, or that are free since its leases ended.
    package mutating func giveBack(_ jobs: [QueuedJob], at now: Instant) {
        for job in jobs {
            self.settled(job.id, at: now)
            if job.body.history.nodeDeaths >= Self.deathsMax {
                self.suspect(job, at: now)
            } else {
                self.putBack(job, at: now)
            }
        }
    }

    /// A job with its body goes before all others of its sub-lane.
    mutating func putBack(_ job: QueuedJob, at now: Instant) {
        let index = self.makeSubLane(Int(job.lane.rawValue), job.share, at: now)
        let key = self.lines[index].key
        if key >= 0 { self.leave(job.id, key: key) }
        self.lines[index].line.giveBack(job)
        self.refresh(index, at: now)
        if key >= 0 { self.wake(key: key, at: now) }
    }

    /// A job that must run alone.
    mutating func suspect(_ job: QueuedJob, at now: Instant) {
        self.suspects.append(job)
        self.setApart(job.id, lane: job.lane, share: job.share, at: now)
    }

    /// The answer to ``Action/load(_:_:)``: what the store found among `ids`, which may be a prefix of those asked for.
    package mutating func bodiesLoaded(
        _ jobs: [QueuedJob], outOf ids: ArraySlice<JobID>, line: LineID, at now: Instant
    ) {
        let index = Int(line.rawValue)
        guard self.lines[index].line.isLoading else { return }
        self.loadingCount -= 1
        let key = self.lines[index].key
        let share = self.lines[index].share
        var own = jobs
        if jobs.contains(where: { !self.belongs($0, in: index) }) {
            own = jobs.filter { self.belongs($0, in: index) }
            for job in jobs where !self.belongs(job, in: index) && self.lines[index].line.isAskedFor(job.id) {
                if job.body.history.nodeDeaths >= Self.deathsMax {
                    self.suspect(job, at: now)
                } else {
                    self.putBack(job, at: now)
                }
            }
        }
        self.lines[index].line.load(own, outOf: ids)
        self.refresh(index, at: now)
        if key >= 0, share?.isOrdered == true { self.wake(key: key, at: now) }
    }

    /// Neither a suspect nor of another share than the line was told.
    private func belongs(_ job: QueuedJob, in index: Int) -> Bool {
        guard job.body.history.nodeDeaths < Self.deathsMax else { return false }
        let share = self.lines[index].share
        if share == nil, job.share == nil { return true }
        return Int(job.lane.rawValue) == self.lines[index].lane
            && self.effective(job.share, lane: self.lines[index].lane) == share
    }

    /// The load failed; the lane asks again when its turn comes.
    package mutating func loadFailed(line: LineID, at now: Instant) {
        let index = Int(line.rawValue)
        guard self.lines[index].line.isLoading else { return }
        self.loadingCount -= 1
        self.lines[index].line.loadFailed()
        self.refresh(index, at: now)
    }

    // MARK: Recovery

    /// A job from before this epoch; held while recovering.
    package mutating func recover(
        _ id: JobID, lane: LaneID, share: LaneShare? = nil, at now: Instant = Instant(nanoseconds: 0)
    ) {
        precondition(self.isRecovering, "jobs are recovered before anything is served")
        let index = self.makeSubLane(Int(lane.rawValue), share, at: now)
        if self.lines[index].isOrdered {
            self.lines[index].held.insert(id)
        } else {
            self.lines[index].held.append(id)
        }
    }

    /// A node proved to hold this job; it is the node's from now on.
    ///
    /// - Returns: false if the job is not one that was recovered and waits.
    package mutating func claim(_ id: JobID, lane: LaneID, share: LaneShare? = nil) -> Bool {
        guard self.isRecovering, !self.claimed.contains(id),
            let index = self.subLane(Int(lane.rawValue), share), self.lines[index].held.contains(id)
        else { return false }
        self.claimed.insert(id)
        let uses = self.tracks[self.lines[index].track].demand?.uses ?? []
        self.hold(uses)
        self.activate(
            id, lane: self.lines[index].lane, key: self.lines[index].key, isOrdered: self.lines[index].isOrdered,
            uses: uses, at: Instant(nanoseconds: 0))
        return true
    }

    /// Lets the held jobs run that no node claimed, and what waited for it to be known what nodes hold.
    package mutating func finishRecovery(at now: Instant) {
        guard self.isRecovering else { return }
        self.isRecovering = false
        for index in self.lines.indices where !self.lines[index].held.isEmpty {
            let held = self.lines[index].held
            self.lines[index].held = LaneLine()
            self.lines[index].arrivals.add(held.count, at: now)
            self.lines[index].line.prepend(held, excluding: self.claimed, isOrdered: self.lines[index].isOrdered)
            self.refresh(index, at: now)
        }
        self.claimed = []
        let parked = self.parkedForRecovery
        self.parkedForRecovery = []
        self.unpark(parked, at: now)
        for key in self.keys.indices { self.wake(key: key, at: now) }
    }
}
