import MartletCoordinator
import MartletCore
import MartletObservability
import MartletStore
import MartletTransport
import MartletWire
import Synchronization
import Testing

@Suite struct AnswerOrderTests {
    /// A job need not wait until its submitter's answer is written.
    @Test func answersAreSentBehindTheJobsOfTheirGroup() throws {
        let steps = Mutex<[String]>([])
        try Bench.run { bench in
            try await bench.stop()
            let store = ScriptedStore(disk: bench.disk, faults: bench.faults, loop: bench.outside)
            let opening = try await store.open()
            let log = CommitLog(
                loop: bench.outside, store: store, epoch: opening.epoch,
                lanes: LaneDirectory(settings: .standard, recovered: opening.lanes), log: .none)
            for name in ["one", "two"] {
                let session = SessionID(high: 9, low: UInt64(name.utf8.first!))
                let request = Recorder { steps.withLock { $0.append("\(name) answered") } }
                await log.append([.openSession(session)], kind: .intake, jobs: 0) { _ in
                    steps.withLock { $0.append("\(name) durable") }
                    return CommitLog.Answer(request: request, frame: Bytes(copying: []))
                }
            }
            let dispatch: @Sendable (Consequences) async -> Void = { _ in
                steps.withLock { $0.append("jobs dispatched") }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask(executorPreference: bench.outside) { try await log.run(afterGroup: dispatch) }
                try await bench.until { steps.withLock { $0.count == 5 } }
                group.cancelAll()
            }
        }
        let expected = ["one durable", "two durable", "jobs dispatched", "one answered", "two answered"]
        #expect(steps.withLock { $0 } == expected)
    }
}

/// A request that says when it is answered.
private final class Recorder: IncomingRequest {
    let peer = PeerID(rawValue: 1)
    let frame = Bytes(copying: [])
    private let answered: @Sendable () -> Void

    init(answered: @escaping @Sendable () -> Void) {
        self.answered = answered
    }

    func reply(_ frame: Bytes) { self.answered() }
}
