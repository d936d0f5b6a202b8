/// What jobs wait for, for people. Looks at everything it needs to; nothing else does this.
extension DispatchCore {
    /// Why a ready job is not with a node.
    package struct Waiting: Hashable, Sendable {
        package let blocker: Blocker
        /// Since when: that its lane has given no job to a node, or that the service has been closed.
        package let since: Instant
        /// Jobs of its sub-lane that come before it.
        package let ahead: Int
        /// Tokens that are missing, for itself and those before it.
        package let missing: Int
        /// When it starts at the earliest, if anything says so.
        package let startsAt: Instant?
    }

    /// Whether the job took nodes down with it and waits for one of its own.
    package func isSuspect(_ id: JobID) -> Bool {
        (0..<self.suspects.count).contains { self.suspects[$0].id == id }
            || self.reservations.contains { $0.job?.id == id }
    }

    /// Nil if the job does not wait here: it is on its way.
    package func waiting(_ id: JobID, lane: LaneID, share: LaneShare?, at now: Instant) -> Waiting? {
        let index = Int(lane.rawValue)
        guard index < self.lanes.count, let line = self.subLane(index, share) else { return nil }
        let isHeld = self.lines[line].held.contains(id)
        guard let ahead = isHeld ? 0 : self.lines[line].line.position(of: id) else { return nil }
        let blocker = isHeld ? .recovery : self.blocker(of: lane, share: share, at: now)
        var since = self.tracks[self.lines[line].track].waitingSince
        var missing = 0
        var startsAt: Instant?
        if case .service(let name, let held) = blocker, let service = self.servicePlaces[name] {
            since = self.services[service].closing?.since ?? since
            let weight =
                self.knownUses(of: self.lines[line].share, lane: index).first { $0.service == service }?.weight ?? 1
            if let gate = self.services[service].gate, let level = gate.level(at: now) {
                missing = max(0, (ahead + 1) * weight - level)
            }
            startsAt = held?.until.map { $0 + self.delay(of: ahead * weight, at: service) }
        }
        return Waiting(blocker: blocker, since: since, ahead: ahead, missing: missing, startsAt: startsAt)
    }

    /// How long it takes for so many tokens to flow, at the rates as they are configured.
    private func delay(of tokens: Int, at service: Int) -> Duration {
        let rates = self.services[service].gate?.limits.rates ?? []
        return rates.map { $0.period * (Double(tokens) / Double($0.tokens)) }.max() ?? .zero
    }

    /// Ready jobs of a queue that wait for the same.
    package struct BacklogPart: Hashable, Sendable {
        package let blocker: Blocker
        package let type: String
        /// Empty where it does not matter.
        package let key: String
        package let count: Int
    }

    /// What the ready jobs of a queue wait for, in the order of its lanes.
    package func backlog(of name: String, at now: Instant) -> [BacklogPart] {
        guard let queue = self.queues.firstIndex(where: { $0.name == name }) else { return [] }
        var parts: [BacklogPart] = []
        for index in self.lines.indices {
            let line = self.lines[index]
            guard self.lanes[line.lane].queue == queue, !line.line.isEmpty || !line.held.isEmpty else { continue }
            let lane = LaneID(rawValue: UInt32(line.lane))
            let type = self.lanes[line.lane].key.type
            let key = line.share?.key ?? ""
            let held = line.held.count - (line.held.isEmpty ? 0 : self.claimed.count { line.held.contains($0) })
            if held > 0 { parts.append(BacklogPart(blocker: .recovery, type: type, key: key, count: held)) }
            if !line.line.isEmpty {
                let blocker = self.blocker(of: lane, share: line.share, at: now)
                parts.append(BacklogPart(blocker: blocker, type: type, key: key, count: line.line.count))
            }
        }
        let alone = self.suspects.unordered.filter { self.lanes[Int($0.lane.rawValue)].queue == queue }
        if !alone.isEmpty {
            parts.append(BacklogPart(blocker: .alone, type: "", key: "", count: alone.count))
        }
        return parts
    }
}

extension Deque {
    fileprivate var unordered: [Element] { (0..<self.count).map { self[$0] } }
}

/// What all ready jobs wait for, in numbers.
extension DispatchCore {
    package struct BacklogCount: Hashable, Sendable {
        package let queue: String
        package let blocker: Blocker
        package let count: Int
    }

    /// Sub-lanes looked at in one go.
    package static let backlogStepMax = 2048

    /// Goes through up to ``backlogStepMax`` sub-lanes from `start` on, and the suspects at the end.
    ///
    /// - Returns: where to go on; nil at the end.
    package func backlog(from start: Int, at now: Instant, into counts: inout [BacklogCount]) -> Int? {
        let end = min(start + Self.backlogStepMax, self.lines.count)
        for index in min(start, end)..<end where !self.lines[index].line.isEmpty || !self.lines[index].held.isEmpty {
            let (lane, share) = (self.lines[index].lane, self.lines[index].share)
            let queue = self.queues[self.lanes[lane].queue].name
            let held = self.lines[index].held.count
            if held > 0 { counts.append(BacklogCount(queue: queue, blocker: .recovery, count: held)) }
            guard !self.lines[index].line.isEmpty else { continue }
            let blocker = self.blocker(of: LaneID(rawValue: UInt32(lane)), share: share, at: now)
            counts.append(BacklogCount(queue: queue, blocker: blocker, count: self.lines[index].line.count))
        }
        guard end == self.lines.count else { return end }
        for job in self.suspects.unordered {
            let queue = self.queues[self.lanes[Int(job.lane.rawValue)].queue].name
            counts.append(BacklogCount(queue: queue, blocker: .alone, count: 1))
        }
        return nil
    }

    /// For how long jobs of each queue were ready before they went to a node, in the order of the queues' first use.
    package var waits: [(queue: String, times: Histogram)] { self.queues.map { ($0.name, $0.waits) } }
}
