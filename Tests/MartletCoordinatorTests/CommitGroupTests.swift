import MartletCore
import MartletSimulation
import MartletStore
import MartletWire
import Testing

/// How much goes into one commit.
@Suite struct CommitGroupTests {
    /// What jobs leave counts: a group stays as short, in jobs and in bytes, as one of submits.
    @Test func aCommitGroupCountsWhatJobsLeave() throws {
        let template = JobTemplate(type: "Send", queue: "mail")
        let followUp = Completion.FollowUp(template: template, payload: .empty, delay: .zero)
        let many = Completion(followUps: Array(repeating: followUp, count: Completion.followUpsMax))
        let large = Completion(result: Bytes(copying: [UInt8](repeating: 1, count: 1 << 20)))
        for (completion, most) in [(many, 4), (large, 8)] {
            try Bench.run { bench in
                let client = try await bench.client()
                _ = try await client.submit((0..<20).map { "\($0)" }, sequence: 1)
                var held: [(node: TestNode, jobs: [TestNode.Held])] = []
                for number in 0..<20 {
                    let node = try await bench.node("n\(number)", slots: 1)
                    held.append((node, try await node.fetchAll(1)))
                }
                bench.faults.current.latency = .milliseconds(50)
                let before = bench.faults.applied.count
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for (node, jobs) in held {
                        group.addTask { _ = try await node.report([(jobs[0], .completed(completion))]) }
                    }
                    try await group.waitForAll()
                }
                let ended = bench.faults.applied[before...].map { group in
                    group.changes.reduce(0) { if case .succeed(let jobs) = $1 { $0 + jobs.count } else { $0 } }
                }
                #expect(ended.reduce(0, +) == 20 && ended.max()! <= most, "\(ended)")
            }
        }
    }
}
