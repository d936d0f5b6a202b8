import MartletCore
import MartletRuntime
import MartletStore
import MartletStoreSQLite
import StoreConformance
import Testing

/// Cuts the power at every sync point, drops what was not synced, and recovers.
@Suite(.timeLimit(.minutes(5))) struct PowerLossTests {
    struct Report {
        var points = 0
        var images = 0
        /// Descriptions of images in which something that was answered is missing.
        var lost: [String] = []
        /// Images that held a group that nobody was answered about yet.
        var ahead = 0
    }

    @Test(arguments: [(1, 16 << 20), (2, 16 << 20), (3, 32 << 10)] as [(UInt64, Int)])
    func everyAnsweredGroupSurvives(seed: UInt64, cacheBytes: Int) async throws {
        let report = try await Self.crashes(seed: seed, synchronous: "FULL", cacheBytes: cacheBytes)
        #expect(report.lost.isEmpty)
        // The test itself is worth something: it met enough crashes, also between a commit's sync and its answer.
        #expect(report.points > 60)
        #expect(report.ahead > 0)
    }

    /// What makes the difference: without a sync in each commit, answered groups are lost.
    @Test func withoutSyncsTheTestFindsLoss() async throws {
        let report = try await Self.crashes(seed: 1, synchronous: "NORMAL", cacheBytes: 16 << 20)
        #expect(!report.lost.isEmpty)
    }

    private static func crashes(seed: UInt64, synchronous: String, cacheBytes: Int) async throws -> Report {
        let workload = StoreWorkload(seed: seed, groups: 40, limits: .init(changesMax: 5, jobsMax: 8, payloadMax: 1500))
        let vfs = FaultVFS()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        // Event count at which each number of groups was begun, and answered.
        var begun: [Int] = [0]
        var answered: [Int] = []
        let folder = try TemporaryFolder()
        let settings = SQLiteSettings(
            synchronous: synchronous, vfs: vfs.name, disk: .endless, logBytesMax: 100 << 10, idleLogBytesMax: 0,
            cacheBytes: cacheBytes)
        let store = SQLiteStore(
            path: folder.file("store.db"), shard: StoreWorkload.shard, loop: loops.writer, readerLoop: loops.reader,
            settings: settings)
        let opening = try await store.open()
        answered.append(vfs.eventCount)
        for index in workload.groups.indices {
            begun.append(vfs.eventCount)
            _ = try await store.commit(workload.group(index, epoch: opening.epoch))
            answered.append(vfs.eventCount)
        }
        let end = vfs.eventCount
        await store.close()

        var report = Report()
        var disk = CrashDisk(vfs)
        var random = GroupGenerator(seed: seed)
        while disk.position < vfs.eventCount {
            // Before a sync, right after it, and at the end of the work.
            let isAfterSync = disk.position > 0 && vfs.event(disk.position - 1).kind == .sync
            if disk.position >= answered[0], disk.isAtSync || isAfterSync || disk.position == end {
                report.points += 1
                let least = answered.lastIndex { $0 <= disk.position } ?? 0
                let most = begun.lastIndex { $0 < disk.position } ?? 0
                for luck in isAfterSync ? [.allLost] : CrashDisk.Luck.allCases {
                    report.images += 1
                    let image = disk.survivors(luck: luck, using: &random)
                    let place = "at event \(disk.position), \(luck)"
                    let allowed = least...max(least, most)
                    // Now and then the power fails again, during recovery.
                    let found =
                        report.images % 9 == 0
                        ? try await self.recoverTwice(image, workload, allowed, using: &random, loops)
                        : try await self.recover(image, workload, allowed, loops)
                    if found == nil { report.lost.append("\(place): \(least)...\(most)") }
                    if let found, found > least { report.ahead += 1 }
                }
            }
            disk.advance()
        }
        return report
    }

    /// Returns how many groups the recovered store holds; nil if it is none of the `allowed` numbers.
    private static func recover(
        _ image: [String: [UInt8]], _ workload: StoreWorkload, _ allowed: ClosedRange<Int>, _ loops: StoreLoops
    ) async throws -> Int? {
        let folder = try TemporaryFolder(holding: image)
        let store = SQLiteStore(
            path: folder.file("store.db"), shard: StoreWorkload.shard, loop: loops.writer, readerLoop: loops.reader,
            settings: SQLiteSettings(synchronous: "OFF", disk: .endless))
        let opening = try await store.open()
        let found = try await workload.find(allowed, in: store, epoch: opening.epoch)
        await store.close()
        return found
    }

    /// Recovers, then from every crash during that recovery. Nil if one of them did not end well.
    private static func recoverTwice(
        _ image: [String: [UInt8]], _ workload: StoreWorkload, _ allowed: ClosedRange<Int>,
        using random: inout GroupGenerator, _ loops: StoreLoops
    ) async throws -> Int? {
        let vfs = FaultVFS()
        let folder = try TemporaryFolder(holding: image)
        let store = SQLiteStore(
            path: folder.file("store.db"), shard: StoreWorkload.shard, loop: loops.writer, readerLoop: loops.reader,
            settings: SQLiteSettings(vfs: vfs.name, disk: .endless))
        _ = try await store.open()
        let end = vfs.eventCount
        await store.close()
        var disk = CrashDisk(vfs, files: image)
        while disk.position < end {
            if disk.isAtSync {
                for luck in [CrashDisk.Luck.allLost, .torn] {
                    let next = disk.survivors(luck: luck, using: &random)
                    guard try await self.recover(next, workload, allowed, loops) != nil else { return nil }
                }
            }
            disk.advance()
        }
        return try await self.recover(image, workload, allowed, loops)
    }
}
