import MartletCore
import MartletStore

/// What the witness knows of unique keys, replaced payloads, follow-ups, results and checkpoints.
struct LeavingWitness {
    /// The pending job of each unique key.
    var holders: [String: JobID] = [:]
    /// The job that keeps a unique key after its success, and until when.
    var windows: [String: (job: JobID, until: WallTime)] = [:]
    /// Numbers of jobs that a client was told were refused.
    var refused: Set<UInt64> = []
    /// What the accepted completion of each job left.
    var results: [JobID: Bytes] = [:]
    /// The number of the payload that each job has now, where a later submit has replaced it.
    var replaced: [JobID: UInt64] = [:]
    /// Payloads of which a handler has begun.
    var begun: Set<UInt64> = []
    /// Jobs whose completion was accepted although they went on.
    var ranAgain: Set<JobID> = []
    /// The parents of follow-ups that came into being, by the follow-ups' numbers.
    var parents: [UInt64: JobID] = [:]
    /// The last checkpoint of each payload that a handler was told is saved.
    var saved: [UInt64: UInt64] = [:]
}

extension Witness {
    /// A client was told that its payload `number` is with job `id`.
    func isOf(_ id: JobID, _ number: UInt64) -> Bool {
        guard let known = self.stored[id] else { return false }
        return known == number
            || self.limits[number]?.unique != nil && self.limits[known]?.unique == self.limits[number]?.unique
    }

    /// The number of the payload that a job has now.
    func payload(of id: JobID) -> UInt64? { self.leaving.replaced[id] ?? self.stored[id] }

    /// A job ends for what its handlers did: one of them was at work on the payload that was submitted last.
    func checkLastPayload(of id: JobID) {
        guard let number = self.leaving.replaced[id], !self.leaving.begun.contains(number) else { return }
        self.fail("job \(id) ended and its last payload, \(number), was never run")
    }

    // MARK: Follow-ups

    /// Completions were accepted; jobs that go on are in `again`.
    func completed(_ jobs: [SucceededJob], again: Set<JobID>) {
        for job in jobs {
            if again.contains(job.id) {
                self.count(.ranAgain)
                self.leaving.ranAgain.insert(job.id)
            } else {
                self.checkLastPayload(of: job.id)
                self.leaving.results[job.id] = job.details?.result
                self.end(job.id, .succeeded)
            }
        }
    }

    /// Checks that what accepted completions left came into being, and nothing else.
    ///
    /// - Parameter contents: gives what is stored after the group.
    func followed(_ jobs: [SucceededJob], _ waiting: [JobID], in contents: () -> StoreState) {
        var expected: [UInt64: JobID] = [:]
        var batches: [UInt64: BatchID] = [:]
        for job in jobs {
            for followUp in job.details?.followUps ?? [] {
                expected[Self.number(followUp.payload)] = job.id
                batches[Self.number(followUp.payload)] = followUp.options.batch
            }
        }
        let new = waiting.filter { self.stored[$0] == nil }
        guard !new.isEmpty || !expected.isEmpty else { return }
        let state = contents()
        for id in new {
            guard let (_, payload) = state.job(id) else { continue }
            let number = Self.number(payload)
            guard let parent = expected.removeValue(forKey: number) else {
                return self.fail("job \(id) came into being, and no completion was accepted that left it")
            }
            self.count(.followUpCreated)
            if self.leaving.parents.updateValue(parent, forKey: number) != nil {
                self.fail("follow-up \(number) came into being twice")
            }
            self.store(id, number)
            guard let batch = batches[number] else { continue }
            self.count(.followUpJoined)
            self.groups.join(id, batch)
        }
        if let (number, parent) = expected.min(by: { $0.key < $1.key }) {
            self.fail("job \(parent) succeeded, and its follow-up \(number) did not come into being")
        }
    }

    /// Nothing is stored that nobody submitted or left.
    func checkOrigins(in state: StoreState) {
        let stray = state.ids(in: Set(JobState.allCases)).first { self.stored[$0] == nil }
        if let stray { self.fail("job \(stray) is stored, and nobody submitted or left it") }
    }

    // MARK: Results and checkpoints

    /// A handler has begun to work on a payload.
    func began(payload number: UInt64) { self.leaving.begun.insert(number) }

    /// A client that waited for a job was told of its end.
    func wasTold(_ end: JobState, of id: JobID, result: Bytes?) {
        self.count(.endAwaited)
        if self.terminal[id] != end, !(end == .dead && self.control.revived.contains(id)) {
            self.fail("somebody was told that job \(id) is \(end), which is not stored")
        }
        guard end == .succeeded else { return }
        self.wasTold(result, of: id)
    }

    /// A client was told what a job that succeeded left.
    func wasTold(_ result: Bytes?, of id: JobID) {
        let left = self.leaving.results[id]
        guard let result else {
            let isKept = self.stored[id].flatMap { self.limits[$0]?.keptFor } != nil
            if isKept, left != nil { self.fail("job \(id) left a result, and somebody was told that it left none") }
            return
        }
        self.count(.resultSeen)
        if result != left { self.fail("somebody was told a result of job \(id) that no accepted completion left") }
    }

    /// A handler was told that its checkpoint is saved.
    func checkpointSaved(_ checkpoint: UInt64, for number: UInt64) {
        self.count(.checkpointSaved)
        self.leaving.saved[number] = max(checkpoint, self.leaving.saved[number] ?? 0)
    }

    /// A handler begins with what an attempt before it has saved.
    func begins(_ number: UInt64, at checkpoint: UInt64?) {
        if checkpoint != nil { self.count(.checkpointSeen) }
        guard let saved = self.leaving.saved[number], checkpoint ?? 0 < saved else { return }
        self.fail(
            "a handler of payload \(number) begins at checkpoint \(checkpoint.map { "\($0)" } ?? "none"), and \(saved) was"
                + " called saved")
    }
}
