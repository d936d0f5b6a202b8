import Foundation
import MartletCore
import MartletStore

/// Commits groups to a store, one after the other.
final class StoreRun {
    struct Figures {
        var jobsPerSecond = 0.0
        /// Of the whole process: that of making the groups is in it.
        var cpuPerJob = ""
        var median: Duration = .zero
        var slowest: Duration = .zero
    }

    private let store: any JobStore
    private let epoch: Epoch
    private let session = SessionID(high: 1, low: 2)
    private let lane = LaneID(rawValue: 0)
    private let payload = Bytes(copying: [UInt8](repeating: 0x2a, count: 200))
    private var sequence: UInt64 = 0

    init(store: any JobStore, epoch: Epoch) {
        self.store = store
        self.epoch = epoch
    }

    func begin() async throws {
        let key = LaneKey(queue: "benchmark", type: "none")
        _ = try await self.store.commit(
            CommitGroup(
                epoch: self.epoch, now: WallTime(microseconds: 1), newLanes: [(self.lane, key)],
                changes: [.openSession(self.session)]))
    }

    /// Inserts jobs and deletes those of the group before.
    func measure(groupSize: Int, atLeast time: Duration) async throws -> Figures {
        var before: [SucceededJob] = []
        let clock = ContinuousClock()
        let start = clock.now
        let cpu = Self.cpuTime()
        var commits: [Duration] = []
        while clock.now - start < time {
            let began = clock.now
            let first = try await self.commit(groupSize, ending: before)
            commits.append(clock.now - began)
            before = (0..<groupSize).map { SucceededJob(id: first.advanced(by: $0), lane: self.lane) }
        }
        let elapsed = clock.now - start
        let spent = Self.cpuTime() - cpu
        _ = try await self.commit(0, ending: before)
        let jobs = commits.count * groupSize
        commits.sort()
        let perJob = (spent / .microseconds(1) / Double(jobs) * 100).rounded() / 100
        return Figures(
            jobsPerSecond: Double(jobs) / (elapsed / .seconds(1)), cpuPerJob: "\(perJob) µs",
            median: commits[commits.count / 2], slowest: commits.last!)
    }

    /// Inserts jobs that stay.
    func fill(jobs: Int) async throws {
        for _ in 0..<jobs / 4000 { _ = try await self.commit(4000, ending: []) }
    }

    private func commit(_ count: Int, ending jobs: [SucceededJob]) async throws -> JobID {
        self.sequence += 1
        let new = (0..<count).map { _ in NewJob(lane: self.lane, options: .standard, payload: self.payload) }
        let submission = Submission(session: self.session, sequence: self.sequence, jobs: new)
        let group = CommitGroup(
            epoch: self.epoch, now: WallTime(microseconds: 1), changes: [.submit(submission), .succeed(jobs)])
        let outcomes = try await self.store.commit(group).outcomes
        guard case .submitted(.accepted(let first, count, _)) = outcomes[0], outcomes[1] == .applied(missing: []) else {
            fatalError("the store did something else: \(outcomes)")
        }
        return first
    }

    private static func cpuTime() -> Duration {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return .seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + .microseconds(Int(usage.ru_utime.tv_usec) + Int(usage.ru_stime.tv_usec))
    }
}

/// What a write and its sync cost here, whatever the store does.
enum SyncProbe {
    static func median(in folder: URL) throws -> Duration {
        let path = folder.appending(path: "probe").path
        let descriptor = open(path, O_RDWR | O_CREAT, 0o600)
        guard descriptor >= 0 else { throw CocoaError(.fileWriteUnknown) }
        defer {
            close(descriptor)
            unlink(path)
        }
        let block = [UInt8](repeating: 7, count: 48 << 10)
        let clock = ContinuousClock()
        var times: [Duration] = []
        for index in 0..<400 {
            let start = clock.now
            // Over what is there already, as in a log that started anew.
            pwrite(descriptor, block, block.count, off_t(index % 100 * block.count))
            fdatasync(descriptor)
            if index >= 100 { times.append(clock.now - start) }
        }
        return times.sorted()[times.count / 2]
    }
}
