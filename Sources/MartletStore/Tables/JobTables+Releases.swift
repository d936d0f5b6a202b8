package import MartletCore

/// How the end of jobs and batches reaches those that wait for them: within the group that ended them as far as its
/// bound allows; the rest is stored and carried on with in later groups, so that none takes long.
extension JobTables {
    /// At the end of a group, after its changes.
    package mutating func carryOnReleases(limit: Int, at now: WallTime) throws(StoreError) {
        var left = limit
        while left > 0, let release = self.releases.popFirst() {
            let (seen, rest) = try self.carryOut(release, limit: left, at: now)
            left -= seen
            if let rest { self.releases.prepend(rest) }
        }
        while let release = self.releases.popFirst() { try self.store(release) }
        self.consequences.hasReleases = self.storedReleaseCount > 0
    }

    /// Sees to at most `limit` dependents of what earlier groups left.
    package mutating func releaseStored(limit: Int, at now: WallTime) throws(StoreError) {
        var left = limit
        while left > 0, let release = try self.firstStoredRelease() {
            let (seen, rest) = try self.carryOut(release, limit: left, at: now)
            left -= seen
            try self.replaceFirstStoredRelease(by: rest)
        }
    }

    /// - Returns: how many dependents were seen to, at least one; and what is left to do.
    private mutating func carryOut(
        _ release: Release, limit: Int, at now: WallTime
    ) throws(StoreError) -> (seen: Int, rest: Release?) {
        switch release.source {
        case .batch(let id):
            try self.settleBatch(id, at: now)
            return (1, nil)
        case .job(let parent, let state):
            let edges = try self.edges(from: parent, after: release.cursor, limit: limit)
            guard let last = edges.last?.child else { return (1, nil) }
            let name = try self.memberName(of: parent) ?? ""
            for edge in edges { try self.follow(edge, from: name, endedAs: state, at: now) }
            return (edges.count, edges.count < limit ? nil : Release(release.source, cursor: last))
        }
    }

    /// A job that waited for another one hears of its end.
    private mutating func follow(
        _ edge: JobEdge, from name: String, endedAs state: JobState, at now: WallTime
    ) throws(StoreError) {
        guard var row = try self.row(edge.child), row.state == .blocked else { return }
        guard edge.kind.isMet(by: state) else {
            row.failure = JobFailure(of: edge.kind, parent: edge.parent, name: name, endedAs: state)
            return try self.cancel(row, at: now)
        }
        row.waits -= 1
        if row.waits == 0 { try self.unblock(row, at: now) } else { try self.write(row) }
    }

    /// A blocked job waits for nobody any more.
    mutating func unblock(_ blocked: JobRow, at now: WallTime) throws(StoreError) {
        var row = blocked
        let isDue = row.due.map { $0 <= now } ?? true
        row.state = isDue ? .ready : .scheduled
        if isDue { row.due = nil }
        row.waits = 0
        row.expires = row.options.expiry.map { (row.due ?? now) + $0 }
        self.count(in: row.lane) { $0.move(from: .blocked, to: row.state) }
        try self.write(row)
        self.becameWaiting(row)
    }

    /// A blocked job will never run.
    mutating func cancel(_ row: JobRow, at now: WallTime) throws(StoreError) {
        let keptFor = row.flags.contains(.workflowMember) ? nil : Change.unneededKeptFor
        try self.end(row, as: .cancelled, keptFor: keptFor, at: now)
        self.consequences.ended.append(row.id)
    }

    /// A job has ended: so much less is open of what it is part of, and those that wait for it are to hear of it.
    ///
    /// - Parameter keptFor: how long it is to stay; nil for ever.
    mutating func leaveGroups(_ row: inout JobRow, keptFor: Duration?, at now: WallTime) throws(StoreError) {
        if row.flags.contains(.parent) { self.releases.append(Release(.job(row.id, as: row.state))) }
        if row.flags.contains(.workflowMember) { try self.leaveWorkflow(&row, keptFor: keptFor, at: now) }
        if row.flags.contains(.batchMember), let batch = row.options.batch {
            try self.leaveBatch(batch, as: row.state)
        }
    }

    /// A dead job is to run again. Those that waited for it have heard of its end and do not hear of it again.
    mutating func rejoinGroups(_ row: inout JobRow, at now: WallTime) throws(StoreError) {
        row.flags.remove(.parent)
        if row.flags.contains(.workflowMember) { try self.rejoinWorkflow(&row, at: now) }
        if row.flags.contains(.batchMember), let batch = row.options.batch { try self.rejoinBatch(batch) }
    }

    /// Removes workflows and batches that have ended and stayed for long enough, with the jobs of the workflows.
    ///
    /// - Parameter limit: of rows of any kind.
    /// - Returns: how many rows were removed; as many as `limit` if there may be more.
    package mutating func purgeGroups(limit: Int, at now: WallTime) throws(StoreError) -> Int {
        var left = max(limit, 0)
        for id in try self.batchesOver(at: now, limit: left) {
            try self.removeBatch(id)
            left -= 1
        }
        for workflow in try self.workflowsOver(at: now, limit: left) where left > 0 {
            let last = workflow.id.advanced(by: workflow.total - 1)
            left -= try self.removeEdges(from: workflow.id...last, limit: left)
            for id in try self.jobs(of: workflow.id, limit: left) {
                if let row = try self.row(id) { try self.erase(row) }
                try self.removeMember(id)
                left -= 1
            }
            guard left > 0 else { break }
            try self.removeWorkflow(workflow.id)
            left -= 1
        }
        return max(limit, 0) - left
    }
}

extension Change {
    /// How many jobs one group lets go on because of others that it ends. More are left to ``release(limit:)``.
    package static let releasedMax = 1000
    /// How long a job outside of a workflow stays visible that was not needed: the callback of a batch.
    package static let unneededKeptFor: Duration = .seconds(3600)
}
