import Foundation
import MartletCore
import MartletRuntime
import MartletStore
import MartletStoreSQLite

/// The store alone, `synchronous=FULL`, 200-byte payloads: jobs inserted and deleted a second, and how long a store
/// with a million pending jobs takes to open.
///
/// Each group inserts its jobs and deletes those of the group before, as a coordinator at full load does. The log is
/// written back many times in each figure.
///
/// Usage: `store-benchmark [seconds for each size [pending jobs]]`
@main
struct StoreBenchmark {
    static let groupSizes = [100, 200, 1000, 4000]

    static func main() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "martlet-store-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let seconds = CommandLine.arguments.dropFirst().first.flatMap { Double($0) } ?? 5
        let pendingJobs = CommandLine.arguments.dropFirst(2).first.flatMap { Int($0) } ?? 1_000_000
        print("one write of 48 KiB and its sync: \(microseconds(try SyncProbe.median(in: folder)))")

        let path = folder.appending(path: "store.db").path
        let loops = (writer: ThreadLoop(name: "store"), reader: ThreadLoop(name: "reader"))
        let store = SQLiteStore(path: path, loop: loops.writer, readerLoop: loops.reader)
        let run = StoreRun(store: store, epoch: try await store.open().epoch)
        try await run.begin()
        for groupSize in groupSizes {
            let figures = try await run.measure(groupSize: groupSize, atLeast: .seconds(seconds))
            print(
                "groups of \(groupSize): \(Int(figures.jobsPerSecond)) jobs/s, \(figures.cpuPerJob) of CPU a job,",
                "commit \(microseconds(figures.median)) median, \(microseconds(figures.slowest)) at most")
        }
        try await run.fill(jobs: pendingJobs)
        await store.close()

        let next = SQLiteStore(path: path, loop: loops.writer, readerLoop: loops.reader)
        let clock = ContinuousClock()
        let start = clock.now
        let pending = try await next.open().pendingCount
        let opened = clock.now
        var found = 0
        var after: JobID?
        while true {
            let page = try await next.readyJobs(after: after, limit: 10_000)
            found += page.count
            guard let last = page.last, page.count == 10_000 else { break }
            after = last.id
        }
        print(
            "opened with \(pending) pending jobs in \(opened - start), read \(found) of them in \(clock.now - opened)")
        await next.close()
        loops.writer.shutdown()
        loops.reader.shutdown()
    }

    static func microseconds(_ duration: Duration) -> String {
        "\(Int(duration / .microseconds(1))) µs"
    }
}
