/// Unstarted jobs that others could run now.
///
/// What was not sent yet comes back at once. What the node has it is asked for: it removes the jobs from its queue and
/// says so in a report, and only then are they anybody else's. Until then its leases stand, so that whatever overtakes
/// the answer (a start, a result, a cancel, the end of the session) simply finds the jobs where they were.
extension NodeQueueCore {
    /// A wish for jobs back that has not been answered.
    package struct LiveAsk: Hashable, Sendable {
        package let number: UInt64
        /// The node does nothing on it from then on.
        package let until: Instant
        /// Of the leases that are to come back, ascending.
        package let sequences: [UInt64]
        var gaveBack = 0

        func holds(_ sequence: UInt64) -> Bool {
            var (low, high) = (0, self.sequences.count)
            while low < high {
                let middle = (low + high) / 2
                if self.sequences[middle] < sequence { low = middle + 1 } else { high = middle }
            }
            return low < self.sequences.count && self.sequences[low] == sequence
        }
    }

    /// Jobs in one ask.
    package static let askedMax = 1024

    /// Takes back what was not sent, and has the node asked for more. Ends at once if there is nothing to ask for.
    package mutating func askBack(_ ask: AskBack, into actions: inout [Action]) {
        guard !self.isPaused else { return actions.append(.askEnded(number: ask.number, gaveBack: 0)) }
        let unsent = self.takeUnsent(ask)
        self.withdraw(unsent, areAskedFor: true, into: &actions)
        let left = min(ask.count, Self.askedMax) - unsent.count
        var sequences: [UInt64] = []
        if self.givesBack, left > 0 {
            // Those granted first are the ones that run.
            let depth = self.window.count - max(self.slots, self.running.count)
            sequences = self.window.latest(max: left, depth: depth, where: ask.mayTake).map(\.sequence).sorted()
        }
        if !unsent.isEmpty || !sequences.isEmpty { self.steals.asks += 1 }
        self.steals.asked += UInt64(unsent.count + sequences.count)
        self.steals.gaveBack += UInt64(unsent.count)
        guard !sequences.isEmpty else {
            return actions.append(.askEnded(number: ask.number, gaveBack: unsent.count))
        }
        self.ask = LiveAsk(number: ask.number, until: ask.until, sequences: sequences, gaveBack: unsent.count)
        self.isAskToTell = true
        self.tell(into: &actions)
    }

    /// The node says which ask it has answered last.
    package mutating func answered(_ number: UInt64, into actions: inout [Action]) {
        guard let ask = self.ask, ask.number <= number else { return }
        self.ask = nil
        self.isAskToTell = false
        actions.append(.askEnded(number: ask.number, gaveBack: ask.gaveBack))
    }

    /// How long jobs take there. Cut to what can be counted with.
    package mutating func took(mean: Duration) {
        self.meanDuration = mean > .zero ? min(mean, .seconds(86_400)) : nil
    }

    /// What the dispatcher goes by.
    package var standing: NodeStanding {
        NodeStanding(
            creditTotal: self.dispatchCreditTotal, settledTotal: self.settledTotal, isPaused: self.isPaused,
            meanDuration: self.meanDuration, runningCount: self.running.count)
    }

    /// Whether the job is there and waits to be started, as far as the node has said.
    package func isUnstarted(_ id: JobID) -> Bool {
        if self.running.contains(where: { $0.id == id }) { return false }
        let leased = self.window.all
        guard let place = leased.firstIndex(where: { $0.job.id == id }) else {
            return self.unsentJobs.contains { $0.id == id }
        }
        return place >= self.slots
    }

    /// Whether the node has been asked for the job.
    package func isAskedFor(_ id: JobID) -> Bool {
        guard let ask = self.ask else { return false }
        return ask.sequences.contains { self.window.job(at: $0)?.id == id }
    }

    /// The last of the unsent jobs that are wanted, in order.
    private mutating func takeUnsent(_ ask: AskBack) -> [QueuedJob] {
        guard !self.unsent.isEmpty else { return [] }
        let jobs = self.unsentJobs
        var taken: Set<Int> = []
        for place in jobs.indices.reversed() where taken.count < ask.count && ask.mayTake(jobs[place]) {
            taken.insert(place)
        }
        guard !taken.isEmpty else { return [] }
        self.unsent.removeAll()
        for place in jobs.indices where !taken.contains(place) { self.unsent.append(jobs[place]) }
        return taken.sorted().map { jobs[$0] }
    }

    /// A job that came back, marked if it was asked for.
    mutating func markedIfAsked(_ job: QueuedJob, sequence: UInt64) -> QueuedJob {
        guard self.ask?.holds(sequence) ?? false else { return job.unmarked }
        self.ask!.gaveBack += 1
        self.steals.gaveBack += 1
        var marked = job
        marked.body.wasGivenBack = true
        return marked
    }
}

extension QueuedJob {
    /// As it goes back for another reason than that it was asked for.
    var unmarked: QueuedJob {
        var job = self
        job.body.wasGivenBack = false
        return job
    }
}

/// Which jobs one node is to give back for others.
package struct AskBack: Hashable, Sendable {
    /// Grows with each.
    package let number: UInt64
    /// At most so many.
    package let count: Int
    /// What those serve who would run them.
    package let service: NodeService
    /// An answer that is not there by then is not waited for any more.
    package let until: Instant

    package init(number: UInt64, count: Int, service: NodeService, until: Instant) {
        self.number = number
        self.count = count
        self.service = service
        self.until = until
    }

    /// What is counted against a limit, or was let through by services, is for a slot that is free there.
    func mayTake(_ job: QueuedJob) -> Bool {
        let traits = job.body.traits
        return !traits.isCounted && job.startBy == .distantFuture && self.service.serves(traits.key)
    }
}

/// A node as its queue knows it: running totals, and how fast it is.
package struct NodeStanding: Hashable, Sendable {
    package let creditTotal: UInt64
    package let settledTotal: UInt64
    package let isPaused: Bool
    /// How long jobs take there; nil if that is not known.
    package let meanDuration: Duration?
    /// Jobs whose handlers run, as it said last; more than slots where handlers take many at once.
    package let runningCount: Int

    package init(
        creditTotal: UInt64, settledTotal: UInt64, isPaused: Bool, meanDuration: Duration? = nil, runningCount: Int = 0
    ) {
        self.creditTotal = creditTotal
        self.settledTotal = settledTotal
        self.isPaused = isPaused
        self.meanDuration = meanDuration
        self.runningCount = runningCount
    }
}
