import Foundation
import MartletHTTP
import MartletRuntime
import Testing

/// What the server promises whatever is asked: deadlines, bounds, an answer for everybody.
@Suite struct ServerTests {
    private static func quick(head: Int = 60_000, body: Int = 60_000, idle: Int = 60_000) -> HTTPSettings {
        HTTPSettings(
            port: 0,
            times: HTTPTimes(
                head: .milliseconds(head), idle: .milliseconds(idle), body: .milliseconds(body),
                send: .milliseconds(300)))
    }

    @Test func aProcessIsAliveBeforeItIsReady() async throws {
        try await HTTPBench.run(coordinator: nil) { bench in
            #expect(try await bench.ask("GET", "/healthz").status == 200)
            let ready = try await bench.ask("GET", "/readyz")
            #expect(ready.status == 503)
            #expect(try ready.object()["status"] as? String == "not ready")
            #expect(try await bench.ask("GET", "/metrics").status == 200)
        }
    }

    @Test func aCoordinatorThatRunsIsReady() async throws {
        try await HTTPBench.run { bench in
            let ready = try await bench.ask("GET", "/readyz")
            #expect(ready.status == 200)
            #expect(try ready.object()["storeWritable"] as? Bool == true)
        }
    }

    /// Each byte would put off a deadline that only counts silence.
    @Test func aHeadThatTricklesIsCut() async throws {
        try await HTTPBench.run(Self.quick(head: 400)) { bench in
            let connection = try bench.connect()
            try await Self.expectCut(connection) { try connection.send("G") }
            #expect(
                try await bench.ask("GET", "/metrics").body.contains("martlet_http_timeouts_total{phase=\"head\"} 1"))
        }
    }

    @Test func aBodyThatTricklesIsCut() async throws {
        try await HTTPBench.run(Self.quick(body: 400)) { bench in
            let connection = try bench.connect()
            try connection.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
            try await Self.expectCut(connection) { try connection.send("x") }
        }
    }

    @Test func anIdleConnectionIsCut() async throws {
        try await HTTPBench.run(Self.quick(idle: 400)) { bench in
            let connection = try bench.connect()
            try connection.send(RawConnection.request("GET", "/healthz", body: nil))
            #expect(try await blocking { try connection.receive().status } == 200)
            #expect(try await blocking { try connection.waitForClose() } < .seconds(5))
        }
    }

    /// Sends until the connection is cut.
    private static func expectCut(_ connection: RawConnection, _ send: @escaping @Sendable () throws -> Void)
        async throws
    {
        let time = try await blocking {
            let start = ContinuousClock.now
            do {
                while ContinuousClock.now - start < .seconds(8) {
                    try send()
                    usleep(50_000)
                }
            } catch is RawConnection.Failure {}
            return ContinuousClock.now - start
        }
        #expect(time < .seconds(5), "a peer that trickles holds its connection")
    }

    @Test func aConnectionServesOneRequestAfterTheOther() async throws {
        try await HTTPBench.run { bench in
            let connection = try bench.connect()
            for _ in 0..<3 {
                try connection.send(RawConnection.request("GET", "/healthz", body: nil))
                #expect(try await blocking { try connection.receive().status } == 200)
            }
        }
    }

    @Test func connectionsAreBounded() async throws {
        try await HTTPBench.run(HTTPSettings(port: 0, connectionsMax: 4)) { bench in
            var held: [RawConnection] = []
            for _ in 0..<4 {
                let connection = try bench.connect()
                try connection.send(RawConnection.request("GET", "/healthz", body: nil))
                _ = try await blocking { try connection.receive() }
                held.append(connection)
            }
            let another = try bench.connect()
            try another.send(RawConnection.request("GET", "/metrics", body: nil))
            async let answer = blocking { try another.receive() }
            try await bench.loop.sleep(for: .milliseconds(200))
            held.removeFirst()
            // It came in when one had left.
            let body = try await answer.body
            #expect(body.contains("martlet_http_connections 4\n"))
        }
    }

    @Test func aHeadOfAnySizeIsBounded() async throws {
        try await HTTPBench.run { bench in
            let long = String(repeating: "x", count: 100_000)
            let answer = try await bench.ask("GET", "/healthz", headers: ["X-Long": long])
            #expect([431, 413].contains(answer.status))
        }
    }

    @Test func whatIsNotThereIsSaidAsAProblem() async throws {
        try await HTTPBench.run { bench in
            let missing = try await bench.ask("GET", "/nothing")
            #expect(missing.status == 404 && missing.code == "notFound")
            #expect(missing.headers["content-type"] == "application/problem+json")
            let method = try await bench.ask("DELETE", "/healthz")
            #expect(method.status == 405 && method.headers["allow"] == "GET, HEAD")
            #expect(try await bench.ask("GET", "/metrics?nmae=x").status == 400)
            let head = try await bench.ask("HEAD", "/healthz")
            #expect(head.status == 200 && head.body.isEmpty)
        }
    }

    /// Whoever waits for an answer when the process ends gets one, and connections that are held open keep nobody.
    @Test(.timeLimit(.minutes(1))) func itEndsAtOnceWithConnectionsOpen() async throws {
        let start = ContinuousClock.now
        let kept = try await Self.heldConnection()
        #expect(ContinuousClock.now - start < .seconds(30))
        _ = kept
    }

    private static func heldConnection() async throws -> [RawConnection] {
        nonisolated(unsafe) var held: [RawConnection] = []
        try await HTTPBench.run { bench in
            for text in ["", "GET /hea", RawConnection.request("GET", "/healthz", body: nil)] {
                let connection = try bench.connect()
                try connection.send(text)
                held.append(connection)
            }
        }
        return held
    }
}
