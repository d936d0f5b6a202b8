extension DispatchCore {
    /// Takes waiting jobs out of whatever holds them: cancelled, or on their way to another lane or due time.
    ///
    /// Jobs that are with nodes are not touched. Takes a step for each segment of the sub-lanes named, not for each of
    /// their jobs.
    ///
    /// - Returns: the ids of those that were found, ascending.
    package mutating func remove(_ jobs: [ReadyJob], at now: Instant) -> [JobID] {
        let found = self.takeOut(jobs, at: now)
        // What was set apart for its due time, or as a suspect, holds nobody up any more.
        for job in jobs where self.active[job.id] == nil {
            self.ended(job.id, lane: job.lane, share: job.share, at: now)
        }
        return found
    }

    /// As ``remove(_:at:)``, of jobs that will come back: ordered ones go on holding up those after them.
    package mutating func take(_ jobs: [ReadyJob], at now: Instant) -> [JobID] {
        let found = self.takeOut(jobs, at: now)
        for job in jobs where found.holdsSorted(job.id) {
            self.setApart(job.id, lane: job.lane, share: job.share, at: now)
        }
        return found
    }

    private mutating func takeOut(_ jobs: [ReadyJob], at now: Instant) -> [JobID] {
        var wanted: [Int: [JobID]] = [:]
        for job in jobs {
            let lane = Int(job.lane.rawValue)
            guard lane < self.lanes.count, let line = self.subLane(lane, job.share) else { continue }
            wanted[line, default: []].append(job.id)
        }
        var found: [JobID] = []
        for line in wanted.keys.sorted() {
            let ids = wanted[line]!.sorted()
            found += self.lines[line].line.remove(ids)
            found += self.lines[line].held.remove(ids.filter { !self.claimed.contains($0) })
            self.refresh(line, at: now)
        }
        found += self.removeSuspects(jobs.map(\.id).sorted())
        return found.sorted()
    }

    private mutating func removeSuspects(_ ids: [JobID]) -> [JobID] {
        var found: [JobID] = []
        if !self.suspects.isEmpty {
            var kept = Deque<QueuedJob>()
            while let job = self.suspects.popFirst() {
                if ids.holdsSorted(job.id) { found.append(job.id) } else { kept.append(job) }
            }
            self.suspects = kept
        }
        for reservation in self.reservations {
            guard let job = reservation.job, ids.holdsSorted(job.id) else { continue }
            found.append(job.id)
            self.endReservation(of: reservation.node)
            _ = self.suspects.popFirst()
        }
        return found
    }
}
