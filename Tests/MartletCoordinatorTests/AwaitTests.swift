import MartletCoordinator
import MartletCore
import MartletSimulation
import MartletStore
import MartletWire
import Testing

/// Waiting for a job to end.
@Suite struct AwaitTests {
    private static func end(_ client: TestClient, _ id: JobID, within time: Duration = .seconds(30)) async throws
        -> JobEnded
    {
        try await client.ask(AwaitJob(id: id, timeout: time))
    }

    enum End: CaseIterable {
        case success, result, death, cancellation
    }

    @Test(arguments: End.allCases)
    func whoWaitsHearsHowTheJobEnded(end: End) throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let id = try await client.submit(["x"], sequence: 1).first
            let held = try await node.fetchAll(1)
            async let first = Self.end(client, id)
            async let second = Self.end(client, id)
            try await bench.sleep(.milliseconds(100))
            switch end {
            case .success: _ = try await node.succeed(held)
            case .result: _ = try await node.report([(held[0], CompletionTests.leaving(result: "42"))])
            case .death: _ = try await node.fail(held[0], isRetryable: false)
            case .cancellation: let _: JobsChanged = try await client.ask(ChangeJobs(.cancel, ids: [id]))
            }
            let ended = try await first
            #expect(try await second == ended)
            switch end {
            case .success: #expect(ended == JobEnded(id: id, state: .succeeded))
            case .result: #expect(ended == JobEnded(id: id, state: .succeeded, result: Bytes(copying: "42".utf8)))
            case .death:
                let failure = JobFailure(kind: "Test", message: "as told")
                #expect(ended == JobEnded(id: id, state: .dead, failure: failure))
            case .cancellation: #expect(ended == JobEnded(id: id, state: .cancelled))
            }
        }
    }

    @Test func whoAsksLaterGetsWhatWasKept() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            var options = JobOptions.standard
            options.retention = .seconds(100)
            let id = try await client.submit(["x"], sequence: 1, options: options).first
            let held = try await node.fetchAll(1)
            _ = try await node.report([(held[0], CompletionTests.leaving(result: "42"))])
            #expect(
                try await Self.end(client, id)
                    == JobEnded(id: id, state: .succeeded, result: Bytes(copying: "42".utf8)))
        }
    }

    @Test func whoWaitsTooLongHearsWhereTheJobStands() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let id = try await client.submit(["x"], sequence: 1).first
            let begun = bench.outside.now
            #expect(try await Self.end(client, id, within: .seconds(7)) == JobEnded(id: id, state: .ready))
            let waited = bench.outside.now - begun
            #expect(waited >= .seconds(7) && waited < .seconds(7.1))
        }
    }

    @Test func aJobThatIsNotThereIsNotWaitedFor() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            #expect(try await refusal { try await Self.end(client, JobID(rawValue: 999)) } == .notFound)
            let id = try await client.submit(["x"], sequence: 1).first
            _ = try await node.succeed(try await node.fetchAll(1))
            #expect(try await refusal { try await Self.end(client, id) } == .notFound, "it was not kept")
        }
    }

    /// A job that runs again because its payload was replaced has not ended.
    @Test func aJobThatRunsOnceMoreHasNotEnded() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            var options = JobOptions.standard
            options.unique = UniqueKey("k", conflict: .replace)
            let id = try await client.submit(["old"], sequence: 1, options: options).first
            let held = try await node.fetchAll(1)
            _ = try await client.submit(["new"], sequence: 2, options: options)
            async let ended = Self.end(client, id)
            try await bench.sleep(.milliseconds(100))
            _ = try await node.report([(held[0], CompletionTests.leaving(result: "old"))])
            let again = try await node.fetchAll(1)
            _ = try await node.report([(again[0], CompletionTests.leaving(result: "new"))])
            #expect(try await ended.result == Bytes(copying: "new".utf8))
        }
    }

    @Test func waitersAreBoundedAndThoseAnsweredMakeRoom() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let id = try await client.submit(["x"], sequence: 1).first
            try await withThrowingTaskGroup(of: ErrorReply.Code?.self) { group in
                // No more queries at once than the coordinator takes.
                for _ in 0..<EndWatch.waitersMax / 32 {
                    for _ in 0..<32 {
                        group.addTask { try await refusal { try await Self.end(client, id, within: .seconds(20)) } }
                    }
                    try await bench.sleep(.milliseconds(100))
                }
                #expect(try await refusal { try await Self.end(client, id) } == .overloaded)
                let _: JobsChanged = try await client.ask(ChangeJobs(.cancel, ids: [id]))
                for try await code in group { #expect(code == nil) }
            }
            #expect(try await Self.end(client, id).state == .cancelled)
        }
    }
}
