import MartletCore
import MartletStore

/// Workflows and batches.
extension GroupGenerator {
    mutating func groupChange(for state: StoreState, in session: SessionID, lanes: [LaneKey]) -> Change {
        switch self.below(10) {
        case 0..<4: return .submit(self.workflow(in: session, state: state, lanes: lanes))
        case 4..<6: return .submit(self.newBatch(in: session, state: state, lanes: lanes))
        case 6: return .closeBatch(self.batch(in: state) ?? BatchID(rawValue: 1))
        case 7, 8: return .release(limit: self.below(5))
        default: return .purgeWorkflows(limit: self.below(9))
        }
    }

    /// Most often one that is there.
    mutating func batch(in state: StoreState) -> BatchID? {
        let batches = state.batches(before: nil, limit: 6)
        if batches.isEmpty || self.chance(5) {
            return self.chance(90) ? nil : BatchID(rawValue: UInt64(self.below(99)))
        }
        return batches[self.below(batches.count)].id
    }

    private mutating func workflow(in session: SessionID, state: StoreState, lanes: [LaneKey]) -> Submission {
        let jobs = (0..<1 + self.below(9)).map { _ in self.job(in: state, lanes: lanes) }
        let members = jobs.indices.map { place in
            let parents = Set((0..<self.below(4)).map { _ in self.below(max(place, 1)) }).filter { $0 < place }
            return WorkflowShape.Member(
                name: "m\(place)",
                parents: parents.sorted().map { parent in
                    WorkflowShape.Dependency(parent: parent, kind: DependencyKind.allCases[min(self.below(5), 2)])
                })
        }
        return Submission(
            session: session, sequence: self.sequence(in: session), jobs: jobs,
            workflow: NewWorkflow(
                name: "w\(self.below(9))", shape: WorkflowShape(members: members), keptFor: .seconds(self.below(300))))
    }

    private mutating func newBatch(in session: SessionID, state: StoreState, lanes: [LaneKey]) -> Submission {
        let events = BatchEvent.allCases.filter { _ in self.chance(60) }
        return Submission(
            session: session, sequence: self.sequence(in: session),
            jobs: events.map { _ in self.job(in: state, lanes: lanes) },
            batch: NewBatch(
                name: "b\(self.below(9))", parent: self.chance(40) ? self.batch(in: state) : nil, callbacks: events,
                keptFor: .seconds(self.below(600))))
    }
}
