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

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func behavesAsTheModel(seed: UInt64) async throws {
        let disk = InMemoryStore.Disk(shard: 3)
        try await StoreConformance { InMemoryStore(disk: disk) }
            .behavesAsTheModel(seed: seed, shard: 3, groups: 100)
    }

    @Test func theDiskOutlivesAStoreThatNeverClosed() async throws {
        let disk = InMemoryStore.Disk()
        let first = InMemoryStore(disk: disk)
        let opening = try await first.open()
        let session = SessionID(high: 1, low: 1)
        _ = try await first.commit(
            CommitGroup(epoch: opening.epoch, now: WallTime(microseconds: 1), changes: [.openSession(session)]))
        disk.releaseLock()
        let second = InMemoryStore(disk: disk)
        let next = try await second.open()
        #expect(next.epoch > opening.epoch)
        // The one that is thought dead can do no harm.
        let error = await #expect(throws: StoreError.self) {
            try await first.commit(
                CommitGroup(epoch: opening.epoch, now: WallTime(microseconds: 2), changes: [.openSession(session)]))
        }
        #expect(error?.code == .fenced)
        let submission = Submission(session: session, sequence: 1, jobs: [])
        let result = try await second.commit(
            CommitGroup(epoch: next.epoch, now: WallTime(microseconds: 3), changes: [.submit(submission)]))
        #expect(result.outcomes == [.submitted(.accepted(first: JobID(shard: 0, sequence: 1), count: 0))])
    }
}
