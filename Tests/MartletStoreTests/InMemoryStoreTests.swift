import MartletCore
import MartletStore
import StoreConformance
import Testing

@Suite(.timeLimit(.minutes(1))) struct InMemoryStoreTests {
    @Test(arguments: StoreConformance.cases)
    func conforms(to promise: StoreConformance.Case) async throws {
        let disk = InMemoryStore.Disk(shard: 3)
        try await promise.check(StoreConformance { InMemoryStore(disk: disk) })
        disk.contents.checkInvariants()
    }
}
