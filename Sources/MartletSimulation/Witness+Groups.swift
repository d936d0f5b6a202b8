import MartletCore
import MartletStore

/// What the witness knows of workflows and batches: from what was submitted, not from what the store makes of it.
struct GroupWitness {
    struct Batch {
        var members: [JobID] = []
        var batches: [BatchID] = []
    }

    struct Callback {
        let batch: BatchID
        let event: BatchEvent
    }

    /// Of each job that waits for others.
    var parents: [JobID: [JobEdge]] = [:]
    /// Of the jobs of workflows.
    var names: [JobID: String] = [:]
    var batches: [BatchID: Batch] = [:]
    var batchOf: [JobID: BatchID] = [:]
    var callbacks: [JobID: Callback] = [:]
    var closed: Set<BatchID> = []
    /// Jobs that were blocked and may run.
    var released: Set<JobID> = []

    /// A submit was accepted with ids from `first` on; at the places in `gone` no job was created.
    mutating func submitted(_ submission: Submission, _ first: JobID, but gone: Set<Int>) {
        let firstJob = first.advanced(by: submission.idCount - submission.jobs.count)
        for (place, job) in submission.jobs.enumerated() where !gone.contains(place) {
            if let batch = job.options.batch { self.join(firstJob.advanced(by: place), batch) }
        }
        for (place, member) in (submission.workflow?.shape.members ?? []).enumerated() {
            let id = first.advanced(by: place)
            self.names[id] = member.name
            guard !member.parents.isEmpty else { continue }
            self.parents[id] = member.parents.map {
                JobEdge(parent: first.advanced(by: $0.parent), child: id, kind: $0.kind)
            }
        }
        guard let batch = submission.batch else { return }
        let id = BatchID(rawValue: first.rawValue)
        self.batches[id] = Batch()
        if let parent = batch.parent { self.batches[parent]?.batches.append(id) }
        for (place, event) in batch.callbacks.enumerated() {
            self.callbacks[firstJob.advanced(by: place)] = Callback(batch: id, event: event)
        }
    }

    mutating func join(_ id: JobID, _ batch: BatchID) {
        self.batches[batch]?.members.append(id)
        self.batchOf[id] = batch
    }

    /// The members of a batch and of those within it.
    func members(of id: BatchID) -> [JobID] {
        guard let batch = self.batches[id] else { return [] }
        return batch.members + batch.batches.flatMap { self.members(of: $0) }
    }

    func isClosed(_ id: BatchID) -> Bool {
        self.closed.contains(id) && (self.batches[id]?.batches ?? []).allSatisfy { self.isClosed($0) }
    }
}

extension Witness {
    /// A handler begins: those that its job waited for must have ended as it wants.
    func checkParents(of id: JobID) {
        guard let parents = self.groups.parents[id] else { return }
        self.count(.childRan)
        for edge in parents {
            // A dead parent may have been revived since.
            let wasDead = self.control.revived.contains(edge.parent)
            guard let end = self.terminal[edge.parent] ?? (wasDead ? .dead : nil) else {
                return self.fail("job \(id) began before job \(edge.parent), for which it waits, had ended")
            }
            if !edge.kind.isMet(by: end), !(wasDead && edge.kind.isMet(by: .dead)) {
                self.fail("job \(id) waits for job \(edge.parent) \(edge.kind), which ended as \(end), and began")
            }
        }
    }

    /// A job may run because of what others did.
    func released(_ id: JobID) {
        guard self.groups.parents[id] != nil || self.groups.callbacks[id] != nil else { return }
        guard self.groups.released.insert(id).inserted else { return self.fail("job \(id) was released twice") }
        guard let callback = self.groups.callbacks[id] else { return }
        self.count(.callbackReleased)
        let members = self.groups.members(of: callback.batch)
        let ends = members.map { self.terminal[$0] }
        switch callback.event {
        case .death:
            // The death of one that is within a batch within it counts when that one has ended.
            let hadDeath = ends.contains(.dead) || members.contains { self.control.revived.contains($0) }
            if !hadDeath { self.fail("job \(id) waits for a death in batch \(callback.batch), of none") }
        case .end, .success:
            if ends.contains(nil) || !self.groups.isClosed(callback.batch) {
                self.fail("job \(id) waits for the end of batch \(callback.batch), which has not ended")
            }
            if callback.event == .success, !ends.allSatisfy({ $0 == .succeeded }) {
                self.fail("job \(id) waits for the success of batch \(callback.batch), which had none")
            }
        }
    }

    /// Every member of a batch that ended is counted where it ended.
    func checkBatches(in state: StoreState) {
        for batch in state.batches(before: nil, limit: .max) {
            let known = self.groups.batches[batch.id] ?? GroupWitness.Batch()
            if batch.total != UInt64(known.members.count + known.batches.count) {
                self.fail("batch \(batch.id) counts \(batch.total) members, not \(known.members.count)")
            }
            guard known.batches.isEmpty else { continue }
            let counts: [(JobState, UInt64)] = [
                (.succeeded, batch.succeeded), (.dead, batch.dead), (.cancelled, batch.cancelled),
                (.expired, batch.expired),
            ]
            for (end, counted) in counts {
                let count = known.members.count { self.terminal[$0] == end }
                if counted != UInt64(count) {
                    self.fail("batch \(batch.id) counts \(counted) jobs that ended as \(end), not \(count)")
                }
            }
        }
    }
}
