import MartletCore
import MartletRuntime
import MartletSimulation
import MartletStore
import Synchronization
import Testing

@Suite struct SimulatedStoreTests {
    /// How a submit ended, and how many of its jobs the disk holds.
    private struct Attempt: Hashable {
        var error: StoreError.Code?
        /// The process died before it heard.
        var isUnanswered = false
        var jobs: Int
        var took: Duration = .zero
    }

    /// Submits three jobs from a process that dies after `life`.
    private func submit(seed: UInt64, faults: DiskFaults, life: Duration = .seconds(10)) -> Attempt {
        let world = SimulatedWorld(seed: seed)
        let process = world.makeProcess("coordinator")
        let disk = InMemoryStore.Disk()
        let store = SimulatedStore(
            disk: disk, process: process, world: world, witness: Witness(), faults: { faults })
        let result = Mutex<(Result<Void, any Error>, Instant)?>(nil)
        let start = world.now
        process.spawn {
            do {
                let opening = try await store.open()
                let job = NewJob(lane: LaneID(rawValue: 0), options: JobOptions(), payload: .empty)
                let session = SessionID(high: 1, low: 1)
                let group = CommitGroup(
                    epoch: opening.epoch, now: process.wallTime,
                    newLanes: [(LaneID(rawValue: 0), LaneKey(queue: "q", type: "t", priority: .normal))],
                    changes: [
                        .openSession(session),
                        .submit(Submission(session: session, sequence: 1, jobs: [job, job, job])),
                    ])
                _ = try await store.commit(group)
                result.withLock { $0 = (.success(()), process.now) }
            } catch {
                result.withLock { $0 = (.failure(error), process.now) }
            }
        }
        world.run(until: start + life)
        process.crash()
        world.run(until: start + .seconds(20))
        let jobs = disk.contents.readyJobs(after: nil, limit: 10).count
        guard let (outcome, end) = result.withLock({ $0 }) else { return Attempt(isUnanswered: true, jobs: jobs) }
        switch outcome {
        case .success: return Attempt(jobs: jobs, took: end - start)
        case .failure(let error): return Attempt(error: (error as? StoreError)?.code, jobs: jobs, took: end - start)
        }
    }

    @Test func aFailureSaysTruthfullyWhatBecameOfTheGroup() {
        var faults = DiskFaults()
        faults.rolledBack = 0.2
        faults.diskFull = 0.2
        faults.outcomeUnknown = 0.4
        let attempts = (1...300 as ClosedRange<UInt64>).map { self.submit(seed: $0, faults: faults) }
        var jobs: [StoreError.Code?: Set<Int>] = [:]
        for attempt in attempts { jobs[attempt.error, default: []].insert(attempt.jobs) }
        #expect(jobs == [nil: [3], .rolledBack: [0], .diskFull: [0], .outcomeUnknown: [0, 3]])
        #expect(attempts.allSatisfy { $0.took > .zero && !$0.isUnanswered })
    }

    /// Whenever the process dies, the disk has all of the group or nothing of it, and what was answered is there.
    @Test func aCrashLeavesAllOrNothing() {
        var faults = DiskFaults()
        faults.latency = .milliseconds(1)...(.milliseconds(2))
        faults.stallProbability = 0
        let attempts = (1...300 as ClosedRange<UInt64>).map { seed in
            self.submit(seed: seed, faults: faults, life: .microseconds(Int64(seed) * 10))
        }
        #expect(Set(attempts.filter(\.isUnanswered).map(\.jobs)) == [0, 3])
        #expect(Set(attempts.filter { !$0.isUnanswered }.map(\.jobs)) == [3])
        #expect(attempts.allSatisfy { $0.isUnanswered || $0.took >= .milliseconds(1) })
    }
}
