extension DispatchCore {
    /// Ready jobs, those held and suspect included, assigned and claimed ones not.
    package var readyCount: Int {
        let alone = self.suspects.count + self.reservations.count { $0.job != nil }
        return self.lines.reduce(alone) { $0 + $1.line.count + $1.held.count } - self.claimed.count
    }

    package func isServed(_ lane: LaneID) -> Bool { !self.lanes[Int(lane.rawValue)].classes.isEmpty }

    /// Whether the job's body is being read for that sub-lane, and still wanted.
    package func isAskedFor(_ id: JobID, line: LineID) -> Bool { self.lines[Int(line.rawValue)].line.isAskedFor(id) }

    /// The job that the node is set apart for, if there is one.
    package func suspect(of key: NodeKey) -> JobID? {
        self.reservations.first { self.nodes[$0.node].key == key }?.id
    }

    /// Sub-lanes, flows and keys that are there now, those that every lane and queue has included.
    package var census: (lines: Int, flows: Int, keys: Int) {
        (
            self.lines.count - self.freeLines.count, self.flows.count - self.freeFlows.count,
            self.keys.count - self.freeKeys.count
        )
    }

    /// What keeps the next job of a lane and share from running. `.none`: only that others come first, or that no
    /// node has room.
    package func blocker(of lane: LaneID, share: LaneShare? = nil) -> Blocker {
        let index = Int(lane.rawValue)
        let (queue, type) = (self.lanes[index].queue, self.lanes[index].type)
        let share = self.effective(share, in: queue)
        if self.lanes[index].classes.isEmpty { return .nobodyServesIt }
        if self.queues[queue].isPaused { return .queuePaused }
        if self.types[type].isPaused { return .typePaused }
        let line = self.subLane(index, share)
        let isLimited = self.lanes[index].isCapped || !(share?.key.isEmpty ?? true)
        if self.isRecovering, isLimited || line.map({ !self.lines[$0].held.isEmpty }) ?? false { return .recovery }
        if isLimited, !self.queues[queue].isOpen { return .queueCap }
        if isLimited, !self.types[type].isOpen { return .typeCap }
        guard let line else { return .none }
        if let blocker = self.keyBlocker(of: line) { return blocker }
        return self.lines[line].line.isLoading ? .loading : .none
    }

    /// A queue's oldest ready job.
    package struct OldestJob: Hashable, Sendable {
        package let queue: String
        package let id: JobID
        package let lane: LaneID
        /// Since when its lane has given no job to a node.
        package let since: Instant
    }

    /// The oldest ready job of each queue that has one, by the queue's name.
    package var oldestJobs: [OldestJob] {
        var oldest: [Int: OldestJob] = [:]
        for line in self.lines {
            guard let id = [line.line.first, line.held.first].compactMap({ $0 }).min() else { continue }
            let queue = self.lanes[line.lane].queue
            if let known = oldest[queue], known.id < id { continue }
            oldest[queue] = OldestJob(
                queue: self.queues[queue].name, id: id, lane: LaneID(rawValue: UInt32(line.lane)),
                since: self.tracks[line.track].waitingSince)
        }
        return oldest.values.sorted { $0.queue < $1.queue }
    }
}
