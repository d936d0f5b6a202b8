package import MartletCore

/// Lists of changes, one after the other. Each returns the ids of those that could not be made, in order.
extension JobTables {
    package mutating func succeed(_ jobs: [SucceededJob], at now: WallTime) throws(StoreError) -> [JobID] {
        try jobs.inOrder { jobs throws(StoreError) in
            var missing: [JobID] = []
            for job in jobs where !(try self.succeed(job, at: now)) { missing.append(job.id) }
            return missing
        }
    }

    package mutating func update(_ updates: [JobUpdate], at now: WallTime) throws(StoreError) -> [JobID] {
        var missing: [JobID] = []
        for update in updates where !(try self.update(update, at: now)) { missing.append(update.id) }
        return missing
    }

    package mutating func move(_ changes: [LaneChange]) throws(StoreError) -> [JobID] {
        var missing: [JobID] = []
        for change in changes where !(try self.move(change)) { missing.append(change.id) }
        return missing
    }

    package mutating func save(_ checkpoints: [Checkpoint]) throws(StoreError) -> [JobID] {
        var missing: [JobID] = []
        for checkpoint in checkpoints where !(try self.saveCheckpoint(checkpoint)) { missing.append(checkpoint.id) }
        return missing
    }

    package mutating func delete(_ ids: [JobID], at now: WallTime) throws(StoreError) -> [JobID] {
        var missing: [JobID] = []
        for id in ids where !(try self.delete(id, at: now)) { missing.append(id) }
        return missing
    }
}

extension [SucceededJob] {
    /// Has them end. Jobs that were started together end in any order: plain ones are taken by id, so that neighbours
    /// can be removed together, unless one is named twice.
    ///
    /// - Parameter end: ends them in the order given, and returns the ids of those that are missing.
    /// - Returns: those, in the order named.
    package func inOrder(
        _ end: ([SucceededJob]) throws(StoreError) -> [JobID]
    ) throws(StoreError) -> [JobID] {
        guard !self.isAscending, self.allSatisfy(\.isPlain) else { return try end(self) }
        let sorted = self.sorted { $0.id < $1.id }
        guard sorted.isAscending else { return try end(self) }
        let missing = Set(try end(sorted))
        return missing.isEmpty ? [] : self.map(\.id).filter(missing.contains)
    }

    private var isAscending: Bool { zip(self, self.dropFirst()).allSatisfy { $0.id < $1.id } }
}
