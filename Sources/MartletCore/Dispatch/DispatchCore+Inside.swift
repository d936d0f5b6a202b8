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
    package func blocker(of lane: LaneID, share: LaneShare? = nil, at now: Instant) -> Blocker {
        let index = Int(lane.rawValue)
        let (queue, type) = (self.lanes[index].queue, self.lanes[index].type)
        let share = self.effective(share, lane: index)
        if self.lanes[index].classes.isEmpty { return .nobodyServesIt }
        if self.queues[queue].isPaused { return .queuePaused }
        if self.types[type].isPaused { return .typePaused }
        let line = self.subLane(index, share)
        let uses = self.knownUses(of: share, lane: index)
        let isCounted = self.lanes[index].isCapped || !(share?.key.isEmpty ?? true)
        let isLimited = isCounted || uses.contains { self.services[$0.service].countsJobs }
        if self.isRecovering, isLimited || line.map({ !self.lines[$0].held.isEmpty }) ?? false { return .recovery }
        if isCounted || !uses.isEmpty {
            if !self.queues[queue].isOpen { return .queueCap }
            if !self.types[type].isOpen { return .typeCap }
        }
        if let line, let blocker = self.keyBlocker(of: line) { return blocker }
        // What is before it may wait for more tokens than there are.
        for use in uses {
            if let closing = self.services[use.service].closing {
                return .service(self.services[use.service].name, closing.blocker)
            }
        }
        if let held = self.blocker(of: uses, at: now) {
            return .service(self.services[held.service].name, held.blocker)
        }
        guard let line else { return .none }
        return self.lines[line].line.isLoading ? .loading : .none
    }

    /// A ready job that comes first in its line.
    package struct FirstJob: Hashable, Sendable {
        package let queue: String
        package let type: String
        package let id: JobID
    }

    /// Those ready jobs that come first in their lines: of each queue and type those with the lowest ids, `eachMax` at
    /// most, by the names and then the ids.
    package func firstJobs(eachMax: Int) -> [FirstJob] {
        struct Kind: Hashable { let queue: Int, type: Int }
        var first: [Kind: (lane: Int, ids: [JobID])] = [:]
        for line in self.lines {
            guard let id = [line.line.first, line.held.first].compactMap({ $0 }).min() else { continue }
            let kind = Kind(queue: self.lanes[line.lane].queue, type: self.lanes[line.lane].type)
            var ids = first[kind]?.ids ?? []
            let place = ids.firstIndex { $0 > id } ?? ids.count
            guard place < eachMax else { continue }
            ids.insert(id, at: place)
            first[kind] = (line.lane, Array(ids.prefix(eachMax)))
        }
        return first.values.flatMap { lane, ids in
            let key = self.lanes[lane].key
            return ids.map { FirstJob(queue: key.queue, type: key.type, id: $0) }
        }.sorted { ($0.queue, $0.type, $0.id) < ($1.queue, $1.type, $1.id) }
    }
}
