public import MartletCore
package import MartletStore
import Testing

/// What every store must do, as functions that a test target calls with its store.
///
/// One value stands for one set of data, empty at first: each store that `makeStore` returns is a further owner of
/// the same data, whose process has not started yet.
package struct StoreConformance: Sendable {
    package let makeStore: @Sendable () -> any JobStore

    package init(makeStore: @escaping @Sendable () -> any JobStore) {
        self.makeStore = makeStore
    }

    /// One promise of a store.
    package struct Case: Sendable, CustomTestStringConvertible {
        package let testDescription: String
        package let check: @Sendable (StoreConformance) async throws -> Void

        init(_ name: String, _ check: @escaping @Sendable (StoreConformance) async throws -> Void) {
            self.testDescription = name
            self.check = check
        }
    }

    /// All promises but that of the random model, which takes a seed.
    package static let cases =
        openingCases + submitCases + changeCases + queryCases + uniqueCases + detailCases
        + controlCases + workflowCases + batchCases + scheduleCases

    /// Opens the next store on the data.
    func open() async throws -> Owner {
        let store = self.makeStore()
        return Owner(store: store, opening: try await store.open())
    }

    /// Opens a store, and in it the standard lanes and session.
    func openWithLanes() async throws -> Owner {
        let owner = try await self.open()
        let outcomes = try await owner.commit(.openSession(.standard), newLanes: LaneKey.standard)
        #expect(outcomes == [.done])
        return owner
    }

    /// Ends `owner` in good order and opens the next store.
    func reopen(_ owner: Owner) async throws -> Owner {
        await owner.store.close()
        return try await self.open()
    }
}

/// An open store, and short ways to use it.
struct Owner: Sendable {
    let store: any JobStore
    let opening: StoreOpening

    var epoch: Epoch { self.opening.epoch }

    @discardableResult
    func commit(
        _ changes: Change..., newLanes: [LaneKey] = [], at now: WallTime = 100, epoch: Epoch? = nil
    ) async throws(StoreError) -> [ChangeOutcome] {
        let lanes = newLanes.enumerated().map { (id: LaneID(rawValue: UInt32($0.offset)), key: $0.element) }
        return try await self.store.commit(
            CommitGroup(epoch: epoch ?? self.epoch, now: now, newLanes: lanes, changes: changes)
        ).outcomes
    }

    /// Commits one change and says what it led to beside its outcome.
    func consequences(of change: Change, at now: WallTime = 100) async throws(StoreError) -> Consequences {
        try await self.store.commit(CommitGroup(epoch: self.epoch, now: now, changes: [change])).consequences
    }

    /// Submits in the standard session.
    func submit(_ sequence: UInt64, _ jobs: [NewJob], at now: WallTime = 100) async throws -> [JobID] {
        let outcomes = try await self.commit(.submit(Submission(sequence, jobs)), at: now)
        guard case .submitted(.accepted(let first, let count, _)) = try #require(outcomes.first), count == jobs.count
        else {
            Issue.record("submit \(sequence) was not accepted: \(outcomes)")
            return []
        }
        return (0..<count).map { first.advanced(by: $0) }
    }

    func states(_ ids: [JobID]) async throws -> [JobState?] {
        var states: [JobState?] = []
        for id in ids { states.append(try await self.store.job(id)?.record.state) }
        return states
    }

    /// The totals of a lane; checks that they balance.
    func totals(_ lane: LaneID = .first) async throws -> LaneTotals {
        let totals = try await self.store.laneTotals()
        for total in totals { #expect(total.isBalanced, "\(total)") }
        return try #require(totals.count > Int(lane.rawValue) ? totals[Int(lane.rawValue)] : nil)
    }
}

// MARK: Names for what the cases use

extension WallTime: ExpressibleByIntegerLiteral {
    /// Microseconds.
    public init(integerLiteral value: Int64) { self.init(microseconds: value) }

    static func minutes(_ count: Int64) -> WallTime { WallTime(microseconds: count * 60_000_000) }
}

extension SessionID {
    static let standard = SessionID(high: .max, low: 7)
    static let other = SessionID(high: 1, low: .max)
}

extension LaneKey {
    static let standard = [
        LaneKey(queue: "mail", type: "welcome"), LaneKey(queue: "mail", type: "invoice", priority: .highest),
        LaneKey(queue: "maps", type: "welcome"), LaneKey(queue: "mail", type: "welcome", priority: .highest),
    ]
}

extension LaneID {
    static let first = LaneID(rawValue: 0)
    static let second = LaneID(rawValue: 1)
    static let third = LaneID(rawValue: 2)
    /// As the first, but more urgent.
    static let urgent = LaneID(rawValue: 3)
}

extension Submission {
    init(_ sequence: UInt64, _ jobs: [NewJob], session: SessionID = .standard) {
        self.init(session: session, sequence: sequence, jobs: jobs)
    }
}

extension NewJob {
    /// A job with a payload that tells it from others.
    static func job(
        _ payload: String = "", lane: LaneID = .first, due: WallTime? = nil, options: JobOptions? = nil
    ) -> NewJob {
        let priority = LaneKey.standard[Int(lane.rawValue)].priority
        return NewJob(
            lane: lane, options: options ?? JobOptions(priority: priority), payload: Bytes(copying: payload.utf8),
            due: due)
    }
}

extension [NewJob] {
    static func jobs(_ count: Int, lane: LaneID = .first) -> [NewJob] {
        (0..<count).map { .job("\($0)", lane: lane) }
    }
}

extension SucceededJob {
    init(_ id: JobID, lane: LaneID = .first, retained: Bool = false) {
        self.init(id: id, lane: lane, keptFor: retained ? .microseconds(300) : .zero)
    }
}

extension JobUpdate {
    init(
        _ id: JobID, lane: LaneID = .first, expected: Expected = .pending, _ state: JobState, due: WallTime? = nil,
        failures: UInt16 = 0, nodeDeaths: UInt8 = 0, failure: JobFailure? = nil, attempt: AttemptRecord? = nil,
        keptFor: Duration? = nil
    ) {
        self.init(
            id: id, lane: lane, expected: expected, state: state, due: due,
            history: JobHistory(failures: failures, nodeDeaths: nodeDeaths), failure: failure,
            attempt: attempt, keptFor: keptFor)
    }
}
