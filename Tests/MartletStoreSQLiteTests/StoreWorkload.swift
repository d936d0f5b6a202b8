import MartletCore
import MartletRuntime
import MartletStore
import MartletStoreSQLite
import StoreConformance

/// Random groups that are committed to a store, and what it must show after each of them.
struct StoreWorkload {
    static let shard: UInt16 = 5

    let groups: [CommitGroup]
    /// After the first n groups.
    let states: [StoreState]
    let snapshots: [StoreSnapshot]
    /// The last submit that was accepted in the first n groups.
    let accepted: [Submission?]

    init(seed: UInt64, groups count: Int, limits: GroupGenerator.Limits) {
        var generator = GroupGenerator(seed: seed, limits: limits)
        var state = StoreState(shard: Self.shard)
        _ = state.open()
        var groups: [CommitGroup] = []
        var states = [state]
        var accepted: [Submission?] = [nil]
        for _ in 0..<count {
            let group = generator.next(for: state)
            let outcomes = state.apply(group).outcomes
            groups.append(group)
            states.append(state)
            accepted.append(Self.lastAccepted(of: group, outcomes) ?? accepted.last!)
        }
        self.groups = groups
        self.states = states
        self.snapshots = states.map { StoreSnapshot(of: $0) }
        self.accepted = accepted
    }

    private static func lastAccepted(of group: CommitGroup, _ outcomes: [ChangeOutcome]) -> Submission? {
        var found: Submission?
        for case (.submit(let submission), .submitted(.accepted)) in zip(group.changes, outcomes) { found = submission }
        return found
    }

    /// The group with the number `index`, for the owner of an epoch.
    func group(_ index: Int, epoch: Epoch) -> CommitGroup {
        let group = self.groups[index]
        return CommitGroup(
            epoch: epoch, now: group.now, newLanes: group.newLanes, changes: group.changes,
            releasedMax: group.releasedMax)
    }

    /// Which of `counts` many groups a store shows, or nil if it is none of them.
    ///
    /// Also repeats the last submit that was accepted, which must be answered as the model answers it.
    func find(_ counts: ClosedRange<Int>, in store: any JobStore, epoch: Epoch) async throws -> Int? {
        let shown = try await StoreSnapshot(of: store)
        // More than one, where a group changed only what is not shown: a session.
        let candidates = counts.filter { self.snapshots[$0] == shown }
        guard let last = candidates.last, let submission = self.accepted[last] else { return candidates.last }
        let now = self.groups[max(last, 1) - 1].now
        let found = try await store.commit(CommitGroup(epoch: epoch, now: now, changes: [.submit(submission)]))
        return candidates.last { count in
            var state = self.states[count]
            return found == state.apply(CommitGroup(epoch: state.epoch, now: now, changes: [.submit(submission)]))
        }
    }
}
