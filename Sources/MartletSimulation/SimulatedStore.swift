package import MartletCore
import MartletRuntime
package import MartletStore

/// How often a simulated disk fails, and how slow it is.
package struct DiskFaults: Sendable {
    package var rolledBack = 0.0
    package var diskFull = 0.0
    package var outcomeUnknown = 0.0
    package var latency: ClosedRange<Duration> = .microseconds(100)...(.milliseconds(3))
    /// Now and then a commit takes as long as this.
    package var stall: Duration = .milliseconds(400)
    package var stallProbability = 0.005

    package init() {}
}

/// A store on a simulated disk: a commit takes time, may fail, and is applied whole or not at all.
///
/// A crash before the disk has applied a group leaves nothing of it; a crash after leaves all of it, unanswered.
package final class SimulatedStore: ForwardingStore {
    package let inner: InMemoryStore
    private let disk: InMemoryStore.Disk
    private let process: SimulatedProcess
    private let world: SimulatedWorld
    private let faults: @Sendable () -> DiskFaults
    private let witness: Witness

    package init(
        disk: InMemoryStore.Disk, process: SimulatedProcess, world: SimulatedWorld, witness: Witness,
        faults: @escaping @Sendable () -> DiskFaults
    ) {
        self.inner = InMemoryStore(disk: disk)
        self.disk = disk
        self.process = process
        self.world = world
        self.witness = witness
        self.faults = faults
    }

    package func commit(_ group: CommitGroup) async throws(StoreError) -> CommitResult {
        let faults = self.faults()
        var latency = self.world.random.duration(faults.latency.lowerBound, faults.latency.upperBound)
        if self.world.random.chance(faults.stallProbability) { latency = faults.stall }
        await self.pause(latency / 2)
        if self.world.random.chance(faults.rolledBack) {
            self.witness.count(.rolledBack)
            throw StoreError(.rolledBack, "simulated input/output error before COMMIT")
        }
        if !group.mayUseReserve, self.world.random.chance(faults.diskFull) {
            self.witness.count(.diskFull)
            throw StoreError(.diskFull, "simulated full disk")
        }
        let isUnknown = self.world.random.chance(faults.outcomeUnknown)
        if isUnknown {
            self.witness.count(.outcomeUnknown)
            guard self.world.random.chance(0.5) else { throw StoreError(.outcomeUnknown, "simulated sync error") }
        }
        let result = try await self.inner.commit(Self.bounded(group))
        self.witness.applied(group, result) { self.disk.contents }
        if isUnknown { throw StoreError(.outcomeUnknown, "simulated sync error, after the fact") }
        await self.pause(latency / 2)
        return result
    }

    /// One group in four lets only a few jobs go on because of others that it ends, so that what is left, which takes
    /// more than a thousand dependents elsewhere, is met by crashes and faults here.
    private static func bounded(_ group: CommitGroup) -> CommitGroup {
        let dice = (UInt64(bitPattern: group.now.microseconds) &* 0x9E37_79B9_7F4A_7C15) >> 60
        guard dice < 4 else { return group }
        return CommitGroup(
            epoch: group.epoch, now: group.now, newLanes: group.newLanes, changes: group.changes,
            mayUseReserve: group.mayUseReserve, releasedMax: Int(dice))
    }

    private func pause(_ duration: Duration) async { try? await self.process.sleep(for: duration) }

    package func scheduledJobs(
        after: ScheduledJob?, dueBy due: WallTime, limit: Int
    ) async throws(StoreError) -> [ScheduledJob] {
        await self.pause(.microseconds(200))
        return try await self.inner.scheduledJobs(after: after, dueBy: due, limit: limit)
    }

    package func expiredJobs(
        by now: WallTime, after: ExpiringJob?, limit: Int
    ) async throws(StoreError) -> [ExpiringJob] {
        await self.pause(.microseconds(200))
        return try await self.inner.expiredJobs(by: now, after: after, limit: limit)
    }

    package func load(_ ids: [JobID], bytesMax: Int) async throws(StoreError) -> (jobs: [StoredJob], isComplete: Bool) {
        await self.pause(.microseconds(200))
        return try await self.inner.load(ids, bytesMax: bytesMax)
    }
}
