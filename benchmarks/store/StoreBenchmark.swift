import Foundation
import MartletCore
import MartletRuntime
import MartletStore
import MartletStoreSQLite

/// The store alone: jobs inserted and deleted a second, `synchronous=FULL`, 200-byte payloads.
///
/// Each group inserts its jobs and deletes those of the group before, as a coordinator at full load does.
@main
struct StoreBenchmark {
    static let jobsPerRun = 600_000

    static func main() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "martlet-store-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = SQLiteStore(
            path: folder.appending(path: "store.db").path, loop: ThreadLoop(name: "store"),
            readerLoop: ThreadLoop(name: "reader"))
        let run = Run(store: store, opening: try await store.open())
        try await run.begin()
        for groupSize in [100, 200, 1000, 4000] {
            let rate = try await run.rate(groupSize: groupSize)
            print("store alone, groups of \(groupSize): \(Int(rate)) jobs/s")
        }
        await store.close()
    }

    struct Run {
        let store: SQLiteStore
        let opening: StoreOpening
        let session = SessionID(high: 1, low: 2)
        let lane = LaneID(rawValue: 0)
        let payload = Bytes(copying: [UInt8](repeating: 0x2a, count: 200))

        func begin() async throws {
            let key = LaneKey(queue: "benchmark", type: "none")
            _ = try await self.store.commit(
                CommitGroup(
                    epoch: self.opening.epoch, now: WallTime(microseconds: 1), newLanes: [(self.lane, key)],
                    changes: [.openSession(self.session)]))
        }

        func rate(groupSize: Int) async throws -> Double {
            var before: [SucceededJob] = []
            let clock = ContinuousClock()
            let start = clock.now
            for round in 1...jobsPerRun / groupSize {
                let jobs = (0..<groupSize).map { _ in
                    NewJob(lane: self.lane, options: .standard, payload: self.payload)
                }
                let submission = Submission(
                    session: self.session, sequence: UInt64(groupSize << 24 + round), jobs: jobs)
                let group = CommitGroup(
                    epoch: self.opening.epoch, now: WallTime(microseconds: 1),
                    changes: [.submit(submission), .succeed(before)])
                guard case .submitted(.accepted(let first, let count)) = try await self.store.commit(group).first else {
                    fatalError("the store refused a submit")
                }
                before = (0..<count).map { SucceededJob(id: first.advanced(by: $0), lane: self.lane) }
            }
            return Double(jobsPerRun) / ((clock.now - start) / .seconds(1))
        }
    }
}
