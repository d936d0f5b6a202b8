import MartletCoordinator
import MartletCore
import MartletSimulation
import MartletStore
import MartletWire
import Synchronization
import Testing

@Suite struct ExpiryTests {
    private static func options(_ expiry: Duration) -> JobOptions {
        var options = JobOptions()
        options.expiry = expiry
        return options
    }

    private static func unique(_ expiry: Duration) -> JobOptions {
        var options = Self.options(expiry)
        options.unique = UniqueKey("k", conflict: .replace)
        return options
    }

    /// Nobody serves it: only the sweep can end it.
    @Test func aJobThatNobodyStartsEndsInTime() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let id = try await client.submit(["a"], sequence: 1, options: Self.options(.seconds(5))).first
            try await bench.sleep(.milliseconds(4500))
            #expect(bench.state(of: id) == .ready)
            try await bench.sleep(.seconds(2))
            #expect(bench.state(of: id) == .expired)
            #expect(bench.disk.contents.laneTotals[0].expiredTotal == 1)
            try await bench.sleep(.seconds(3600))
            #expect(bench.state(of: id) == .expired, "it stays listed")
            let node = try await bench.node("n1")
            #expect(try await node.fetchIfAny(4).isEmpty)
            await bench.checkInvariants()
        }
    }

    /// What a node has is the node's to judge; given back unstarted, it expires.
    @Test func aJobThatANodeHasIsNotEndedUntilItComesBack() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            let first = try await client.submit(["a", "b"], sequence: 1, options: Self.options(.seconds(5))).first
            let jobs = try await node.fetchAll(2)
            try await bench.sleep(.seconds(8))
            #expect(bench.state(of: first) == .ready && bench.state(of: first.advanced(by: 1)) == .ready)
            _ = try await node.report([(jobs[0], .succeeded), (jobs[1], .returned)])
            try await bench.until { bench.state(of: first.advanced(by: 1)) == .expired }
            #expect(bench.state(of: first) == nil, "it was started in time and succeeded")
        }
    }

    /// Its time has passed when its body is read, and it has been given more when its end is to be committed.
    @Test func aJobThatIsGivenMoreTimeMeanwhileIsNotLost() throws {
        let uncached = CoordinatorSettings(
            clientAddress: Bench.clients, nodeAddress: Bench.nodes, payloadCacheMax: 0)
        try Bench.run(uncached) { bench in
            let client = try await bench.client()
            let options = Self.unique(.milliseconds(100))
            let id = try await client.submit(["old"], sequence: 1, options: options).first
            try await bench.sleep(.milliseconds(200))
            await bench.parts.dispatcher.setExpiry { jobs in
                _ = try? await client.submit(["new"], sequence: 2, options: options)
                return jobs.map(\.id)
            }
            let node = try await bench.node("n1")
            node.beat()
            let held = try await node.fetchIfAny(4)
            #expect(held.map(\.id) == [id] && held.map(\.payload) == ["new"])
            #expect(try await node.succeed(held) == [.accepted])
            #expect(try await node.fetchIfAny(4).isEmpty, "once")
            await bench.checkInvariants()
        }
    }

    @Test func whatWasRefusedAndIsAsItWasIsLookedAtAgain() throws {
        let uncached = CoordinatorSettings(
            clientAddress: Bench.clients, nodeAddress: Bench.nodes, payloadCacheMax: 0)
        try Bench.run(uncached) { bench in
            let client = try await bench.client()
            let looks = Mutex(0)
            await bench.parts.dispatcher.setExpiry { jobs in
                looks.withLock { $0 += 1 }
                return looks.withLock { $0 } < 3 ? jobs.map(\.id) : []
            }
            _ = try await client.submit(["a"], sequence: 1, options: Self.options(.milliseconds(100)))
            try await bench.sleep(.milliseconds(200))
            let node = try await bench.node("n1")
            #expect(try await node.fetchIfAny(4, within: .milliseconds(500)).isEmpty)
            #expect(looks.withLock { $0 } == 3)
        }
    }

    @Test func aJobThatWasStartedOnceDoesNotExpire() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            node.beat()
            var options = Self.options(.seconds(5))
            options.retry = RetryPolicy(
                maxAttempts: 3, initialBackoff: .seconds(20), maxBackoff: .seconds(20), jitter: 0)
            _ = try await client.submit(["a"], sequence: 1, options: options)
            let jobs = try await node.fetchAll(1)
            _ = try await node.fail(jobs[0])
            #expect(try await node.fetch(1).map(\.attempt) == [2])
        }
    }
}
