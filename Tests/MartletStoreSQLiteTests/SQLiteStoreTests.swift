import Foundation
import MartletCore
import MartletRuntime
import MartletStore
import MartletStoreSQLite
import StoreConformance
import Testing

@Suite(.timeLimit(.minutes(2))) struct SQLiteStoreTests {
    @Test(arguments: StoreConformance.cases)
    func conforms(to promise: StoreConformance.Case) async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        try await promise.check(
            StoreConformance {
                SQLiteStore(path: folder.file("store.db"), shard: 3, loop: loops.writer, readerLoop: loops.reader)
            })
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func behavesAsTheModel(seed: UInt64) async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        let suite = StoreConformance {
            SQLiteStore(path: folder.file("store.db"), shard: 3, loop: loops.writer, readerLoop: loops.reader)
        }
        try await suite.behavesAsTheModel(seed: seed, shard: 3, groups: 100)
    }
}
