import MartletCore
import MartletStore
import Testing

extension StoreConformance {
    /// The same groups give the same outcomes and the same answers as ``StoreState``, the model of a store, also
    /// across reopening.
    ///
    /// - Parameter shard: that of the stores this suite makes.
    package func behavesAsTheModel(seed: UInt64, shard: UInt16, groups: Int) async throws {
        var generator = GroupGenerator(seed: seed)
        var model = StoreState(shard: shard)
        var owner = try await self.open()
        _ = model.open()
        for index in 0..<groups {
            if generator.chance(3) {
                owner = try await self.reopen(owner)
                let opening = model.open()
                #expect(owner.opening.lanes == opening.lanes)
                #expect(owner.opening.nodes == opening.nodes)
                #expect(owner.opening.pendingCount == opening.pendingCount)
                #expect(owner.opening.hasReleases == opening.hasReleases)
                #expect(owner.opening.schedules == opening.schedules)
            }
            let group = generator.next(for: model)
            let ours = CommitGroup(
                epoch: owner.epoch, now: group.now, newLanes: group.newLanes, changes: group.changes,
                releasedMax: group.releasedMax)
            let expected = model.apply(group)
            model.checkInvariants()
            let result = try await owner.store.commit(ours)
            try #require(result == expected, "seed \(seed), group \(index): \(group.changes)")
            if index % 10 == 9 {
                let found = try await StoreSnapshot(of: owner.store, page: 1 + generator.below(60))
                let difference = found.difference(from: StoreSnapshot(of: model))
                try #require(difference == nil, "seed \(seed), after group \(index)")
            }
        }
        await owner.store.close()
    }
}
