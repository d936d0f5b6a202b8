import MartletCore
import MartletStore
import Testing

/// Jobs that wait for others.
extension StoreConformance {
    static let workflowCases = [
        Case("aChildIsReadyWhenItsLastParentHasEnded", aChildIsReadyWhenItsLastParentHasEnded),
        Case("aFailedParentCancelsItsDescendants", aFailedParentCancelsItsDescendants),
        Case("onEndGoesOnHoweverTheParentEnded", onEndGoesOnHoweverTheParentEnded),
        Case("compensationRunsOnlyAfterAFailure", compensationRunsOnlyAfterAFailure),
        Case("aChildSeesItsParentsResults", aChildSeesItsParentsResults),
        Case("aChildThatIsDueLaterIsScheduled", aChildThatIsDueLaterIsScheduled),
        Case("aWorkflowIsCreatedOnceAndWholeOrNotAtAll", aWorkflowIsCreatedOnceAndWholeOrNotAtAll),
        Case("aWorkflowStaysUntilItsRetentionHasPassed", aWorkflowStaysUntilItsRetentionHasPassed),
        Case("aDeadMemberKeepsItsWorkflow", aDeadMemberKeepsItsWorkflow),
        Case("aRevivedMemberReleasesNobodyTwice", aRevivedMemberReleasesNobodyTwice),
        Case("aChildSeesARevivedParentAsDead", aChildSeesARevivedParentAsDead),
        Case("aGreatReleaseIsBoundedAndSurvives", aGreatReleaseIsBoundedAndSurvives),
        Case("aDeepCascadeIsBounded", aDeepCascadeIsBounded),
        Case("aGreatWorkflowIsRemovedInBoundedSteps", aGreatWorkflowIsRemovedInBoundedSteps),
    ]

    private static func aChildIsReadyWhenItsLastParentHasEnded(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let ids = try await owner.submit(workflow: [[], [0], [0], [1, 2]])
        #expect(try await owner.states(ids) == [.ready, .blocked, .blocked, .blocked])
        #expect(try await owner.totals().blocked == 3)
        #expect(owner.opening.pendingCount == 0)
        owner = try await suite.reopen(owner)
        #expect(owner.opening.pendingCount == 4)
        #expect(try await owner.store.readyJobs(after: nil, limit: 9).map(\.id) == [ids[0]])
        let first = try await owner.consequences(of: .succeed([SucceededJob(ids[0])]))
        #expect(first.waiting.map(\.id) == [ids[1], ids[2]] && !first.hasReleases)
        #expect(try await owner.states(ids) == [.succeeded, .ready, .ready, .blocked])
        #expect(try await owner.consequences(of: .succeed([SucceededJob(ids[2])])).waiting.isEmpty)
        #expect(try await owner.consequences(of: .succeed([SucceededJob(ids[1])])).waiting.map(\.id) == [ids[3]])
        try await owner.commit(.succeed([SucceededJob(ids[3])]), at: 200)
        let workflow = try #require(try await owner.store.workflow(ids[0]))
        #expect(workflow.open == 0 && workflow.failed == 0 && workflow.finishedAt == 200 && workflow.name == "video")
        #expect(try await owner.totals().succeededTotal == 4)
        let members = try await owner.store.members(of: ids[0], after: nil, limit: 9)
        #expect(members.map(\.name) == ["j0", "j1", "j2", "j3"])
        #expect(members.map { $0.parents.map(\.parent) } == [[], [ids[0]], [ids[0]], [ids[1], ids[2]]])
        await owner.store.close()
    }

    private static func aFailedParentCancelsItsDescendants(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        for (sequence, end) in [(1, .dead), (2, .cancelled), (3, .expired)] as [(UInt64, JobState)] {
            let ids = try await owner.submit(workflow: [[], [0], [1], []], sequence: sequence)
            let consequences = try await owner.consequences(of: .update([JobUpdate(ids[0], end)]))
            #expect(consequences.waiting.isEmpty && consequences.ended == [ids[1], ids[2]])
            #expect(try await owner.states(ids) == [end, .cancelled, .cancelled, .ready])
            let failure = try #require(try await owner.store.job(ids[1])?.record.lastFailure)
            #expect(failure.kind == JobFailure.parentFailedKind)
            #expect(failure.message == "j0 (job \(ids[0])) ended as \(end)")
            let workflow = try #require(try await owner.store.workflow(ids[0]))
            #expect(workflow.open == 1 && workflow.failed == 3 && workflow.finishedAt == nil)
            #expect(try await owner.totals().blocked == 0)
        }
        await owner.store.close()
    }

    private static func onEndGoesOnHoweverTheParentEnded(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(workflow: [[], [0], []], kind: .onEnd)
        let consequences = try await owner.consequences(of: .update([JobUpdate(ids[0], .dead)]))
        #expect(consequences.waiting.map(\.id) == [ids[1]])
        #expect(try await owner.states(ids) == [.dead, .ready, .ready])
        await owner.store.close()
    }

    private static func compensationRunsOnlyAfterAFailure(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let fine = try await owner.submit(workflow: [[], [0]], kind: .onFailure)
        let consequences = try await owner.consequences(of: .succeed([SucceededJob(fine[0])]))
        #expect(consequences.ended == [fine[1]])
        #expect(try await owner.states(fine) == [.succeeded, .cancelled])
        #expect(try await owner.store.job(fine[1])?.record.lastFailure?.kind == JobFailure.notNeededKind)
        #expect(try await owner.store.workflow(fine[0])?.failed == 0)
        let broken = try await owner.submit(workflow: [[], [0]], kind: .onFailure, sequence: 2)
        try await owner.commit(.update([JobUpdate(broken[0], .dead)]))
        #expect(try await owner.states(broken) == [.dead, .ready])
        #expect(try await owner.store.workflow(broken[0])?.failed == 1)
        await owner.store.close()
    }

    private static func aChildSeesItsParentsResults(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let ids = try await owner.submit(workflow: [[], [], [0, 1]], kind: .onEnd)
        let details = SucceededJob.Details(result: Bytes(copying: "42".utf8))
        // Not to be kept for its own sake.
        try await owner.commit(
            .succeed([SucceededJob(id: ids[0], lane: .first, keptFor: .zero, details: details)]),
            .update([JobUpdate(ids[1], .cancelled, keptFor: .zero)]))
        owner = try await suite.reopen(owner)
        let child = try #require(try await owner.store.load([ids[2]], bytesMax: 9).jobs.first)
        #expect(
            child.parents == [
                ParentResult(id: ids[0], name: "j0", state: .succeeded, result: Bytes(copying: "42".utf8)),
                ParentResult(id: ids[1], name: "j1", state: .cancelled, result: nil),
            ])
        #expect(child.extras?.parents == child.parents)
        await owner.store.close()
    }

    private static func aChildThatIsDueLaterIsScheduled(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        var options = JobOptions.standard
        options.expiry = .microseconds(50)
        let jobs: [NewJob] = [.job(), .job(due: 900, options: options), .job(due: 150, options: options)]
        let ids = try await owner.submit(workflow: [[], [0], [0]], jobs: jobs)
        // What waits for others is not late.
        #expect(try await owner.store.expiredJobs(by: 9999, after: nil, limit: 9).isEmpty)
        let consequences = try await owner.consequences(of: .succeed([SucceededJob(ids[0])]), at: 300)
        #expect(consequences.waiting.map(\.due) == [900, nil])
        #expect(try await owner.states(ids) == [.succeeded, .scheduled, .ready])
        #expect(try await owner.store.expiredJobs(by: 9999, after: nil, limit: 9).map(\.expires) == [350, 950])
        await owner.store.close()
    }

    private static func aWorkflowIsCreatedOnceAndWholeOrNotAtAll(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        var options = JobOptions.standard
        options.unique = UniqueKey("a")
        let holder = try await owner.submit(1, [.job(options: options)])[0]
        let clash = Submission.workflow(2, [[], [0]], jobs: [.job(), .job(options: options)])
        #expect(try await owner.commit(.submit(clash)) == [.submitted(.duplicate(place: 1, existing: holder))])
        #expect(try await owner.totals().submittedTotal == 1)
        let ids = try await owner.submit(workflow: [[], [0]], sequence: 2)
        owner = try await suite.reopen(owner)
        #expect(
            try await owner.commit(.submit(.workflow(2, [[], [0]])))
                == [.submitted(.repeated(first: ids[0], count: 2))])
        #expect(try await owner.totals().submittedTotal == 3)
        await owner.store.close()
    }

    private static func aWorkflowStaysUntilItsRetentionHasPassed(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(workflow: [[], [0]])
        #expect(try await owner.commit(.delete([ids[0]])) == [.applied(missing: [ids[0]])])
        try await owner.commit(.succeed([SucceededJob(ids[0])]), at: 200)
        #expect(try await owner.commit(.delete([ids[0]])) == [.applied(missing: [ids[0]])])
        try await owner.commit(
            .purge(limit: 9), .purgeWorkflows(limit: 9), .succeed([SucceededJob(ids[1])]), at: 5000)
        #expect(try await owner.states(ids) == [.succeeded, .succeeded])
        #expect(try await owner.commit(.purgeWorkflows(limit: 9), at: 5999) == [.purged(count: 0)])
        // An edge, two jobs and the workflow.
        #expect(try await owner.commit(.purgeWorkflows(limit: 9), at: 6000) == [.purged(count: 4)])
        #expect(try await owner.states(ids) == [nil, nil])
        #expect(try await owner.store.workflow(ids[0]) == nil)
        #expect(try await owner.store.workflows(before: nil, limit: 9).isEmpty)
        #expect(try await owner.totals().succeededTotal == 2)
        await owner.store.close()
    }

    private static func aDeadMemberKeepsItsWorkflow(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(workflow: [[], [0]])
        try await owner.commit(.update([JobUpdate(ids[0], .dead)]), at: 200)
        #expect(try await owner.commit(.purgeWorkflows(limit: 9), at: .minutes(99)) == [.purged(count: 0)])
        #expect(try await owner.states(ids) == [.dead, .cancelled])
        // Once somebody has seen to it the rest goes.
        #expect(try await owner.commit(.delete([ids[0]]), at: 300) == [.applied(missing: [])])
        #expect(try await owner.commit(.purgeWorkflows(limit: 9), at: 1200) == [.purged(count: 2)])
        #expect(try await owner.states(ids) == [nil, nil])
        await owner.store.close()
    }

    private static func aRevivedMemberReleasesNobodyTwice(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(workflow: [[], [], [0, 1]], kind: .onEnd)
        try await owner.commit(.update([JobUpdate(ids[0], .dead)]))
        try await owner.commit(.update([JobUpdate(ids[0], expected: .dead, .ready)]))
        #expect(try await owner.store.workflow(ids[0])?.open == 3)
        #expect(try await owner.consequences(of: .succeed([SucceededJob(ids[0])])).waiting.isEmpty)
        #expect(try await owner.states(ids) == [.succeeded, .ready, .blocked])
        let workflow = try #require(try await owner.store.workflow(ids[0]))
        #expect(workflow.open == 2 && workflow.failed == 0)
        #expect(try await owner.consequences(of: .succeed([SucceededJob(ids[1])])).waiting.map(\.id) == [ids[2]])
        await owner.store.close()
    }

    /// That is how it ended for the child, which does not wait for it again.
    private static func aChildSeesARevivedParentAsDead(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(workflow: [[], [0]], kind: .onEnd)
        try await owner.commit(.update([JobUpdate(ids[0], .dead)]))
        try await owner.commit(.update([JobUpdate(ids[0], expected: .dead, .ready)]))
        func told() async throws -> JobState? {
            try await owner.store.load([ids[1]], bytesMax: .max).jobs.first?.parents.first?.state
        }
        #expect(try await told() == .dead)
        try await owner.commit(.update([JobUpdate(ids[0], .scheduled, due: 500, failures: 1)]))
        #expect(try await told() == .dead)
        try await owner.commit(.update([JobUpdate(ids[0], .cancelled)]))
        #expect(try await told() == .cancelled, "what became of it then")
        await owner.store.close()
    }

    private static func aGreatReleaseIsBoundedAndSurvives(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let count = 2 * Change.releasedMax + 500
        let ids = try await owner.submit(workflow: [[]] + Array(repeating: [0], count: count))
        var consequences = try await owner.consequences(of: .succeed([SucceededJob(ids[0])]))
        #expect(consequences.waiting.count == Change.releasedMax && consequences.hasReleases)
        owner = try await suite.reopen(owner)
        #expect(owner.opening.hasReleases)
        // Others do not have to wait for it, and do not end it.
        consequences = try await owner.consequences(of: .succeed([SucceededJob(ids[1])]))
        #expect(consequences.waiting.isEmpty && consequences.hasReleases)
        consequences = try await owner.consequences(of: .release(limit: 1000))
        #expect(consequences.waiting.map(\.id) == Array(ids[1001...2000]) && consequences.hasReleases)
        consequences = try await owner.consequences(of: .release(limit: 1000))
        #expect(consequences.waiting.count == 500 && !consequences.hasReleases)
        #expect(try await owner.totals().ready == UInt64(count) - 1)
        await owner.store.close()
    }

    private static func aDeepCascadeIsBounded(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let count = Change.releasedMax + 200
        let ids = try await owner.submit(workflow: [[]] + (0..<count).map { [$0] })
        let consequences = try await owner.consequences(of: .update([JobUpdate(ids[0], .dead)]))
        #expect(consequences.ended.count == Change.releasedMax && consequences.hasReleases)
        #expect(try await owner.totals().blocked == 200)
        while try await owner.consequences(of: .release(limit: 150)).hasReleases {}
        let totals = try await owner.totals()
        #expect(totals.blocked == 0 && totals.cancelledTotal == UInt64(count))
        #expect(try await owner.store.workflow(ids[0])?.finishedAt != nil)
        await owner.store.close()
    }

    private static func aGreatWorkflowIsRemovedInBoundedSteps(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(workflow: [[]] + Array(repeating: [0], count: 20))
        try await owner.commit(.succeed([SucceededJob(ids[0])]))
        try await owner.commit(.succeed(ids.dropFirst().map { SucceededJob($0) }))
        var steps: [Int] = []
        repeat {
            guard case .purged(let count) = try await owner.commit(.purgeWorkflows(limit: 8), at: .minutes(9))[0] else {
                break
            }
            steps.append(count)
        } while steps.last == 8
        // Twenty edges, twenty-one jobs and the workflow.
        #expect(steps == [8, 8, 8, 8, 8, 2])
        #expect(try await owner.states(ids).allSatisfy { $0 == nil })
        await owner.store.close()
    }
}

extension Submission {
    /// A workflow of jobs that wait for those at these places.
    static func workflow(
        _ sequence: UInt64, _ parents: [[Int]], kind: DependencyKind = .onSuccess, jobs: [NewJob]? = nil
    ) -> Submission {
        let members = parents.enumerated().map { place, parents in
            WorkflowShape.Member(
                name: "j\(place)", parents: parents.map { WorkflowShape.Dependency(parent: $0, kind: kind) })
        }
        return Submission(
            session: .standard, sequence: sequence, jobs: jobs ?? .jobs(parents.count),
            workflow: NewWorkflow(
                name: "video", shape: WorkflowShape(members: members), keptFor: .microseconds(1000)))
    }
}

extension Owner {
    func submit(
        workflow parents: [[Int]], kind: DependencyKind = .onSuccess, jobs: [NewJob]? = nil, sequence: UInt64 = 1
    ) async throws -> [JobID] {
        let submission = Submission.workflow(sequence, parents, kind: kind, jobs: jobs)
        let outcomes = try await self.commit(.submit(submission))
        guard case .submitted(.accepted(let first, parents.count, _)) = try #require(outcomes.first) else {
            Issue.record("the workflow was not accepted: \(outcomes)")
            return []
        }
        return parents.indices.map { first.advanced(by: $0) }
    }
}
