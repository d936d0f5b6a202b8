package import MartletCore
import MartletWire

extension WorkerCore {
    /// A handler has reached a point from which a later attempt may go on.
    ///
    /// - Returns: false if that cannot be kept: the job is no longer this node's, or the coordinator is too old. Else
    ///   ``Action/checkpointJudged(_:_:isSaved:)`` will come.
    package mutating func checkpoint(
        _ id: JobID, in slot: Int, use: UInt64, _ value: Bytes, into actions: inout [Action]
    ) -> Bool {
        let checkpoint = PendingCheckpoint(slot: slot, run: self.slots[slot].run, id: id, use: use, value: value)
        guard self.features.contains(.completions) || !self.isRegistered, self.job(of: checkpoint) != nil else {
            return false
        }
        self.checkpoints.append(checkpoint)
        actions.append(.wakeReporter)
        return true
    }

    /// The job, if the very attempt that saves it still has it. One that was told to stop may say how far it has come.
    private func job(of checkpoint: PendingCheckpoint) -> HeldJob? {
        let slot = self.slots[checkpoint.slot]
        guard slot.holdsJob, slot.run == checkpoint.run else { return nil }
        return slot.held.first { $0.isOurs && $0.id == checkpoint.id }
    }

    /// As many as one report takes, under the leases that their jobs have now.
    mutating func takeCheckpoints(
        into actions: inout [Action]
    ) -> (items: [Report.Item], pending: [PendingCheckpoint]) {
        guard !self.checkpoints.isEmpty else { return ([], []) }
        var items: [Report.Item] = []
        var taken: [PendingCheckpoint] = []
        var left: [PendingCheckpoint] = []
        var bytes = 0
        for checkpoint in self.checkpoints {
            guard let job = self.job(of: checkpoint) else {
                actions.append(.checkpointJudged(checkpoint.slot, use: checkpoint.use, isSaved: false))
                continue
            }
            guard items.isEmpty || bytes + checkpoint.value.count <= Self.reportBytesMax,
                items.count < Report.itemsMax / 2
            else {
                left.append(checkpoint)
                continue
            }
            bytes += checkpoint.value.count
            items.append(job.item(.checkpoint(checkpoint.value)))
            taken.append(checkpoint)
        }
        self.checkpoints = left
        return (items, taken)
    }

    /// The handlers of this slot wait in vain.
    mutating func dropCheckpoints(of slot: Int, into actions: inout [Action]) {
        for checkpoint in self.checkpoints where checkpoint.slot == slot {
            actions.append(.checkpointJudged(slot, use: checkpoint.use, isSaved: false))
        }
        self.checkpoints.removeAll { $0.slot == slot }
        for checkpoint in self.outstanding?.checkpoints ?? [] where checkpoint.slot == slot {
            actions.append(.checkpointJudged(slot, use: checkpoint.use, isSaved: false))
        }
    }
}
