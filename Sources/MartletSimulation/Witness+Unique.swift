import MartletCore
import MartletStore

/// Unique keys: of each, one job is pending at most, and none comes into being within the window after a success.
extension Witness {
    /// The job that has a key now, because it is pending or within its window.
    private func holder(of name: String) -> JobID? {
        if let holder = self.leaving.holders[name] { return holder }
        guard let window = self.leaving.windows[name], window.until > self.now else { return nil }
        return window.job
    }

    /// A submit was accepted, and this job of it was not created.
    func excepted(_ number: UInt64, _ exception: SubmitException) {
        guard let limits = self.limits[number], let name = limits.unique else {
            return self.fail("payload \(number), which has no unique key, was not created")
        }
        if limits.isRefused { self.fail("payload \(number) was to be refused, and was let in as job \(exception.id)") }
        guard self.holder(of: name) == exception.id else {
            return self.fail("payload \(number) met job \(exception.id), which does not have key \(name)")
        }
        let isPending = self.leaving.holders[name] == exception.id
        guard case .replaced = exception.kind else {
            return self.count(isPending ? .duplicateMet : .keyWindowMet)
        }
        guard isPending else { return self.fail("job \(exception.id) got payload \(number) after it had ended") }
        self.count(.payloadReplaced)
        self.leaving.replaced[exception.id] = number
        self.failures[exception.id] = 0
    }

    /// Nothing of a submit was accepted because the key of one of its jobs is taken.
    func refused(_ submission: Submission, _ place: Int, _ existing: JobID?) {
        let number = Self.number(submission.jobs[place].payload)
        guard let limits = self.limits[number], let name = limits.unique else {
            return self.fail("payload \(number), which has no unique key, was refused for it")
        }
        self.count(.duplicateRefused)
        if !limits.isRefused, !submission.isGrouped {
            self.fail("payload \(number) was refused, and did not ask for that")
        }
        if let existing {
            guard self.holder(of: name) != existing else { return }
            self.fail("payload \(number) was refused because of job \(existing), which does not have key \(name)")
        } else {
            let before = submission.jobs[..<place].contains {
                self.limits[Self.number($0.payload)]?.unique == name
            }
            if !before { self.fail("payload \(number) was refused, and no other of its submit has key \(name)") }
        }
    }

    /// A client was told that its submit of these was refused.
    func wasRefused(_ numbers: [UInt64]) {
        self.leaving.refused.formUnion(numbers)
        for number in numbers where self.jobOfNumber[number] != nil {
            self.fail("payload \(number) is stored, and its client was told that it was refused")
        }
    }

    func checkRefused(_ number: UInt64) {
        guard self.leaving.refused.contains(number) else { return }
        self.fail("payload \(number) was stored after its client was told that it was refused")
    }

    func holdsKey(_ id: JobID, _ number: UInt64) {
        guard let name = self.limits[number]?.unique else { return }
        if let other = self.holder(of: name) {
            self.fail("jobs \(other) and \(id) have key \(name)")
        }
        self.leaving.holders[name] = id
        self.leaving.windows[name] = nil
    }

    /// A dead job is to run again: its key is its own again, unless somebody else has it.
    func takesKeyAgain(_ id: JobID) {
        guard let name = self.stored[id].flatMap({ self.limits[$0]?.unique }), self.holder(of: name) == nil else {
            return
        }
        self.leaving.holders[name] = id
        self.leaving.windows[name] = nil
    }

    func releasesKey(_ id: JobID, _ number: UInt64, _ end: JobState) {
        guard let limits = self.limits[number], let name = limits.unique, self.leaving.holders[name] == id else {
            return
        }
        self.leaving.holders[name] = nil
        if end == .succeeded, let window = limits.window {
            self.leaving.windows[name] = (id, self.now + window)
        }
    }
}
