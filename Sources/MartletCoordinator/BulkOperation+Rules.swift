import MartletCore
import MartletStore
import MartletWire

extension BulkOperation {
    /// Whether it is for jobs that wait, and that no node has.
    var isForWaiting: Bool {
        switch self {
        case .purge, .reschedule, .prioritize: true
        case .cancel, .retry, .delete: false
        }
    }

    private func fits(_ state: JobState) -> Bool {
        switch self {
        case .cancel, .purge, .prioritize: !state.isTerminal
        case .reschedule: state == .scheduled || state == .ready
        case .retry: state == .dead
        case .delete: state.isTerminal
        }
    }

    /// Whether it is for this job.
    ///
    /// - Parameter isHeld: whether a node has the job, as far as that matters.
    func fits(_ record: JobRecord, _ filter: JobFilter, isHeld: Bool) -> Bool {
        guard self.fits(record.state), !(self.isForWaiting && isHeld) else { return false }
        if case .prioritize(let priority) = self, record.lane.priority == priority { return false }
        var wanted = filter
        switch filter.state {
        case .running:
            guard isHeld else { return false }
            wanted.state = nil
        case .ready, .scheduled: guard !isHeld else { return false }
        default: break
        }
        return wanted.matches(record)
    }

    /// Why it makes no sense for these jobs, if so.
    func problem(with filter: JobFilter) -> String? {
        if self == .purge, filter.queue == nil { return "a purge is for one queue: name it" }
        guard let state = filter.state else { return nil }
        if state == .running { return self == .cancel ? nil : "running jobs can be cancelled and nothing else" }
        return self.fits(state) ? nil : "jobs in the state \(state) cannot be changed like this"
    }

    /// In a word, for the log.
    var name: String {
        switch self {
        case .cancel: "cancel"
        case .retry: "retry"
        case .delete: "delete"
        case .purge: "purge"
        case .reschedule: "reschedule"
        case .prioritize: "prioritize"
        }
    }
}

extension JobFilter {
    init(_ selection: JobSelection) {
        self.init(
            state: selection.state, queue: selection.queue, type: selection.type, tag: selection.tag,
            createdBefore: selection.createdBefore, batch: selection.batch, workflow: selection.workflow,
            group: selection.group)
    }
}

extension JobSelection {
    init(_ filter: JobFilter) {
        self.init(
            state: filter.state, queue: filter.queue, type: filter.type, tag: filter.tag,
            createdBefore: filter.createdBefore, batch: filter.batch, workflow: filter.workflow, group: filter.group)
    }
}

extension BulkView {
    init(_ record: BulkRecord) {
        self.init(
            id: record.id.rawValue, action: record.operation,
            selection: JobSelection(record.filter), startedAt: record.startedAt, finishedAt: record.finishedAt,
            changed: record.changed, missed: record.missed, cursor: record.cursor, through: record.through)
    }
}
