import MartletCoordinator
import MartletCore
import MartletSimulation
import MartletStore
import MartletTransport
import MartletWire
import Testing

@Suite struct SubmitTests {
    @Test func submittedJobIsDurableDispatchedAndItsResultAccepted() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            let submitted = try await client.submit(["one", "two"], sequence: 1)
            #expect(bench.state(of: submitted.first) == .ready, "durable before the answer")
            let held = try await node.fetchAll(2)
            #expect(held.map(\.payload) == ["one", "two"] && held.map(\.attempt) == [1, 1])
            #expect(held[0].type == "Send" && held[0].timeout == .seconds(1800))
            #expect(try await client.list(.running).map(\.node) == ["n1", "n1"])
            #expect(try await node.succeed(held) == [.accepted, .accepted])
            #expect(bench.state(of: submitted.first) == nil, "gone before the answer")
            #expect(try await node.succeed(held) == [.refused, .refused])
            await bench.checkInvariants()
            let queues: QueueList = try await client.ask(ListQueues())
            #expect(queues.queues.first?.submittedTotal == 2 && queues.queues.first?.succeededTotal == 2)
        }
    }

    @Test func repeatedSubmitGivesTheSameIDsAndCreatesNothing() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            // The same submit twice at once, over different connections, and later again.
            let other = TestClient(connection: try bench.connect(), session: client.session)
            async let first = client.submit(["a", "b"], sequence: 1)
            async let second = other.submit(["a", "b"], sequence: 1)
            let (one, two) = try await (first, second)
            #expect(one.first == two.first && one.isRepeat != two.isRepeat)
            let later = try await client.submit(["a", "b"], sequence: 1)
            #expect(later.isRepeat && later.first == one.first && later.count == 2)
            #expect(bench.disk.contents.laneTotals.first?.submittedTotal == 2)
            #expect(await bench.parts.dispatcher.readyCount() == 2)
        }
    }

    @Test func repeatIsKnownAfterARestart() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let one = try await client.submit(["a"], sequence: 1)
            bench.crash()
            try await bench.start()
            let again = try await client.submit(["a"], sequence: 1)
            #expect(again.isRepeat && again.first == one.first)
            let next = try await client.submit(["b"], sequence: 2)
            #expect(!next.isRepeat && next.first > one.first)
        }
    }

    @Test func unknownSessionsAndSubmitsOlderThanTheWindowAreToldSo() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let stranger = SessionID(high: 1, low: 1)
            #expect(
                try await refusal { try await client.submit(["x"], sequence: 1, session: stranger) } == .sessionExpired)
            for sequence in 2...UInt64(Submission.windowMax + 2) {
                _ = try await client.submit(["x"], sequence: sequence)
            }
            #expect(try await refusal { try await client.submit(["x"], sequence: 1) } == .sessionExpired)
            #expect(bench.disk.contents.laneTotals.first?.submittedTotal == UInt64(Submission.windowMax + 1))
        }
    }

    @Test func submitsOutOfBoundsAreRefusedWholeAndDisturbNobody() throws {
        let settings = CoordinatorSettings(
            clientAddress: Bench.clients, nodeAddress: Bench.nodes, payloadMax: 10, submitJobsMax: 5, lanesMax: 2)
        try Bench.run(settings) { bench in
            let client = try await bench.client()
            #expect(
                try await refusal { try await client.submit(["fine", "01234567890"], sequence: 1) } == .payloadTooLarge)
            let six = [String](repeating: "x", count: 6)
            #expect(try await refusal { try await client.submit(six, sequence: 1) } == .invalidRequest)
            #expect(try await refusal { try await client.submit([], sequence: 1) } == .malformedFrame)
            #expect(try await refusal { try await client.submit(["x"], sequence: 1, type: "a b") } == .malformedFrame)
            #expect(bench.disk.contents.laneTotals.isEmpty, "nothing was created, no lane either")
            _ = try await client.submit(["x"], sequence: 1, type: "A")
            _ = try await client.submit(["x"], sequence: 2, type: "B")
            #expect(try await refusal { try await client.submit(["x"], sequence: 3, type: "C") } == .invalidRequest)
            #expect(try await client.submit(["x"], sequence: 3, type: "A").isRepeat == false)
        }
    }

    @Test func framesThatCannotBeReadAreAnsweredWithTheirFault() throws {
        try Bench.run { bench in
            for address in [Bench.clients, Bench.nodes] {
                let connection = try bench.connect(to: address)
                func code(_ bytes: [UInt8]) async throws -> ErrorReply.Code? {
                    try await refusal {
                        let answer = try await connection.request(Bytes(copying: bytes), timeout: .seconds(5))
                        if case .refused(let error) = try Reply<Pong>.decode(answer) { throw error }
                    }
                }
                let ping = Ping().encoded().array
                #expect(try await code([]) == .malformedFrame)
                #expect(try await code([1, 2, 3]) == .malformedFrame)
                #expect(try await code([UInt8](repeating: 0xFF, count: 64)) == .malformedFrame)
                var version = ping
                version[4] = 99
                #expect(try await code(version) == .unknownVersion)
                var kind = ping
                kind[5] = 120
                #expect(try await code(kind) == .unknownKind)
                #expect(try await code(Pong.sample.encoded().array) == .malformedFrame)
                // The connection goes on: the next request is served, or belongs elsewhere.
                #expect(try await code(ping) == (address == Bench.clients ? nil : .invalidRequest))
            }
            let client = try await bench.client()
            let fetch = Fetch(key: 1, lastDelivery: 0, creditTotal: 1)
            #expect(try await refusal { let _: Delivery = try await client.ask(fetch) } == .invalidRequest)
        }
    }

    @Test func frameCutAtAnyByteIsMalformedAndHarmless() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let frame = Submit(
                session: client.session, sequence: 1, templates: [JobTemplate(type: "A", queue: "q")],
                jobs: [Submit.Job(template: 0, payload: Bytes(copying: [1, 2, 3] as [UInt8]))]
            ).encoded()
            for count in 0..<frame.count {
                let answer = try await client.connection.request(frame[0..<count], timeout: .seconds(5))
                guard case .refused = try Reply<Submitted>.decode(answer) else {
                    Issue.record("a frame of \(count) bytes was taken")
                    continue
                }
            }
            #expect(bench.disk.contents.laneTotals.isEmpty)
        }
    }

    @Test func tooMuchWaitingForTheStoreIsRefusedForNow() throws {
        let settings = CoordinatorSettings(
            clientAddress: Bench.clients, nodeAddress: Bench.nodes, pendingBytesMax: 4000)
        try Bench.run(settings) { bench in
            let client = try await bench.client()
            bench.faults.current.latency = .seconds(1)
            let codes = try await withThrowingTaskGroup(of: ErrorReply.Code?.self) { group in
                for sequence in 1...20 as ClosedRange<UInt64> {
                    group.addTask {
                        try await refusal {
                            try await client.submit([String](repeating: "x", count: 4), sequence: sequence)
                        }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let refused = codes.count { $0 == .overloaded }
            #expect(refused > 5 && refused < 20 && codes.allSatisfy { $0 == nil || $0 == .overloaded })
            #expect(await bench.parts.commitLog.pendingBytes == 0)
            #expect(try await client.submit(["x"], sequence: 99).isRepeat == false)
        }
    }

    @Test func delayedJobRunsWhenItIsDueAndNotBefore() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            let due = bench.outside.wallTime + .seconds(90)
            let submitted = try await client.submit(["later"], sequence: 1, due: due)
            #expect(bench.state(of: submitted.first) == .scheduled)
            let held = try await node.fetchAll(1)
            #expect(held[0].payload == "later")
            let late = bench.outside.wallTime - due
            #expect(late >= .zero && late < .milliseconds(20))
            #expect(try await client.show(submitted.first).state == .running)
        }
    }

    /// Without room for a single payload in memory, everything is read back.
    @Test func jobsRunWithoutACacheToo() throws {
        let settings = CoordinatorSettings(
            clientAddress: Bench.clients, nodeAddress: Bench.nodes, payloadCacheMax: 0)
        try Bench.run(settings) { bench in
            let client = try await bench.client()
            let payloads = (0..<700).map { "payload \($0)" }
            _ = try await client.submit(payloads, sequence: 1)
            let node = try await bench.node("n1")
            node.beat()
            bench.faults.current.loadsFail = true
            #expect(try await node.fetchIfAny(700).isEmpty)
            bench.faults.current.loadsFail = false
            let held = try await node.fetchAll(700)
            #expect(held.map(\.payload) == payloads)
            #expect(try await node.succeed(held).allSatisfy { $0 == .accepted })
            await bench.checkInvariants()
        }
    }

    @Test func priorityGoesFirst() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            _ = try await client.submit(["low"], sequence: 1, options: JobOptions(priority: .lowest))
            _ = try await client.submit(["normal"], sequence: 2)
            _ = try await client.submit(["high"], sequence: 3, options: JobOptions(priority: .highest))
            let node = try await bench.node("n1")
            var order: [String] = []
            for _ in 0..<3 { order += try await node.fetch(1).map(\.payload) }
            #expect(order == ["high", "normal", "low"])
        }
    }
}

extension Pong {
    fileprivate static let sample = Pong(
        version: "0", epoch: Epoch(rawValue: 1), wallTime: WallTime(microseconds: 0), uptime: .zero, isRecovered: true,
        nodeCount: 0, pendingCount: 0)
}
