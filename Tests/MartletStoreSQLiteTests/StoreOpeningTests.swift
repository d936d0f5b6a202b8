import CSQLite
import Foundation
import MartletCore
import MartletRuntime
import MartletStore
import MartletStoreSQLite
import Testing

/// Files that are not a store of ours.
@Suite(.timeLimit(.minutes(1))) struct StoreOpeningTests {
    /// Runs SQL on the file of a closed store, as another program might.
    private static func execute(_ sql: String, on path: String) {
        var connection: OpaquePointer?
        #expect(sqlite3_open(path, &connection) == SQLITE_OK)
        #expect(sqlite3_exec(connection, sql, nil, nil, nil) == SQLITE_OK)
        #expect(sqlite3_close(connection) == SQLITE_OK)
    }

    private static func open(
        _ folder: TemporaryFolder, _ loops: StoreLoops
    ) async -> StoreError? {
        let store = loops.store(in: folder)
        do throws(StoreError) {
            _ = try await store.open()
            await store.close()
            return nil
        } catch {
            return error
        }
    }

    @Test func aStoreOfALaterVersionIsLeftAlone() async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        #expect(await Self.open(folder, loops) == nil)
        Self.execute("PRAGMA user_version = 99", on: folder.file("store.db"))
        let error = await Self.open(folder, loops)
        #expect(error?.code == .newerVersion)
        #expect(error?.message.contains("99") == true)
        Self.execute("PRAGMA user_version = 2", on: folder.file("store.db"))
        #expect(await Self.open(folder, loops) == nil)
    }

    @Test func somebodyElsesDatabaseIsLeftAlone() async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        Self.execute("CREATE TABLE theirs(x)", on: folder.file("store.db"))
        let before = try Data(contentsOf: folder.url.appending(path: "store.db"))
        #expect(await Self.open(folder, loops)?.code == .corrupt)
        #expect(try Data(contentsOf: folder.url.appending(path: "store.db")) == before)
    }

    @Test func garbageIsRefused() async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        try Data(repeating: 0x5a, count: 9000).write(to: folder.url.appending(path: "store.db"))
        #expect(await Self.open(folder, loops)?.code == .corrupt)
    }

    @Test func aSequenceThatWentBackIsRefused() async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        #expect(await Self.open(folder, loops) == nil)
        Self.execute(
            "INSERT INTO jobs(id, lane, state, created, payload) VALUES (7, 0, 2, 0, x'')", on: folder.file("store.db"))
        #expect(await Self.open(folder, loops)?.code == .corrupt)
    }

    @Test func aFolderThatIsNotThereIsNamed() async throws {
        let loops = StoreLoops()
        defer { loops.shutdown() }
        let store = SQLiteStore(path: "/nowhere/at all/store.db", loop: loops.writer, readerLoop: loops.reader)
        let error = await #expect(throws: StoreError.self) { try await store.open() }
        #expect(error?.code == .failed)
        #expect(error?.message.contains("/nowhere/at all") == true)
    }

    /// The lock file was lost, or does not lock on this file system: the epoch still protects.
    @Test func aStoreThatWasOvertakenIsFenced() async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        let store = loops.store(in: folder)
        let epoch = try await store.open().epoch
        Self.execute("UPDATE owner SET epoch = epoch + 1", on: folder.file("store.db"))
        let error = await #expect(throws: StoreError.self) {
            try await store.commit(CommitGroup(epoch: epoch, now: WallTime(microseconds: 1), changes: []))
        }
        #expect(error?.code == .fenced)
        await store.close()
    }
}
