import CSQLite
import Foundation
import MartletCore
import MartletRuntime
import MartletStore
import MartletStoreSQLite
import Synchronization
import Testing

/// A disk that fills up and gets room again.
@Suite(.timeLimit(.minutes(1))) struct DiskFullTests {
    /// A disk on which so many bytes may be set aside; files that are gone give theirs back.
    private final class SmallDisk: Sendable {
        private struct State {
            var capacity: UInt64
            var files: [String: Int] = [:]
        }

        private let state: Mutex<State>

        init(capacity: UInt64) {
            self.state = Mutex(State(capacity: capacity))
        }

        func grow(to capacity: UInt64) { self.state.withLock { $0.capacity = capacity } }

        var used: UInt64 { self.state.withLock { Self.used($0) } }

        private static func used(_ state: State) -> UInt64 {
            state.files.reduce(0) { sum, file in
                FileManager.default.fileExists(atPath: file.key) ? sum + UInt64(file.value) : sum
            }
        }

        var allocator: DiskAllocator {
            DiskAllocator(
                allocate: { path, bytes in
                    self.state.withLock { state in
                        let before = state.files[path] ?? 0
                        guard Self.used(state) + UInt64(max(0, bytes - before)) <= state.capacity else { return ENOSPC }
                        state.files[path] = max(before, bytes)
                        return DiskAllocator.system.allocate(path, bytes)
                    }
                },
                available: { _ in self.state.withLock { $0.capacity - min($0.capacity, Self.used($0)) } })
        }
    }

    private static let session = SessionID(high: 1, low: 2)
    private static let lane = LaneID(rawValue: 0)

    private static func submit(_ sequence: UInt64, epoch: Epoch, payloadBytes: Int = 100_000) -> CommitGroup {
        let payload = Bytes(copying: [UInt8](repeating: 1, count: payloadBytes))
        let jobs = [NewJob(lane: self.lane, options: .standard, payload: payload)]
        let key = LaneKey(queue: "q", type: "t")
        return CommitGroup(
            epoch: epoch, now: WallTime(microseconds: 1), newLanes: [(self.lane, key)],
            changes: [
                .openSession(self.session), .submit(Submission(session: self.session, sequence: sequence, jobs: jobs)),
            ])
    }

    @Test func completionsUseTheReserveAndSubmitsComeBackWhenThereIsRoom() async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        let disk = SmallDisk(capacity: 40 << 20)
        let settings = SQLiteSettings(disk: disk.allocator, idleTime: .seconds(3600))
        let store = loops.store(in: folder, settings: settings)
        let epoch = try await store.open().epoch
        let reserve = folder.file("store.db-reserve")
        #expect(FileManager.default.fileExists(atPath: reserve))

        // The log starts anew in its own space whenever it is full: what fills this disk is somebody else.
        disk.grow(to: disk.used + (6 << 20))
        for sequence in 1...2 as ClosedRange<UInt64> {
            _ = try await store.commit(Self.submit(sequence, epoch: epoch))
        }
        // More at once than there is room for.
        let big = Self.submit(3, epoch: epoch, payloadBytes: 9 << 20)
        for _ in 0..<3 {
            let error = await #expect(throws: StoreError.self) { try await store.commit(big) }
            #expect(error?.code == .diskFull)
        }
        #expect(try await store.laneTotals()[0].submittedTotal == 2)
        #expect(FileManager.default.fileExists(atPath: reserve))

        // What must not be lost gets the reserve, and the submits that would take it from there are refused.
        var essential = big
        essential.mayUseReserve = true
        _ = try await store.commit(essential)
        #expect(!FileManager.default.fileExists(atPath: reserve))
        let small = Self.submit(4, epoch: epoch, payloadBytes: 10)
        let error = await #expect(throws: StoreError.self) { try await store.commit(small) }
        #expect(error?.code == .diskFull)
        var completion = CommitGroup(
            epoch: epoch, now: WallTime(microseconds: 2),
            changes: [.succeed([SucceededJob(id: JobID(shard: 0, sequence: 1), lane: Self.lane)])])
        completion.mayUseReserve = true
        #expect(try await store.commit(completion).outcomes == [.applied(missing: [])])

        // Room again: the reserve is laid down before anything else is taken in.
        disk.grow(to: 200 << 20)
        let outcomes = try await store.commit(small).outcomes
        #expect(outcomes.last == .submitted(.accepted(first: JobID(shard: 0, sequence: 4), count: 1)))
        #expect(FileManager.default.fileExists(atPath: reserve))
        await store.close()

        let next = loops.store(in: folder, settings: settings)
        _ = try await next.open()
        let totals = try await next.laneTotals()[0]
        #expect(totals.submittedTotal == 4 && totals.succeededTotal == 1)
        await next.close()
    }

    /// The disk was found full by a write of SQLite's own, in the middle of the transaction.
    @Test func aWriteThatFindsNoSpaceGivesUpTheReserveToo() async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        let vfs = FaultVFS()
        let disk = SmallDisk(capacity: 64 << 20)
        // Few pages in memory: they are written before COMMIT.
        let settings = SQLiteSettings(
            vfs: vfs.name, disk: disk.allocator, idleTime: .seconds(3600), cacheBytes: 24 << 10)
        let store = loops.store(in: folder, settings: settings)
        let epoch = try await store.open().epoch
        var group = Self.submit(1, epoch: epoch)
        vfs.fail(.write, after: 3, with: SQLITE_FULL)
        let error = await #expect(throws: StoreError.self) { try await store.commit(group) }
        #expect(error?.code == .diskFull)
        #expect(FileManager.default.fileExists(atPath: folder.file("store.db-reserve")))
        group.mayUseReserve = true
        vfs.fail(.write, after: 3, with: SQLITE_FULL)
        let outcomes = try await store.commit(group).outcomes
        #expect(outcomes.last == .submitted(.accepted(first: JobID(shard: 0, sequence: 1), count: 1)))
        #expect(!FileManager.default.fileExists(atPath: folder.file("store.db-reserve")))
        await store.close()
    }

    @Test func aLogThatIsFullIsWrittenBackAndUsedAgain() async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        // Room for the reserve and one step of the log.
        let disk = SmallDisk(capacity: 24 << 20)
        let settings = SQLiteSettings(disk: disk.allocator, idleTime: .seconds(3600))
        let store = loops.store(in: folder, settings: settings)
        let epoch = try await store.open().epoch
        // Many times what the log may take.
        for sequence in 1...400 as ClosedRange<UInt64> {
            let group = Self.submit(sequence, epoch: epoch)
            let outcomes = try await store.commit(group).outcomes
            guard case .submitted(.accepted(let first, 1, _)) = outcomes.last else {
                Issue.record("\(outcomes)")
                break
            }
            let job = SucceededJob(id: first, lane: Self.lane)
            _ = try await store.commit(
                CommitGroup(epoch: epoch, now: WallTime(microseconds: 2), changes: [.succeed([job])]))
        }
        #expect(disk.used <= 24 << 20)
        let log = try FileManager.default.attributesOfItem(atPath: folder.file("store.db-wal"))
        #expect(try #require(log[.size] as? Int) <= 16 << 20, "the log went past what was laid down for it")
        #expect(try await store.laneTotals()[0].succeededTotal == 400)
        await store.close()
    }

    @Test func aFullDiskDoesNotKeepAStoreFromOpening() async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        let disk = SmallDisk(capacity: 64 << 20)
        let settings = SQLiteSettings(disk: disk.allocator, idleTime: .seconds(3600))
        let store = loops.store(in: folder, settings: settings)
        let first = try await store.open()
        _ = try await store.commit(Self.submit(1, epoch: first.epoch))
        await store.close()
        try FileManager.default.removeItem(atPath: folder.file("store.db-reserve"))
        disk.grow(to: 0)
        let next = loops.store(in: folder, settings: settings)
        let opening = try await next.open()
        #expect(opening.pendingCount == 1)
        let error = await #expect(throws: StoreError.self) {
            try await next.commit(Self.submit(2, epoch: opening.epoch))
        }
        #expect(error?.code == .diskFull)
        disk.grow(to: 64 << 20)
        _ = try await next.commit(Self.submit(2, epoch: opening.epoch))
        await next.close()
    }
}
