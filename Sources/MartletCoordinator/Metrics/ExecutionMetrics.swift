package import MartletCore
import MartletObservability
import Synchronization

/// What nodes did, in numbers, for all node queues together. Reached once for a delivery and once for a report.
package final class ExecutionMetrics: Sendable {
    /// Jobs of one lane that were sent together and reported together.
    struct Run: Sendable {
        let lane: LaneID
        let duration: Duration
        let count: UInt64
    }

    package struct Queue: Sendable {
        package let name: String
        package fileprivate(set) var runs = Histogram(.jobTimes)
        package fileprivate(set) var failed: UInt64 = 0
        package fileprivate(set) var dead: UInt64 = 0
    }

    package struct Counts: Sendable {
        package fileprivate(set) var started: UInt64 = 0
        package fileprivate(set) var returned: UInt64 = 0
        package fileprivate(set) var refused: UInt64 = 0
        /// In the order of first use; those beyond ``Metric/queuesMax`` share the last one.
        package fileprivate(set) var queues: [Queue] = []
    }

    private struct State {
        var counts = Counts()
        var placesByName: [String: Int] = [:]
        /// By lane; -1 while it is not known.
        var places: [Int] = []
    }

    private let lanes: LaneDirectory
    private let state = Mutex(State())

    init(lanes: LaneDirectory) {
        self.lanes = lanes
    }

    package var counts: Counts { self.state.withLock { $0.counts } }

    func started(_ count: Int) { self.state.withLock { $0.counts.started &+= UInt64(count) } }

    /// What a report said.
    func reported(_ runs: [Run], returned: Int, refused: Int) {
        guard !runs.isEmpty || returned > 0 || refused > 0 else { return }
        self.state.withLock { state in
            state.counts.returned &+= UInt64(returned)
            state.counts.refused &+= UInt64(refused)
            for run in runs {
                let place = self.place(of: run.lane, in: &state)
                state.counts.queues[place].runs.record(run.duration, count: run.count)
            }
        }
    }

    /// Attempts have failed, and that is durable.
    func failed(_ attempts: [FailedAttempt], missing: Set<JobID>) {
        guard !attempts.isEmpty else { return }
        self.state.withLock { state in
            for attempt in attempts where !missing.contains(attempt.job.id) {
                let place = self.place(of: attempt.job.lane, in: &state)
                if attempt.history != attempt.job.body.history { state.counts.queues[place].failed &+= 1 }
                if case .dead = attempt.next { state.counts.queues[place].dead &+= 1 }
            }
        }
    }

    private func place(of lane: LaneID, in state: inout State) -> Int {
        let index = Int(lane.rawValue)
        while state.places.count <= index { state.places.append(-1) }
        if state.places[index] >= 0 { return state.places[index] }
        var name = self.lanes.key(of: lane).queue
        if state.placesByName[name] == nil, state.counts.queues.count >= Metric.queuesMax { name = Metric.otherName }
        let place = state.placesByName[name] ?? state.counts.queues.count
        if place == state.counts.queues.count { state.counts.queues.append(Queue(name: name)) }
        state.placesByName[name] = place
        state.places[index] = place
        return place
    }
}

/// Adds up, item by item, for how long the jobs of a report were away: one time for all of a lane that were sent together.
struct RunTally {
    private(set) var runs: [ExecutionMetrics.Run] = []
    private var sequences: Range<UInt64> = 0..<0
    private var since: Instant?
    private var lane: LaneID?
    private var count: UInt64 = 0
    private let now: Instant

    init(at now: Instant) {
        self.now = now
    }

    /// Whether the times of the lease are not known here.
    func needsGrant(of sequence: UInt64) -> Bool { !self.sequences.contains(sequence) }

    /// Leases from now on are of this grant.
    mutating func begin(_ grant: (sequences: Range<UInt64>, since: Instant)?) {
        self.finish()
        self.sequences = grant?.sequences ?? 0..<0
        self.since = grant?.since
    }

    mutating func add(_ lane: LaneID) {
        if self.lane != lane {
            self.finish()
            self.lane = lane
        }
        self.count += 1
    }

    mutating func finish() {
        if let lane, let since, self.count > 0 {
            self.runs.append(ExecutionMetrics.Run(lane: lane, duration: self.now - since, count: self.count))
        }
        self.lane = nil
        self.count = 0
    }
}
