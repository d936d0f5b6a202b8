import Martlet
import MartletCoordinator
import MartletCore
import MartletStore

/// What the witness knows of what people did to jobs that waited or had ended.
struct ControlWitness {
    /// An operation on all jobs that match.
    struct Bulk {
        let operation: BulkOperation
        /// The jobs that it is for, as far as that can be said when it begins, each with how often it had ended by then.
        var wanted: [JobID: Int] = [:]
        var changed: [JobID] = []
    }

    var bulks: [BulkID: Bulk] = [:]
    /// When each job came into being.
    var created: [JobID: WallTime] = [:]
    /// How often each job has ended.
    var ends: [JobID: Int] = [:]
    /// Jobs that were dead once and were to run again.
    var revived: Set<JobID> = []
    /// Jobs that were removed at somebody's wish.
    var deleted: Set<JobID> = []
    /// Since when a client knows that a job is cancelled.
    var goneSince: [JobID: Instant] = [:]
    /// Payloads of jobs that were put off or hastened.
    var rescheduled: Set<UInt64> = []
    /// Until when jobs stay that have succeeded.
    var keptUntil: [JobID: WallTime] = [:]
}

/// What changes by an operation on many jobs is what matches, all of it, and what is reported.
extension Witness {
    /// A message that is late, what a node has fetched ahead, and a lease that nobody could take back in time.
    private static let startedAfterMax = SimulatedCluster.times.leaseDuration * 2

    func began(_ record: BulkRecord, in contents: () -> StoreState) {
        var bulk = ControlWitness.Bulk(operation: record.operation)
        let states = record.operation.states.filter { (record.filter.state ?? $0) == $0 }
        if !states.isEmpty {
            for id in contents().ids(in: states) where self.matches(id, record.filter) == true {
                bulk.wanted[id] = self.control.ends[id] ?? 0
            }
        }
        if self.control.bulks.updateValue(bulk, forKey: record.id) != nil {
            self.fail("two operations on many jobs are number \(record.id.rawValue)")
        }
    }

    /// Whether a job is one of those meant, but for its state; nil if the witness cannot say.
    private func matches(_ id: JobID, _ filter: JobFilter) -> Bool? {
        guard let limits = self.stored[id].flatMap({ self.limits[$0] }), filter.workflow == nil,
            let created = self.control.created[id]
        else { return nil }
        return filter.queue ?? limits.queue == limits.queue && filter.type ?? limits.type == limits.type
            && (filter.tag.map { limits.tags.contains($0) } ?? true)
            && (filter.group == nil || filter.group == limits.group)
            && (filter.batch == nil || filter.batch == self.groups.batchOf[id])
            && (filter.createdBefore.map { created < $0 } ?? true)
    }

    func stepped(_ step: BulkStep, but missing: [JobID], in contents: () -> StoreState) {
        let gone = Set(missing)
        let changed = step.work.ids.filter { !gone.contains($0) }
        let record = step.record
        guard self.control.bulks[record.id] != nil else {
            return self.fail("operation \(record.id.rawValue) goes on, and never began")
        }
        self.control.bulks[record.id]!.changed += changed
        for id in changed where self.matches(id, record.filter) == false {
            self.fail("job \(id) does not match operation \(record.id.rawValue), which changed it")
        }
        switch record.operation {
        case .delete: self.deleted(changed, in: contents)
        case .purge: self.purged(changed, in: contents)
        default: break
        }
        if case .reschedule(let changes) = step.work { self.rescheduled(changes) }
        if record.finishedAt != nil { self.finished(record, in: contents) }
    }

    private func purged(_ ids: [JobID], in contents: () -> StoreState) {
        guard !ids.isEmpty else { return }
        let state = contents()
        for id in ids {
            self.count(.jobPurged)
            if let record = state.job(id)?.record, record.workflow == nil {
                self.fail("job \(id) was purged and is still stored, \(record.state)")
            }
        }
    }

    func deleted(_ ids: [JobID], in contents: () -> StoreState) {
        guard !ids.isEmpty else { return }
        let state = contents()
        for id in ids {
            self.count(.jobDeleted)
            if self.terminal[id] == nil { self.fail("job \(id) was deleted before it had ended") }
            if !self.control.deleted.insert(id).inserted { self.fail("job \(id) was deleted twice") }
            if state.job(id) != nil { self.fail("job \(id) was deleted and is still stored") }
        }
    }

    /// Nothing is left that an operation was for when it began.
    private func finished(_ record: BulkRecord, in contents: () -> StoreState) {
        guard let wanted = self.control.bulks[record.id]?.wanted, !wanted.isEmpty else { return }
        self.control.bulks[record.id]!.wanted = [:]
        let state = contents()
        for (id, ends) in wanted.sorted(by: { $0.key < $1.key }) where self.control.ends[id] ?? 0 == ends {
            guard let job = state.job(id)?.record, record.operation.states.contains(job.state) else { continue }
            // What is part of a workflow stays as long as that.
            if record.operation == .delete, job.workflow != nil { continue }
            self.fail("operation \(record.id.rawValue), \(record.operation), left out job \(id), \(job.state)")
        }
    }

    /// A client was told what came of an operation on all jobs that match.
    func bulkAcknowledged(_ change: BulkChange) {
        guard let bulk = self.control.bulks[BulkID(rawValue: change.id)] else {
            return self.fail("operation \(change.id) was acknowledged and is not stored")
        }
        if change.count > 0 { self.count(.bulkOperation) }
        let isRight = change.isFinished ? change.count == bulk.changed.count : change.count <= bulk.changed.count
        if !isRight {
            self.fail("operation \(change.id) says it changed \(change.count) jobs, not \(bulk.changed.count)")
        }
        self.isGone(bulk.changed)
    }

    func revived(_ id: JobID) {
        guard self.terminal[id] == .dead else {
            let state = self.terminal[id].map { "\($0)" } ?? "pending"
            return self.fail("job \(id) was to run again though it was \(state)")
        }
        if self.control.deleted.contains(id) { self.fail("job \(id) was deleted and is to run again") }
        self.count(.jobRevived)
        self.terminal[id] = nil
        self.control.revived.insert(id)
        self.failures[id] = 0
        // A checkpoint goes with the job's end.
        if let number = self.payload(of: id) { self.leaving.saved[number] = nil }
        self.takesKeyAgain(id)
    }

    /// A client was told that a job is to run again.
    func retryAcknowledged(_ id: JobID) {
        if !self.control.revived.contains(id) { self.fail("the retry of job \(id) was acknowledged but is not stored") }
    }

    /// A client was told that a job is removed.
    func deleteAcknowledged(_ id: JobID) {
        if !self.control.deleted.contains(id) { self.fail("the removal of job \(id) was acknowledged, and not stored") }
    }

    func isGone(_ ids: [JobID]) {
        for id in ids where self.terminal[id] == .cancelled && self.control.goneSince[id] == nil {
            self.control.goneSince[id] = self.clock()
        }
    }

    /// A handler begins, and its job has ended.
    func checkGone(_ id: JobID) {
        switch self.terminal[id] {
        case .succeeded?, .dead?: self.fail("job \(id) began after it had ended as \(self.terminal[id]!)")
        case .cancelled?:
            // Nodes hear of it with what they are told next.
            guard let since = self.control.goneSince[id], self.clock() - since > Self.startedAfterMax else { return }
            self.fail("job \(id) began long after somebody was told that it is cancelled or purged")
        default: break
        }
    }

    func rescheduled(_ changes: [Rescheduling]) {
        self.control.rescheduled.formUnion(changes.compactMap { self.payload(of: $0.id) })
    }
}

/// How long jobs stay that are over.
extension Witness {
    func keeps(_ id: JobID, _ number: UInt64, _ end: JobState) {
        self.control.ends[id, default: 0] += 1
        guard end == .succeeded, self.groups.names[id] == nil, let keptFor = self.limits[number]?.keptFor else {
            return
        }
        self.control.keptUntil[id] = self.now + keptFor
    }

    /// The last change of a group made room, perhaps.
    func removed(by change: Change?, _ outcome: ChangeOutcome?, in contents: () -> StoreState) {
        switch (change, outcome) {
        case (.trim(let trim)?, .purged(let count)?):
            if count > 0 { self.count(.keptTrimmed) }
            let state = contents()
            if count < trim.limit, state.keptBytes(in: trim.queue) > trim.bytesMax {
                self.fail("queue \(trim.queue) keeps \(state.keptBytes(in: trim.queue)) bytes after it was trimmed")
            }
            for id in self.unfinished where state.job(id) == nil { self.fail("a trim took job \(id), not ended") }
        case (.purge(let limit)?, .purged(let count)?):
            guard count < limit else { return }
            self.checkAges(in: contents())
        default: break
        }
    }

    private func checkAges(in state: StoreState) {
        for (id, until) in self.control.keptUntil.sorted(by: { $0.key < $1.key }) {
            let isStored = state.job(id) != nil
            if until <= self.now {
                self.count(.keptPurged)
                self.control.keptUntil[id] = nil
                if isStored { self.fail("job \(id) stays though its time to stay has passed") }
            } else if !isStored, !self.control.deleted.contains(id), self.isKeptByAge(id) {
                self.fail("job \(id) is gone before its time to stay has passed")
            }
        }
    }

    private func isKeptByAge(_ id: JobID) -> Bool {
        guard let queue = self.stored[id].flatMap({ self.limits[$0]?.queue }) else { return false }
        return SimulatedCluster.queues[queue]?.retention?.bytesMax == nil
    }

    /// In the end no queue keeps more than it may.
    func checkKept(in state: StoreState) {
        for name in SimulatedCluster.queues.keys.sorted() {
            guard let bytesMax = SimulatedCluster.queues[name]!.retention?.bytesMax else { continue }
            let bytes = state.keptBytes(in: name)
            if bytes > bytesMax { self.fail("queue \(name) keeps \(bytes) bytes, over its bound") }
        }
    }
}

extension BulkOperation {
    /// In which states a job is that it changes for certain; none if that depends on what nodes have.
    fileprivate var states: Set<JobState> {
        switch self {
        case .cancel: [.blocked, .scheduled, .ready]
        case .retry: [.dead]
        case .delete: [.succeeded, .dead, .cancelled, .expired]
        case .purge, .reschedule, .prioritize: []
        }
    }
}

extension BulkStep.Work {
    fileprivate var ids: [JobID] {
        switch self {
        case .update(let updates): updates.map(\.id)
        case .delete(let ids): ids
        case .move(let changes): changes.map(\.id)
        case .reschedule(let changes): changes.map(\.id)
        }
    }
}
