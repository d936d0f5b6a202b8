import Martlet
import MartletCore
import MartletStore

/// What handlers are told of their jobs.
extension Witness {
    /// A handler of payload `number` begins.
    ///
    /// - Parameter wallTime: the latest that any clock has shown.
    func begins(_ number: UInt64, _ context: JobContext, by wallTime: WallTime) {
        self.checkTime(number, by: wallTime)
        self.checkLabels(context)
        self.checkAttempt(number, context)
        self.checkTold(context.id, context.parents)
    }

    private func checkTime(_ number: UInt64, by wallTime: WallTime) {
        guard let notBefore = self.limits[number]?.notBefore, !self.control.rescheduled.contains(number) else { return }
        self.count(.ranAtItsTime)
        if wallTime < notBefore {
            self.fail("payload \(number) began \(notBefore - wallTime) before the time that its submit names")
        }
    }

    /// Tags and metadata are those of the submit that made the job.
    private func checkLabels(_ context: JobContext) {
        guard let limits = self.stored[context.id].flatMap({ self.limits[$0] }) else { return }
        if !limits.tags.isEmpty { self.count(.labelsSeen) }
        if context.tags != limits.tags || context.metadata != limits.metadata {
            self.fail("a handler of job \(context.id) got other tags or metadata than were submitted")
        }
    }

    private func checkAttempt(_ number: UInt64, _ context: JobContext) {
        let id = context.id
        if context.idempotencyKey != "martlet-job-\(id)" { self.fail("job \(id) has another idempotency key") }
        // A payload stays with its job.
        if self.jobOfNumber[number].map({ $0 != id }) ?? false || !self.isOf(id, number) {
            self.fail("payload \(number) is run as job \(id)")
        }
        // Failures count from zero for a payload that replaces another one, which a handler may be at work on.
        guard self.terminal[id] == nil, self.leaving.replaced[id] == nil else { return }
        let failures = Int(self.failures[id] ?? 0)
        if context.attempt != failures + 1 {
            self.fail("job \(id) has failed \(failures) times, and this attempt is called number \(context.attempt)")
        }
    }

    /// A child sees how its parents ended, and what their accepted completions left.
    private func checkTold(_ id: JobID, _ told: [ParentJob]) {
        // Those that were deleted by themselves after their workflow had ended are no more to be seen.
        let wanted = (self.groups.parents[id] ?? []).map(\.parent).filter { !self.control.deleted.contains($0) }
        let told = told.filter { !self.control.deleted.contains($0.id) }
        guard told.map(\.id) == wanted.sorted() else {
            return self.fail("job \(id) is told of parents \(told.map(\.id)), and has \(wanted.sorted())")
        }
        for parent in told {
            if parent.name != self.groups.names[parent.id] {
                self.fail("job \(id) is told that its parent \(parent.id) is called \(parent.name)")
            }
            if !parent.state.isTerminal {
                self.fail("job \(id) is told that its parent \(parent.id) is \(parent.state), which is no end")
            }
            // What became of one that ran again is seen or not.
            guard !self.control.revived.contains(parent.id) else { continue }
            if parent.state != self.terminal[parent.id] {
                self.fail("job \(id) is told that its parent \(parent.id) is \(parent.state)")
            }
            if parent.result != nil { self.count(.parentResultSeen) }
            if parent.result?.bytes != self.leaving.results[parent.id] {
                self.fail("job \(id) is told a result of its parent \(parent.id) that is not the accepted one")
            }
        }
    }
}
