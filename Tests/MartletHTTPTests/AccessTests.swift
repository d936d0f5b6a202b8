import MartletHTTP
import Testing

/// Who gets in.
@Suite struct AccessTests {
    private static let tokens = AccessTokens([
        (Array("reads-everything-0001".utf8), .read), (Array("submits-jobs-00000001".utf8), .submit),
        (Array("does-everything-000001".utf8), .admin),
    ])

    /// A page whose name was made to lead to this machine has its own name in `Host`.
    @Test(arguments: ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", ""])
    func anotherHostIsRefused(host: String) async throws {
        try await HTTPBench.run(coordinator: nil) { bench in
            let answer = try await bench.ask("GET", "/healthz", headers: ["Host": host])
            #expect(answer.status == 421 || answer.status == 400)
        }
    }

    @Test(arguments: ["localhost", "localhost:7402", "127.0.0.1:7402", "[::1]:7402", "Jobs.Internal"])
    func namesOfThisMachineAreKnown(host: String) async throws {
        try await HTTPBench.run(HTTPSettings(port: 0, hosts: ["jobs.internal"]), coordinator: nil) { bench in
            try await expect(200, bench.ask("GET", "/healthz", headers: ["Host": host]).status)
        }
    }

    @Test func pagesOfOtherSitesAreRefused() async throws {
        let settings = HTTPSettings(port: 0, origins: ["https://ops.example.com"])
        try await HTTPBench.run(settings, coordinator: nil) { bench in
            func ask(_ origin: String) async throws -> RawAnswer {
                try await bench.ask("GET", "/healthz", headers: ["Origin": origin, "Host": "localhost:1"])
            }
            try await expect(403, ask("https://evil.example").status)
            try await expect(403, ask("null").status)
            try await expect(200, ask("http://localhost:1").status)
            let trusted = try await ask("https://ops.example.com")
            #expect(trusted.status == 200)
            #expect(trusted.headers["access-control-allow-origin"] == "https://ops.example.com")
        }
    }

    @Test func aTokenIsDemandedAndItsRoleDecides() async throws {
        try await HTTPBench.run(HTTPSettings(port: 0, tokens: Self.tokens)) { bench in
            func status(_ target: String, _ authorization: String?) async throws -> Int {
                let headers = authorization.map { ["Authorization": $0] } ?? [:]
                return try await bench.ask("GET", target, headers: headers).status
            }
            try await expect(200, status("/healthz", nil))
            try await expect(401, status("/metrics", nil))
            try await expect(401, status("/metrics", "Bearer wrong-token-0000001"))
            try await expect(401, status("/metrics", "Basic reads-everything-0001"))
            try await expect(200, status("/metrics", "Bearer reads-everything-0001"))
            try await expect(200, status("/metrics", "bearer does-everything-000001"))
        }
    }

    @Test func tokensAreNotShown() {
        #expect(!"\(Self.tokens)".contains("reads"))
        #expect(Self.tokens.role(of: Array("submits-jobs-00000001".utf8)) == .submit)
        #expect(Self.tokens.role(of: Array("submits-jobs-00000002".utf8)) == nil)
    }
}

/// The macro does not take an expression that throws within a function of the closure.
private func expect(
    _ wanted: Int, _ found: Int, at place: SourceLocation = #_sourceLocation
) {
    #expect(found == wanted, sourceLocation: place)
}
